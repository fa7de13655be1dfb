"""The beginnings of the last files, sealed, so that an edit of a profile shows what its rows become.

A beginning goes with its file: when the plan is discarded, when a key was taken away that sealed it, and where the
profile keeps no secret at all (`secrets: fingerprint`).
"""

import codecs
import os
import secrets
from pathlib import Path
from typing import Final

from tasks.encoding import find_encoding, marked_encoding
from tasks.keyring import Keyring, SealError
from tasks.profile import Profile

_UPLOAD: Final = "upload"
_HEAD: Final = "head"


class Samples:
    """The sealed beginnings, by profile."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self._folder = folder
        self._keyring = keyring

    def keep(self, profile: Profile, head: bytes, *, whole: bool, upload: str = "") -> None:
        """Keeps the beginning of an upload, up to its last whole line."""
        self.forget(profile.name)
        if profile.secrets == "fingerprint":
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(profile.name, _UPLOAD, upload.encode())
        self._write(profile.name, _HEAD, head if whole else whole_lines(head))

    def of(self, profile: Profile) -> bytes | None:
        """The beginning of the profile's last file; None where there is none, or none that may be kept any more."""
        found = self._read(profile.name, _HEAD)
        if found is None or profile.secrets == "fingerprint":
            self.forget(profile.name)
            return None
        return found

    def forget(self, profile: str) -> None:
        """Deletes the beginning of the profile's last file."""
        for part in (_HEAD, _UPLOAD):
            self._place(profile, part).unlink(missing_ok=True)

    def forget_upload(self, profile: str, upload: str) -> None:
        """Deletes what is kept of an upload, unless a later one took its place."""
        if self._read(profile, _UPLOAD) == upload.encode():
            self.forget(profile)

    def _place(self, profile: str, part: str) -> Path:
        return self._folder / f"{profile}.{part}"

    def _write(self, profile: str, part: str, content: bytes) -> None:
        path = self._place(profile, part)
        draft = path.with_name(f".{secrets.token_hex(8)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
            file.write(self._keyring.seal(content, table="samples", row=profile, column=part))
        draft.replace(path)

    def _read(self, profile: str, part: str) -> bytes | None:
        try:
            sealed = self._place(profile, part).read_bytes()
            return self._keyring.open(sealed, table="samples", row=profile, column=part)
        except (FileNotFoundError, SealError):
            return None


def whole_lines(head: bytes) -> bytes:
    """The beginning of a file without the line that it breaks off in; as it is where no line ends in it.

    In UTF-16 the byte of a line end is half a character, so that lines are looked for in the text.
    """
    wide = marked_encoding(head) or _unmarked(head)
    if wide is None:
        return head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1] or head
    try:
        text = codecs.getincrementaldecoder(wide)().decode(head)
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        return head[: len(text[:end].encode(wide))] if end else head
    except UnicodeError:
        return head


def _unmarked(head: bytes) -> str | None:
    """UTF-16 without a mark; a character of two pairs may be cut in half at the end."""
    if b"\0" not in head:
        return None
    even = head[: len(head) // 2 * 2]
    found = find_encoding(even) or find_encoding(even[:-2])
    return found.encoding if found else None
