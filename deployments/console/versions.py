"""Saves a profile so that nothing is lost: not the edit of somebody else in the meantime, not what was there before.

Versions lie in ROLLCALL_HOME, beside the profiles folder's own version control, if it has one.
"""

import difflib
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from deployments.console.editing import version_of
from tasks.profile import Profile
from tasks.profile_file import parse_profile, read_profile_text
from tasks.run import timestamp

_SAVING: Final = Lock()


class ConflictError(Exception):
    """The profile was changed since the page was opened; `now` is its text as it is."""

    def __init__(self, now: str) -> None:
        super().__init__("the profile was changed in the meantime")
        self.now = now


@dataclass(frozen=True)
class Version:
    """One state of a profile; without an author it was written outside the console.

    `version` is the digest of the text, which may come again; `number` is the place among the profile's versions.
    """

    version: str
    time: str
    author: str
    text: str
    number: int = 0


@dataclass(frozen=True)
class DiffLine:
    """One line of a comparison."""

    kind: Literal["same", "removed", "added", "gap"]
    text: str


class Versions:
    """The history of every profile of the installation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, path: Path, text: str, seen: str, author: str, time: str) -> Profile:
        """Writes the profile when it is valid and still the version that was seen.

        Raises: ProfileError with every problem; ConflictError when somebody else saved first.
        """
        profile = parse_profile(text, path.stem, path.name)
        with _SAVING:
            before = read_profile_text(path)
            if version_of(before) != seen:
                raise ConflictError(before)
            if before != text:
                self._keep_outside_edit(path, before)
                _write(path, text)
                self._keep(path.stem, Version(version_of(text), time, author, text))
        return profile

    def begin(self, path: Path, author: str, time: str) -> None:
        """Keeps the first version of a profile that was just made here."""
        text = read_profile_text(path)
        self._keep(path.stem, Version(version_of(text), time, author, text))

    def of(self, profile: str) -> list[Version]:
        """The versions of a profile, newest first."""
        folder = self._folder / profile
        if not folder.is_dir():
            return []
        files = sorted((path for path in folder.iterdir() if path.suffix == ".json"), reverse=True)
        return [Version(**json.loads(path.read_text("utf-8")), number=int(path.stem)) for path in files]

    def _keep_outside_edit(self, path: Path, text: str) -> None:
        """Keeps what was not saved here last, so that nobody here is taken for its author."""
        newest = next(iter(self.of(path.stem)), None)
        if newest is None or newest.text != text:
            written = timestamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
            self._keep(path.stem, Version(version_of(text), written, "", text))

    def _keep(self, profile: str, version: Version) -> None:
        folder = self._folder / profile
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = len(list(folder.iterdir())) + 1
        content = {"version": version.version, "time": version.time, "author": version.author, "text": version.text}
        _write(folder / f"{number:06}.json", json.dumps(content, ensure_ascii=False))


def diff(before: str, after: str) -> list[DiffLine]:
    """The lines that differ, each with three lines around it."""
    lines: list[DiffLine] = []
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3):
        if line.startswith(("---", "+++")):
            continue
        kinds: dict[str, Literal["same", "removed", "added", "gap"]] = {"-": "removed", "+": "added", "@": "gap"}
        lines.append(DiffLine(kinds.get(line[:1], "same"), "" if line.startswith("@") else line[1:]))
    return lines


def _write(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    draft.replace(path)
