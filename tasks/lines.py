"""The physical lines of a canonical text, as polars reads them fastest: a CSV of one column."""

from typing import Final

import polars as pl

from tasks.canonical import Canonical
from tasks.header import Header

LIKE_PACKED: Final = (b"x\x01", b"x\xda")
"""Text that polars takes for zlib data: the signatures that it looks for, as far as UTF-8 can begin so."""


def plain_text(data: bytes) -> tuple[bytes, int]:
    """The data as polars takes it for text, and how many lines to skip for that."""
    return (b"\n" + data, 1) if data.startswith(LIKE_PACKED) else (data, 0)


def body_lines(text: Canonical, header: Header) -> pl.Series:
    """Each line after the header without its `\\n`; a carriage return shows as the second spare character."""
    body = text.data[header.end :]
    if not body:
        return pl.Series("raw", [], dtype=pl.String)
    separator, carriage = text.spares
    if b"\r" in body:
        body = body.translate(bytes.maketrans(b"\r", carriage.encode()))
    body, skip_lines = plain_text(body)
    lines = pl.read_csv(
        body,
        has_header=False,
        skip_lines=skip_lines,
        separator=separator,
        quote_char=None,
        schema={"raw": pl.String},
        empty_string_is_null=False,
    )
    return lines["raw"]
