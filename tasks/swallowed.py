"""Rows inside a cell: two stray enclosures, far apart, make one legal cell of all that stands between them.

No grammar can tell. A line inside a cell looks like a row when it has as many delimiters as the header, and a space
after none of them, as a sentence would. Two such lines make a cell suspect; one does where the header is wide.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import polars as pl

from tasks.issue import Issue
from tasks.output import LINE, ROW

WIDE_DELIMITERS: Final = 5
MESSAGE: Final = (
    "The cell in {column!r} goes on to line {last} and holds {lines} that {verb} like rows of the file: two stray "
    "enclosures may have swallowed them. It got in as it is; if they are rows, remove or double both enclosures."
)


def swallowed_rows(frame: pl.DataFrame, names: Sequence[str], delimiter: str) -> list[Issue]:
    """A warning for each cell that holds lines like rows.

    Shape: `frame` as the grammar reads it, in the canonical dialect, with `#row` and `#line`.
    """
    if len(names) < 2 or frame.is_empty():
        return []
    suspects = frame.filter(_may_have_line_breaks())
    breaks = suspects.select(pl.col(names).str.contains("\n", literal=True).any())
    broken = [name for name in names if breaks[name].any()]
    found = [issue for name in broken for issue in _in_column(suspects, name, len(names) - 1, delimiter)]
    return sorted(found, key=lambda issue: issue.row or 0)


def _may_have_line_breaks() -> pl.Expr:
    """Rows whose next one stands further down than one line; the last row may."""
    shift = pl.col(LINE) - pl.col(ROW)
    return (shift != shift.shift(-1)).fill_null(value=True)


def _in_column(suspects: pl.DataFrame, name: str, delimiters: int, delimiter: str) -> Iterator[Issue]:
    cell = pl.col("cell")
    line = pl.col("lines")
    like_a_row = (line.str.count_matches(delimiter, literal=True) == delimiters) & ~line.str.contains(
        f"{delimiter} ", literal=True
    )
    rows = (
        suspects.select(ROW, LINE, cell=pl.col(name))
        .filter(cell.str.contains("\n", literal=True))
        .filter(cell.str.count_matches(delimiter, literal=True) >= delimiters)
        .with_columns(last=pl.col(LINE) + cell.str.count_matches("\n", literal=True), lines=cell.str.split("\n"))
        .explode("lines")
        .filter(like_a_row)
        .group_by(ROW, LINE, "last", maintain_order=True)
        .len()
        .filter(pl.col("len") >= (1 if delimiters >= WIDE_DELIMITERS else 2))
    )
    for row, first, last, count in rows.iter_rows():
        lines, verb = ("one line", "looks") if count == 1 else (f"{count} lines", "look")
        message = MESSAGE.format(column=name, last=last, lines=lines, verb=verb)
        yield Issue(row, first, name, "rows-swallowed", message)
