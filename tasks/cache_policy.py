"""Prefect's side of the cache: keys by lineage, storage on our shelves, and misses in place of failures.

With metadata and result stored apart Prefect believes the metadata: a result that is gone or does not open would fail
the task. So the policy opens the result when it computes the key; whatever is wrong with it, its metadata is removed
and the step runs. The opened result is handed on, so that a hit is read and opened once.
"""

from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext
from prefect.filesystems import WritableFileSystem
from pydantic import PrivateAttr

from tasks.key_file import open_keyring
from tasks.keyring import Keyring, SealError
from tasks.lineage import Recipe, cache_key
from tasks.seal_results import Opened, opened
from tasks.sealed import open_result, read_label
from tasks.settings import Settings
from tasks.shelf import Shelf, key_shelf, result_shelf


class ShelfStorage(WritableFileSystem):
    """A shelf as Prefect's storage. It is never saved as a block: it belongs to this installation's settings."""

    _block_type_name = "Rollcall shelf"
    _shelf: Shelf = PrivateAttr()

    @classmethod
    def of(cls, shelf: Shelf) -> Self:
        """The storage that keeps its files on a shelf."""
        storage = cls()
        storage._shelf = shelf
        return storage

    def read_path(self, path: str, _sync: bool = True) -> bytes:  # pyright: ignore[reportIncompatibleMethodOverride] - Prefect passes _sync
        """The bytes of a name."""
        return self._shelf.read(path)

    def write_path(self, path: str, content: bytes, _sync: bool = True) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        """Stores the bytes under a name."""
        self._shelf.write(path, content)

    async def aread_path(self, path: str) -> bytes:
        """`read_path` for Prefect's asynchronous calls."""
        return self.read_path(path)

    async def awrite_path(self, path: str, content: bytes) -> None:
        """`write_path` for Prefect's asynchronous calls."""
        self.write_path(path, content)

    def _resolve_path(self, path: str) -> None:
        """No path: results are noted by name, and so survive a move of the home folder."""


class ResultStorage(ShelfStorage):
    """The shelf of the results themselves; gives out what the policy has just opened without reading it again."""

    _block_type_name = "Rollcall result shelf"

    def read_path(self, path: str, _sync: bool = True) -> bytes:
        """The bytes of a name."""
        proved = opened.get()
        return proved.sealed if proved is not None and proved.name == path else super().read_path(path)


@dataclass
class LineagePolicy(CachePolicy):
    """The key of an output from what it is made of; only results that open count as there."""

    recipe: Recipe = field(default_factory=lambda: Recipe("", 0))
    settings: Settings = field(default_factory=Settings)

    def compute_key(
        self, task_ctx: TaskRunContext, inputs: dict[str, Any], flow_parameters: dict[str, Any], **kwargs: Any
    ) -> str | None:
        """The key, after the metadata of a result that would not open is removed."""
        opened.set(None)
        ring = open_keyring(self.settings, may_create=False)
        name = cache_key(self.recipe, inputs, ring)
        if name is not None and not self._is_whole(name, ring):
            key_shelf(self.settings).remove(name)
        return name

    def _is_whole(self, name: str, ring: Keyring) -> bool:
        keys, results = key_shelf(self.settings), result_shelf(self.settings)
        try:
            note = orjson.loads(keys.read(name))
            if (note["storage_key"], note["serializer"]["type"]) != (name, "sealed"):
                return False
            sealed = results.read(name)
            if read_label(sealed).name != name:
                return False
            opened.set(Opened(name, sealed, open_result(sealed, ring)))
            results.touch(name)
            keys.touch(name)
        except (OSError, ValueError, LookupError, TypeError, SealError):
            return False
        return True
