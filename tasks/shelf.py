"""Where sealed results lie: a private folder of this machine, or any storage that fsspec reaches."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from tasks.settings import Settings


@dataclass(frozen=True)
class Entry:
    """One stored result, or the metadata of one. Units: `used` is the time of its last use, or else of its making."""

    name: str
    size_bytes: int
    used: datetime


class Shelf(Protocol):
    """Named bytes."""

    @property
    def can_list(self) -> bool:
        """Whether `entries` tells what is there."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a name. Raises: OSError when there are none."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """All of the bytes or, when the process dies, none of them."""
        ...

    def remove(self, name: str) -> None:
        """Takes a name away, if it is there."""
        ...

    def touch(self, name: str) -> None:
        """Notes that a name was used, where the storage can."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Everything on the shelf."""
        ...


@dataclass(frozen=True)
class LocalShelf:
    """A folder that only its owner can open: folder 0700, files 0600, each written whole or not at all."""

    folder: Path

    @property
    def can_list(self) -> bool:
        """Whether `entries` tells what is there."""
        return True

    def read(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - mode
                file.write(content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def touch(self, name: str) -> None:
        os.utime(self._path(name))

    def entries(self) -> Iterator[Entry]:
        if not self.folder.is_dir():
            return
        for item in os.scandir(self.folder):
            if item.is_file(follow_symlinks=False):
                facts = item.stat(follow_symlinks=False)
                yield Entry(item.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def _path(self, name: str) -> Path:
        if Path(name).name != name:
            raise FileNotFoundError(f"{name!r} is not the name of a result")
        return self.folder / name


@dataclass(frozen=True)
class RemoteShelf:
    """A folder in any storage that fsspec knows (`s3://bucket/results`); credentials come from the environment."""

    url: str

    @property
    def can_list(self) -> bool:
        """Whether `entries` tells what is there."""
        return True

    @cached_property
    def _storage(self) -> tuple[Any, str]:
        core: Any = import_module("fsspec.core")
        return core.url_to_fs(self.url)

    def read(self, name: str) -> bytes:
        storage, folder = self._storage
        return storage.cat_file(f"{folder}/{name}")

    def write(self, name: str, content: bytes) -> None:
        storage, folder = self._storage
        storage.makedirs(folder, exist_ok=True)
        storage.pipe_file(f"{folder}/{name}", content)

    def remove(self, name: str) -> None:
        storage, folder = self._storage
        if storage.exists(f"{folder}/{name}"):
            storage.rm_file(f"{folder}/{name}")

    def touch(self, name: str) -> None:
        """Object stores keep no time of use: there, age counts from the making."""

    def entries(self) -> Iterator[Entry]:
        storage, folder = self._storage
        if not storage.exists(folder):
            return
        for facts in storage.ls(folder, detail=True):
            if facts["type"] == "file":
                yield Entry(facts["name"].rpartition("/")[2], facts["size"], _time(storage, facts["name"]))


def _time(storage: Any, path: str) -> datetime:
    when: datetime = storage.modified(path)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


@dataclass(frozen=True)
class BlockShelf:
    """A storage block of Prefect, as `type/name`. Blocks cannot list or remove: give the bucket a rule for age."""

    block: str

    @property
    def can_list(self) -> bool:
        """Whether `entries` tells what is there."""
        return False

    @cached_property
    def _storage(self) -> Any:
        core: Any = import_module("prefect.blocks.core")
        return core.Block.load(self.block, _sync=True)

    def read(self, name: str) -> bytes:
        return self._storage.read_path(name, _sync=True)

    def write(self, name: str, content: bytes) -> None:
        self._storage.write_path(name, content, _sync=True)

    def remove(self, name: str) -> None:
        """Left to the bucket."""

    def touch(self, name: str) -> None:
        """Left to the bucket."""

    def entries(self) -> Iterator[Entry]:
        return iter(())


def result_shelf(settings: Settings) -> Shelf:
    """Where sealed results lie: ROLLCALL_RESULT_STORAGE, by default `results` in the home folder."""
    place = settings.result_storage
    if not place:
        return LocalShelf(settings.home.absolute() / "results")
    return RemoteShelf(place.rstrip("/")) if "://" in place else BlockShelf(place)


def key_shelf(settings: Settings) -> Shelf:
    """Where Prefect's metadata of results lies: beside the results, so that who shares them finds them.

    A block cannot forget a name, which metadata must be able to: there, it lies in the home folder of each machine.
    """
    place = settings.result_storage
    if place and "://" in place:
        return RemoteShelf(f"{place.rstrip('/')}/keys")
    return LocalShelf(settings.home.absolute() / "keys")
