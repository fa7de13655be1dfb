"""CSV text to rows: all of them, or with every line named that could not be read.

The fast way is polars. It pads short rows and takes stray enclosures in silence, so its answer counts only when every
delimiter and enclosure of the text is accounted for; otherwise each line is looked at.
"""

from dataclasses import replace
from typing import Final

import polars as pl

from tasks.canonical import Canonical, canonicalise
from tasks.dialect import first_line_end, resolve_dialect
from tasks.header import Header, read_header
from tasks.issue import Issue, issue_frame
from tasks.output import LINE, ROW, Table, Text
from tasks.parse_fast import read_whole
from tasks.parse_tolerant import Reading, read_lines
from tasks.profile import Profile
from tasks.step import step
from tasks.swallowed import swallowed_rows

MENDED_COLUMNS: Final = ("row", "code", "message")
BREAKS_THE_END: Final = ("too-few-cells", "enclosure-not-closed")


def parse_csv(text: Text, profile: Profile) -> Table:
    """The rows of the text, raw: no trimming, no types, no nulls.

    Shape: out `#row`, `#line` and one String column a name of the header; rows + malformed = records of the text.
    Raises: SourceError where the header cannot be read.
    """
    dialect = resolve_dialect(text.data, profile)
    canonical = canonicalise(text.data, dialect)
    header = read_header(canonical)
    reading = _read_body(canonical, header)
    swallowed = swallowed_rows(reading.frame, header.names, canonical.delimiter)
    names, issues = _names_that_count(header, reading.frame)
    mended = names[-3:] == MENDED_COLUMNS and len(names) > len(MENDED_COLUMNS)
    names = names[:-3] if mended else names
    facts = replace(
        text.facts,
        header=names,
        rows=reading.frame.height + reading.malformed.height,
        ends_with_line_end=text.data.endswith((b"\n", b"\r")),
        last_record_broken=_last_is_broken(reading),
        rows_swallowed=bool(swallowed),
        mended=mended,
        delimiter=dialect.delimiter,
        enclosure=dialect.enclosure or "",
        line_end=first_line_end(text.data),
    )
    return Table(
        frame=reading.frame.select(ROW, LINE, *(canonical.restored(pl.col(name)) for name in names)),
        facts=facts,
        issues=pl.concat([text.issues, issue_frame([*canonical.issues, *issues, *swallowed]), reading.issues]),
        aside=pl.concat([text.aside, _rejected(reading.malformed)]),
        malformed=reading.malformed.with_columns(canonical.as_written(pl.col("raw"))),
    )


def _read_body(text: Canonical, header: Header) -> Reading:
    if not header.names:
        return Reading(pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64}))
    frame = read_whole(text, header)
    return read_lines(text, header) if frame is None else Reading(frame)


def _names_that_count(header: Header, frame: pl.DataFrame) -> tuple[tuple[str, ...], tuple[Issue, ...]]:
    """The header without a last column that has neither a name nor a cell: delimiters at the ends of all lines."""
    last = header.issues[-1] if header.issues else None
    if last is None or last.code != "column-name-empty" or last.column != header.names[-1] or len(header.names) == 1:
        return header.names, header.issues
    if (frame[header.names[-1]] != "").any():
        return header.names, header.issues
    return header.names[:-1], header.issues[:-1]


def _last_is_broken(reading: Reading) -> bool:
    good = reading.frame[ROW].tail(1).to_list() or [0]
    last = reading.issues.filter(pl.col("row") > good[0]).tail(1)
    return last["code"].is_in(BREAKS_THE_END).any()


def _rejected(malformed: pl.DataFrame) -> pl.DataFrame:
    unknown = pl.lit(None, dtype=pl.String)
    return malformed.select(ROW, LINE, outcome=pl.lit("rejected", dtype=pl.String), login=unknown)


parse = step("parse", version=4, reads=("delimiter", "line_separator", "enclosure", "escape"))(parse_csv)
