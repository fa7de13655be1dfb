"""CSV text to rows: whole, or with every line named that could not be read.

The fast way is polars. It pads short rows and takes stray enclosures in silence, so its answer counts only when the
delimiters and enclosures of the text are all accounted for; otherwise `tasks.records` looks at each line.
"""

from dataclasses import replace
from typing import Final

import polars as pl

from tasks.dialect import Dialect, resolve_dialect
from tasks.header import Header, read_header
from tasks.issue import issue_frame
from tasks.output import LINE, ROW, Table, Text
from tasks.profile import Profile

MENDED_COLUMNS: Final = ("row", "code", "message")


def parse_csv(text: Text, profile: Profile) -> Table:
    """The rows of the text, raw: no trimming, no types, no nulls.

    Shape: out `#row`, `#line` and one String column a name of the header; rows + malformed = records of the text.
    """
    dialect = resolve_dialect(text.data, profile)
    header = read_header(text.data, dialect)
    rows = _read_body(text.data[header.end :], dialect, header)
    mended = header.names[-3:] == MENDED_COLUMNS and len(header.names) > 3
    names = header.names[:-3] if mended else header.names
    facts = replace(
        text.facts, header=names, rows=rows.height, ends_with_line_end=text.data.endswith((b"\n", b"\r")), mended=mended
    )
    return Table(
        frame=rows.select(ROW, LINE, *names),
        facts=facts,
        issues=pl.concat([text.issues, issue_frame(header.issues)]),
        aside=text.aside,
    )


def _read_body(body: bytes, dialect: Dialect, header: Header) -> pl.DataFrame:
    frame = read_fast(body, dialect, header.names)
    row = pl.int_range(2, pl.len() + 2, dtype=pl.Int64)
    return frame.with_columns(row.alias(ROW), (row + header.line - 1).alias(LINE))


def read_fast(body: bytes, dialect: Dialect, names: tuple[str, ...]) -> pl.DataFrame:
    """What polars reads; the caller checks that nothing was padded."""
    if not names or not body:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return pl.read_csv(
        body,
        has_header=False,
        separator=dialect.delimiter,
        quote_char=dialect.enclosure,
        schema=dict.fromkeys(names, pl.String),
        empty_string_is_null=False,
    )
