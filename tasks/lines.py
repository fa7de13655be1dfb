"""The physical lines of a canonical text, as polars reads them fastest: a CSV of one column."""

import polars as pl

from tasks.canonical import Canonical
from tasks.header import Header


def body_lines(text: Canonical, header: Header) -> pl.Series:
    """Each line after the header without its `\\n`; a carriage return shows as the second spare character."""
    body = text.data[header.end :]
    if not body:
        return pl.Series("raw", [], dtype=pl.String)
    separator, carriage = text.spares
    if b"\r" in body:
        body = body.translate(bytes.maketrans(b"\r", carriage.encode()))
    lines = pl.read_csv(
        body,
        has_header=False,
        separator=separator,
        quote_char=None,
        schema={"raw": pl.String},
        empty_string_is_null=False,
    )
    return lines["raw"]
