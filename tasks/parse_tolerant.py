"""The tolerant way through a CSV: each malformed line is named and cut out, all other rows get in.

Lines are judged by one regular expression over all of them; only those that are no record by themselves are looked at
one by one. A line that opens an enclosure is joined with the following ones up to the next with an odd number of
enclosures, where alone it can close. So each line is read twice at most, whatever the file is like.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl

from tasks.canonical import Canonical
from tasks.errors import SourceError
from tasks.grammar import Grammar
from tasks.header import Header
from tasks.issue import Issue, issue_frame, no_issues
from tasks.lines import body_lines
from tasks.output import LINE, ROW
from tasks.parse_fast import read_cells

NOT_CLOSED: Final = "enclosure-not-closed"
MESSAGES: Final = {
    "too-many-cells": "The row has {cells} cells, the header has {names}. Put enclosures around cells that hold a "
    "delimiter, or remove what is surplus.",
    "too-few-cells": "The row has {cells} cells, the header has {names}. Complete it; empty cells need their "
    "delimiters too.",
    "stray-enclosure": "An enclosure stands in the middle of a cell. Put enclosures around the whole cell and double "
    "the one inside it.",
    "enclosure-not-closed": "An enclosure is opened and never closed. Close it at the end of its cell.",
}

NOT_ENDED: Final = (
    "The row has {cells} cells, as the header has, but no delimiter at its end, as the other rows have. Add it, if "
    "nothing is missing."
)


def no_malformed() -> pl.DataFrame:
    """An empty frame of malformed records."""
    return pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64, "raw": pl.String})


@dataclass(frozen=True)
class Reading:
    """What was read of a body, and what could not be.

    Shape: `frame` as in `Table`, `malformed` has `#row`, `#line`, `raw`.
    """

    frame: pl.DataFrame
    malformed: pl.DataFrame = field(default_factory=no_malformed)
    issues: pl.DataFrame = field(default_factory=no_issues)


class Span(NamedTuple):
    """Lines that belong together: a malformed record, or one (without a code) of several lines."""

    first: int
    height: int
    code: str | None
    cells: int


def read_lines(text: Canonical, header: Header) -> Reading:
    """Every record that is well-formed, and the place and fault of every other.

    Raises: SourceError where polars still cannot read what the grammar accepts.
    """
    places, bad, malformed = _sorted_out(text, header)
    cells = read_cells(text, header, _without(text.data, header.end, places), 0)
    good = places.filter(~pl.col("out")).select(ROW, LINE)
    if cells is None or cells.height != good.height:
        raise SourceError(
            "records-not-separable",
            "The records of the file cannot be told apart by this delimiter and enclosure: check both.",
        )
    return Reading(
        frame=pl.concat([good, cells.select(header.names)], how="horizontal"),
        malformed=malformed,
        issues=issue_frame(_issue(record, header) for record in bad.iter_rows(named=True)),
    )


def _sorted_out(text: Canonical, header: Header) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Where each record stands and whether it is out (malformed or blank); the malformed ones; these with their text.

    A function of its own so that the lines are let go before the cells are read: together they are the peak of memory.
    """
    lines = _judged_lines(text, header)
    spans = list(_Suspects(lines, header, Grammar(text.delimiter, text.enclosure), text.spares[1]).spans())
    records = _records(lines, spans, header)
    bad = records.filter(pl.col("code").is_not_null())
    places = records.select(ROW, LINE, "start", "end", out=pl.col("code").is_not_null() | pl.col("blank"))
    return places, bad, _malformed(bad, lines, text.spares[1])


def _judged_lines(text: Canonical, header: Header) -> pl.DataFrame:
    """Each line, whether it is a whole record, whether it is blank, whether its enclosures are odd in number."""
    raw = pl.col("raw")
    record = raw.str.strip_suffix(text.spares[1])
    delimiters = raw.str.count_matches(text.delimiter, literal=True)
    marks = raw.str.count_matches(text.enclosure, literal=True) if text.enclosure else pl.lit(0)
    pattern = Grammar(text.delimiter, text.enclosure).line_pattern(header.width, header.trailing)
    plain = delimiters == header.width - 1
    if header.trailing:
        plain &= record.str.ends_with(text.delimiter)
    space = "" if header.width == 1 else "".join({" ", "\t"} - {text.delimiter})
    return (
        body_lines(text, header)
        .to_frame()
        .select(
            raw,
            blank=record.str.strip_chars(space) == "" if space else record == "",
            whole=pl.when(marks == 0).then(plain).otherwise(record.str.contains(pattern) if pattern else False),
            odd=marks % 2 == 1,
        )
    )


class _Suspects:
    """The lines that are no record by themselves, read one after the other."""

    def __init__(self, lines: pl.DataFrame, header: Header, grammar: Grammar, carriage: str) -> None:
        suspects = lines.with_row_index("at").filter(~pl.col("whole") & ~pl.col("blank"))
        self._lines = lines
        self._header = header
        self._grammar = grammar
        self._carriage = carriage
        self._at: list[int] = suspects["at"].to_list()
        self._raw: list[str] = suspects["raw"].to_list()
        self._closing = _next_odd(suspects)

    def spans(self) -> Iterator[Span]:
        """Each malformed record, and each well-formed one of several lines, in the order of the file."""
        free = 0
        for position, at in enumerate(self._at):
            if at >= free:
                span = self._span(position)
                free = at + span.height
                yield span

    def _span(self, position: int) -> Span:
        at, closing = self._at[position], self._closing[position]
        code, cells = self._judge(self._raw[position])
        if code != NOT_CLOSED or closing is None:
            return Span(at, 1, code, cells)
        height = closing - at + 1
        rest = self._lines["raw"].slice(at, height).to_list()
        code, cells = self._judge("\n".join(rest))
        swallowed = self._lines["whole"].slice(at + 1, height - 1).any()
        if code is None or (cells and not swallowed):
            return Span(at, height, code, cells)
        return Span(at, 1, NOT_CLOSED, 0)

    def _judge(self, record: str) -> tuple[str | None, int]:
        record = record.removesuffix(self._carriage)
        cells = self._grammar.cells(record)
        if cells is None:
            return self._grammar.fault(record), 0
        count = len(cells) - (self._header.trailing and not cells[-1])
        if len(cells) < self._header.width:
            return "too-few-cells", count
        if count > len(self._header.names):
            return "too-many-cells", count
        return None, count


def _next_odd(suspects: pl.DataFrame) -> list[int | None]:
    """For each suspect the next one after it with an odd number of enclosures."""
    odd = pl.when("odd").then("at")
    return suspects.select(odd.shift(-1).backward_fill().alias("next"))["next"].to_list()


def _records(lines: pl.DataFrame, spans: list[Span], header: Header) -> pl.DataFrame:
    """One row a record or blank line: where it stands, what is wrong with it, its bytes.

    Units: `start` and `end` are offsets in bytes behind the header.
    """
    schema = {"at": pl.UInt32(), "height": pl.Int64(), "code": pl.String(), "cells": pl.Int64()}
    found = pl.DataFrame(spans, schema=schema, orient="row")
    inside = found.filter(pl.col("height") > 1).select(
        pl.int_ranges(pl.col("at") + 1, pl.col("at") + pl.col("height"), dtype=pl.UInt32).alias("at").explode()
    )
    after = (pl.col("raw").str.len_bytes().cast(pl.Int64) + 1).cum_sum()
    starts = lines.lazy().with_row_index("at").select("at", "blank", start=after.shift(1, fill_value=0), end=after)
    return (
        starts.join(inside.lazy(), on="at", how="anti", maintain_order="left")
        .join(found.lazy(), on="at", how="left", maintain_order="left")
        .with_columns(
            pl.int_range(2, pl.len() + 2, dtype=pl.Int64).alias(ROW),
            (pl.col("at").cast(pl.Int64) + header.lines + 1).alias(LINE),
            pl.col("start").shift(-1).fill_null(pl.lit(lines.select(after.last()).item())).alias("end"),
        )
        .collect()
    )


def _without(data: bytes, begin: int, places: pl.DataFrame) -> bytes:
    """The body without the records that are out."""
    view = memoryview(data)
    pieces: list[memoryview] = []
    at = begin
    for start, end in places.filter("out").select("start", "end").iter_rows():
        pieces.append(view[at : begin + start])
        at = begin + end
    return b"".join([*pieces, view[at:]])


def _malformed(bad: pl.DataFrame, lines: pl.DataFrame, carriage: str) -> pl.DataFrame:
    raw = ["\n".join(lines["raw"].slice(at, height)) for at, height in bad.select("at", "height").iter_rows()]
    text = (
        pl.Series("raw", raw, dtype=pl.String).str.strip_suffix(carriage).str.replace_all(carriage, "\r", literal=True)
    )
    return bad.select(ROW, LINE).with_columns(text)


def _issue(record: dict[str, Any], header: Header) -> Issue:
    code, cells, names = record["code"], record["cells"], len(header.names)
    message = NOT_ENDED if code == "too-few-cells" and cells == names else MESSAGES[code]
    return Issue(record[ROW], record[LINE], None, code, message.format(cells=cells, names=names))
