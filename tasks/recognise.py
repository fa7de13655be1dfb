"""What a file is when it is no CSV, in words that help: people send workbooks, login pages and pictures."""

import re
from typing import Final

from tasks.errors import SourceError

OFFICE: Final = (
    (b"xl/", "an Excel workbook"),
    (b"word/", "a Word document"),
    (b"opendocument", "an OpenDocument file"),
)
SIGNATURES: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG\r\n", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"II*\x00", "a picture (TIFF)"),
    (b"MM\x00*", "a picture (TIFF)"),
    (b"RIFF", "a media file (RIFF)"),
    (b"\x1f\x8b", "a gzip archive inside another"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"PAR1", "a Parquet file"),
)
BITMAP: Final = re.compile(rb"BM.{4}\x00{4}", re.DOTALL)
"""A BMP picture: its size, then four bytes that are always nought. `BM` alone may be the start of a name."""
MARKUP: Final = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|\?xml)\b", re.IGNORECASE | re.DOTALL
)
JSON: Final = re.compile(rb"""\s*(?:\[\s*)?\{\s*(?:"[^"\r\n]*"\s*:|\})""")
LOOK_BYTES: Final = 4096


def refuse_binary(data: bytes) -> None:
    """Nothing, for what may be text.

    Raises: SourceError that names the format.
    """
    if data.startswith(b"PK\x03\x04"):
        found = next((name for part, name in OFFICE if part in data[:LOOK_BYTES] or part in data[-LOOK_BYTES:]), "")
        raise _no_csv(found or "a zip archive inside another")
    for signature, name in SIGNATURES:
        if data.startswith(signature):
            raise _no_csv(name)
    if BITMAP.match(data):
        raise _no_csv("a picture (BMP)")


def refuse_markup(text: bytes) -> None:
    """Nothing, for what is no web page, no XML and no JSON.

    Raises: SourceError that says what to look for.
    """
    if JSON.match(text[:LOOK_BYTES]):
        raise SourceError("not-csv", "This is JSON, not a CSV file: ask the source for CSV, or export it as CSV.")
    if MARKUP.match(text[:LOOK_BYTES].removeprefix(b"\xef\xbb\xbf")):
        raise SourceError(
            "not-csv",
            "This is a web page or XML, not a CSV file. A server answers so when a login or another address is needed: "
            "open the source in a browser and check its address and credentials.",
        )


def refuse_nul(text: bytes) -> None:
    """Nothing, for text without NUL bytes.

    Raises: SourceError with the place of the first.
    """
    at = text.find(b"\0")
    if at >= 0:
        line = text.count(b"\n", 0, at) + 1
        raise SourceError(
            "nul-byte",
            f"There is a NUL byte at offset {at}, in line {line}: this is no text in the stated encoding. It may be "
            "UTF-16, a binary file, or a disk that was full; export the file again as UTF-8.",
        )


def _no_csv(found: str) -> SourceError:
    return SourceError("not-csv", f"This is {found}, not a CSV file. Open it and save it as CSV (UTF-8).")
