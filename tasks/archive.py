"""Packed sources: gzip, and zip with exactly one CSV, unpacked within limits so that a bomb cannot go off."""

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from tasks.errors import SourceError

GZIP: Final = b"\x1f\x8b"
ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
OFFICE_PARTS: Final = frozenset({"[Content_Types].xml", "mimetype"})
CSV_SUFFIXES: Final = frozenset({".csv", ".tsv", ".txt"})
ZIP_FAULTS: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(OSError, EOFError, ValueError, IndexError, OverflowError, NotImplementedError),
)
"""What zipfile raises over a damaged archive: it trusts offsets, sizes, names and the methods' own headers."""
CHUNK_BYTES: Final = 1 << 20
FEED_BYTES: Final = 1 << 16
RATIO_FROM_BYTES: Final = 1 << 20
"""Below this size the ratio says nothing: a small file of equal lines packs well."""


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold.

    Units: bytes; `ratio` is unpacked by packed size.
    """

    size_bytes: int
    ratio: float


def unpack(data: bytes, limits: Limits) -> bytes:
    """The CSV inside an archive; what is no archive stays as it is, an office document too (decode names it).

    Raises: SourceError for a damaged archive, one with no or several CSV files, one beyond the limits.
    """
    if data.startswith(GZIP):
        return gunzip(data, limits)
    if data.startswith(ZIP):
        return _unzip(data, limits)
    return data


def gunzip(data: bytes, limits: Limits) -> bytes:
    """The content of gzip data, all its members one after the other.

    Raises: SourceError where it is damaged, cut or beyond the limits.
    """
    try:
        return _within(_inflated(data, zlib.MAX_WBITS | 16), len(data), limits)
    except zlib.error:
        raise _damaged("gzip") from None


def inflate(data: bytes, limits: Limits) -> bytes:
    """The content of a `deflate` body, with or without its zlib header (RFC 9110, section 8.4.1.2).

    Raises: SourceError where it is damaged, cut or beyond the limits.
    """
    has_header = data[:1] == b"\x78"
    try:
        return _within(_inflated(data, zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS), len(data), limits)
    except zlib.error:
        raise _damaged("deflate") from None


def _inflated(data: bytes, window: int) -> Iterator[bytes]:
    member = zlib.decompressobj(window)
    at = 0
    while True:
        feed = member.unconsumed_tail
        if not feed:
            feed = data[at : at + FEED_BYTES]
            at += len(feed)
        piece = member.decompress(feed, CHUNK_BYTES)
        yield piece
        if member.eof:
            at -= len(member.unused_data)
            if not data.startswith(GZIP, at):
                return
            member = zlib.decompressobj(window)
        elif not piece and not feed:
            raise _damaged("packed")


def _unzip(data: bytes, limits: Limits) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = {info.filename for info in archive.infolist()}
            if names & OFFICE_PARTS:
                return data
            with archive.open(_only_csv(archive)) as member:
                return _within(iter(lambda: member.read(CHUNK_BYTES), b""), len(data), limits)
    except ZIP_FAULTS:
        raise _damaged("zip") from None
    except RuntimeError:
        message = "The zip archive is encrypted, which Rollcall does not read: pack it without a password."
        raise SourceError("archive-encrypted", message) from None


def _only_csv(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/") and not _path(info).name.startswith(".")
    ]
    tables = [info for info in files if _path(info).suffix.lower() in CSV_SUFFIXES]
    if len(tables) == 1:
        return tables[0]
    raise SourceError(
        "archive-ambiguous",
        f"The zip archive holds {len(tables)} CSV files among {len(files)} files, exactly one was expected: pack the "
        "one to import alone.",
    )


def _path(info: zipfile.ZipInfo) -> PurePosixPath:
    return PurePosixPath(info.filename)


def _within(pieces: Iterator[bytes], packed_bytes: int, limits: Limits) -> bytes:
    out: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limits.size_bytes or (size > RATIO_FROM_BYTES and size > limits.ratio * packed_bytes):
            raise SourceError(
                "archive-too-large",
                f"The source unpacks to more than {limits.size_bytes >> 20} MiB or {limits.ratio:g} times its size: it "
                "may be a decompression bomb. If it is meant, raise fetch.unpacked_limit_mib or fetch.ratio_limit.",
            )
        out.append(piece)
    return b"".join(out)


def _damaged(kind: str) -> SourceError:
    return SourceError("archive-damaged", f"The {kind} data is damaged or cut off: make or send the file again.")
