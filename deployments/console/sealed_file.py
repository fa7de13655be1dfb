"""A file that lies encrypted on disk, written and read as a stream: never whole in memory, never in clear on disk.

Chunks of 64 KiB under AES-256-GCM, each bound to its place and the last one marked, so that a chunk that is cut off,
swapped or taken from another file does not open. Every file has a key of its own.

Source: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption, 2015).
"""

import hmac
import io
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tasks.keyring import KEY_ID_BYTES, Keyring, SealError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAGIC: Final = b"RCFILE1\0"
CHUNK_BYTES: Final = 1 << 16
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
HEAD_BYTES: Final = len(MAGIC) + KEY_ID_BYTES + SALT_BYTES


class SealedWriter:
    """Seals what is written to it; the file counts as whole only after `close`."""

    def __init__(self, path: Path, keyring: Keyring) -> None:
        salt = secrets.token_bytes(SALT_BYTES)
        self._head = MAGIC + bytes.fromhex(keyring.key_id) + salt
        self._cipher = _cipher(keyring, salt)
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")  # noqa: PTH123, SIM115 - mode
        self._file.write(self._head)
        self._waiting = bytearray()
        self._chunks = 0

    def write(self, data: bytes) -> None:
        """Seals and writes every chunk that is full."""
        self._waiting += data
        # One chunk is held back: it may turn out to be the last.
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def close(self) -> None:
        """Writes the last chunk."""
        self._seal(bytes(self._waiting), last=True)
        self._file.close()

    def abandon(self) -> None:
        """Stops without a last chunk: what was written will not open."""
        self._file.close()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._chunks, last), chunk, self._head))
        self._chunks += 1


class SealedFile:
    """A sealed file under the name that its owner gave it; fetch reads it as it reads a path."""

    def __init__(self, path: Path, name: str, keyring: Keyring) -> None:
        self._path = path
        self._keyring = keyring
        self.name = name

    def __str__(self) -> str:
        return self.name

    def is_file(self) -> bool:
        """Whether it is there."""
        return self._path.is_file()

    def stat(self) -> os.stat_result:
        """The facts of the sealed file, a few bytes a chunk larger than its content."""
        return self._path.stat()

    def open(self, mode: Literal["rb"]) -> io.BufferedReader:
        """The content as a stream."""
        return io.BufferedReader(_SealedReader(self._path, self._keyring), CHUNK_BYTES)

    def read_bytes(self) -> bytes:
        """All of the content."""
        with self.open("rb") as content:
            return content.read()


class _SealedReader(io.RawIOBase):
    def __init__(self, path: Path, keyring: Keyring) -> None:
        self._file = path.open("rb")
        self._head = self._file.read(HEAD_BYTES)
        if len(self._head) < HEAD_BYTES or not self._head.startswith(MAGIC):
            raise SealError("sealed-file-foreign", "a stored file was not written by this version of Rollcall")
        key_id = self._head[len(MAGIC) : -SALT_BYTES].hex()
        self._cipher = _cipher(keyring.at(key_id), self._head[-SALT_BYTES:])
        self._chunks = 0
        self._next = self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._plain = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._plain and self._next:
            self._plain = self._open_next()
        count = min(len(view), len(self._plain))
        view[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

    def _open_next(self) -> bytes:
        chunk, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        try:
            plain = self._cipher.decrypt(_nonce(self._chunks, not self._next), chunk, self._head)
        except InvalidTag:
            raise SealError("sealed-file-damaged", "a stored file is cut off or was changed; upload it again") from None
        self._chunks += 1
        return plain


def _cipher(keyring: Keyring, salt: bytes) -> AESGCM:
    return AESGCM(hmac.digest(keyring.derive("file"), salt, "sha256"))


def _nonce(chunk: int, last: bool) -> bytes:
    return chunk.to_bytes(11, "big") + (b"\1" if last else b"\0")
