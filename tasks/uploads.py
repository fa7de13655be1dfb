"""Uploads: files that wait in the database for the run that imports them, sealed, for a while.

A run names an upload by its id, because the parameters of a run are shown to everybody who may see the run, and
because the worker that takes it may be another machine. The file comes in pieces and goes out in pieces; each piece is
sealed under its upload and position, so that none can be left out, doubled or swapped.
"""

import io
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import BinaryIO, Final, Literal

import polars as pl
import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.run import timestamp
from tasks.store.store import Store
from tasks.store.upload_tables import upload_pieces, uploads

PIECE_BYTES: Final = 1 << 20
UPLOAD_ID: Final = re.compile(r"upload-[0-9a-f]{16}")


@dataclass(frozen=True)
class UploadLimits:
    """How much an upload may hold and how long it waits for its run."""

    size_bytes: int = 1_000_000_000
    lifetime: timedelta = timedelta(hours=24)


@dataclass(frozen=True)
class Upload:
    """A sealed file in the database; it opens as a `pathlib.Path` does, which is all that fetch asks of a file."""

    id: str
    name: str
    size_bytes: int
    pieces: int
    store: Store

    def is_file(self) -> bool:
        """True: an upload that was found is there."""
        return True

    def stat(self) -> os.stat_result:
        """Its size; all else is unknown."""
        return os.stat_result((0o100600, 0, 0, 1, 0, 0, self.size_bytes, 0, 0, 0))

    def open(self, mode: Literal["rb"] = "rb") -> io.BufferedReader:
        """Its bytes, from the beginning."""
        return io.BufferedReader(io.BytesIO(self.read_bytes()))

    def read_bytes(self) -> bytes:
        """All of its bytes.

        Raises: SealError when a piece was damaged or moved; WrongUseError when one is gone.
        """
        whole = b"".join(self._opened())
        if len(whole) != self.size_bytes:
            raise _unknown(self.id)
        return whole

    def _opened(self) -> Iterator[bytes]:
        with self.store.open() as connection:
            for position in range(self.pieces):
                found = connection.read(
                    sa.select(upload_pieces.c.content).where(
                        upload_pieces.c.upload_id == self.id, upload_pieces.c.position == position
                    )
                )
                if found.is_empty():
                    raise _unknown(self.id)
                yield self.store.keyring.open(found["content"][0], **_place(self, position))


class UploadWriter:
    """Seals what is written to it into the database, piece by piece; the upload can be found once it is closed.

    Each piece is committed by itself: a slow upload must not keep an import from writing.
    """

    def __init__(self, store: Store, name: str, now: datetime, limits: UploadLimits) -> None:
        self.upload = Upload(f"upload-{secrets.token_hex(8)}", PurePath(name).name or "upload.csv", 0, 0, store)
        self._limit_bytes = limits.size_bytes
        self._waiting = bytearray()
        times = {"created": timestamp(now), "expires": timestamp(now + limits.lifetime)}
        row = {"id": self.upload.id, "name": self.upload.name, "size_bytes": 0, "pieces": 0}
        with store.open() as connection:
            connection.execute(sa.insert(uploads).values(**row, **times))
            connection.commit()

    def write(self, data: bytes) -> None:
        """Takes the next bytes, and seals every piece that is full.

        Raises: WrongUseError when the file becomes larger than allowed.
        """
        self._waiting += data
        if self.upload.size_bytes + len(self._waiting) > self._limit_bytes:
            raise WrongUseError(
                "upload-too-large",
                f"The file is larger than {self._limit_bytes:,} bytes, the most that an upload may hold. "
                "Raise ROLLCALL_UPLOAD_LIMIT_BYTES, or let a profile of type url fetch it.",
            )
        while len(self._waiting) >= PIECE_BYTES:
            self._seal(bytes(self._waiting[:PIECE_BYTES]))
            del self._waiting[:PIECE_BYTES]

    def close(self) -> Upload:
        """Seals the rest; from here on the upload can be found.

        Raises: WrongUseError when nothing was written.
        """
        if self._waiting:
            self._seal(bytes(self._waiting))
            self._waiting.clear()
        if not self.upload.size_bytes:
            raise WrongUseError("upload-empty", "The uploaded file is empty. Choose the CSV file again.")
        facts = {"size_bytes": self.upload.size_bytes, "pieces": self.upload.pieces}
        with self.upload.store.open() as connection:
            self.upload.store.check_key(connection)
            connection.execute(sa.update(uploads).where(uploads.c.id == self.upload.id).values(**facts))
            connection.commit()
        return self.upload

    def abandon(self) -> None:
        """Takes back what was written: the rest will not come."""
        forget_upload(self.upload.store, self.upload.id)

    def _seal(self, piece: bytes) -> None:
        upload = self.upload
        sealed = upload.store.keyring.seal(piece, **_place(upload, upload.pieces))
        rows = {"upload_id": [upload.id], "position": [upload.pieces], "content": [sealed]}
        with upload.store.open() as connection:
            connection.append(upload_pieces, pl.DataFrame(rows, schema_overrides={"position": pl.Int32}))
            connection.commit()
        self.upload = replace(upload, size_bytes=upload.size_bytes + len(piece), pieces=upload.pieces + 1)


def keep_upload(store: Store, content: BinaryIO, name: str, now: datetime, limits: UploadLimits) -> Upload:
    """Seals a stream into the database; the new upload, or nothing at all when the stream breaks.

    Raises: WrongUseError when it is empty or larger than allowed.
    """
    writer = UploadWriter(store, name, now, limits)
    try:
        while piece := content.read(PIECE_BYTES):
            writer.write(piece)
        return writer.close()
    except BaseException:
        writer.abandon()
        raise


def find_upload(store: Store, upload: str, now: datetime) -> Upload:
    """The upload of this id.

    Raises: WrongUseError when there is none, or its time is over.
    """
    with store.open() as connection:
        query = sa.select(uploads).where(
            uploads.c.id == upload, uploads.c.pieces > 0, uploads.c.expires > timestamp(now)
        )
        found = connection.read(query).to_dicts()
    if not found:
        raise _unknown(upload)
    return Upload(found[0]["id"], found[0]["name"], found[0]["size_bytes"], found[0]["pieces"], store)


def forget_upload(store: Store, upload: str) -> None:
    """Removes an upload after its use; one that is gone already is no failure."""
    _remove(store, uploads.c.id == upload)


def forget_expired_uploads(store: Store, now: datetime) -> None:
    """Removes the uploads that nobody imported in time."""
    _remove(store, uploads.c.expires <= timestamp(now))


def _remove(store: Store, which: sa.ColumnElement[bool]) -> None:
    ids = sa.select(uploads.c.id).where(which)
    with store.open() as connection:
        if connection.read(ids).is_empty():
            return
        connection.execute(sa.delete(upload_pieces).where(upload_pieces.c.upload_id.in_(ids)))
        connection.execute(sa.delete(uploads).where(which))
        connection.commit()


def _place(upload: Upload, position: int) -> dict[str, str]:
    return {"table": "upload_pieces", "row": f"{upload.id}/{position}", "column": "content"}


def _unknown(upload: str) -> WrongUseError:
    shown = upload if UPLOAD_ID.fullmatch(upload) else "of this name"
    return WrongUseError(
        "upload-unknown",
        f"There is no upload {shown} (any more): it was used, its time is over, or the id is mistyped. "
        "Upload the file again, in the console or with `rollcall upload FILE`.",
    )
