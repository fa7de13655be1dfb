"""A PHP snippet, ready to run: checked, analysed, compiled for rows, and for columns where that means the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final

import polars as pl

from tasks.errors import Problem
from tasks.expression import tree
from tasks.expression.analyse import Facts, analyse
from tasks.expression.budget import Budget
from tasks.expression.columns import NotColumns, as_column
from tasks.expression.errors import ExpressionError, RowError
from tasks.expression.lower import lower
from tasks.expression.outcome import run_rows
from tasks.expression.parse import parse
from tasks.expression.rows import Program, compile_rows
from tasks.expression.values import Row, array_key
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.progress import counted

_ROWS_AT_ONCE: Final = 50_000


@dataclass(frozen=True)
class Snippet:
    """One snippet; `why_rows` is empty where it can run as columns."""

    body: tree.Block
    facts: Facts
    program: Program
    why_rows: str

    def printed(self, names: Names) -> pl.Expr | None:
        """The values as PHP prints them, as one column."""
        return None if self.why_rows else as_column(self.body, names, truth=False)

    def truth(self, names: Names) -> pl.Expr | None:
        """The truthiness of the values, as one column."""
        return None if self.why_rows else as_column(self.body, names, truth=True)

    def rows(self, frame: pl.DataFrame, names: Names) -> tuple[list[Any], list[RowError]]:
        """A value or an error for each row."""
        budget = Budget()
        return run_rows(self.program.bind(budget), counted(self._arguments(frame, names), "rows", frame.height), budget)

    def _arguments(self, frame: pl.DataFrame, names: Names) -> Iterator[tuple[Any, ...]]:
        header = [name for name in frame.columns if name not in (ROW, LINE)]
        found = [name if (name := names.find(cell)) in header else None for cell in self.program.cells]
        if not self.program.needs_row:
            return _cells(frame, found)
        rows = _rows(frame, header, names)
        if not found:
            return ((row,) for row in rows)
        return ((*cells, row) for cells, row in zip(_cells(frame, found), rows, strict=True))


def _rows(frame: pl.DataFrame, header: list[str], names: Names) -> Iterator[Row]:
    """`$row` of each row: a key only for cells that are not empty (phone-system.md 6.2)."""
    keys = [array_key(name) for name in header]
    numbered = any(isinstance(key, int) for key in keys)
    gaps = (
        frame.select((pl.col(name).is_null() | (pl.col(name) == "")).any() for name in header).row(0) if header else ()
    )
    sparse = [key for key, has_gaps in zip(keys, gaps, strict=True) if has_gaps]
    for cells in _cells(frame, header):
        row = Row(zip(keys, cells, strict=True), names)
        for key in sparse:
            if row[key] is None:
                del row[key]
        if numbered:
            row.number()
        yield row


def _cells(frame: pl.DataFrame, names: Sequence[str | None]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row in the order of the names, None for empty ones and for columns that are not there."""
    present = sorted({name for name in names if name is not None})
    if not names:
        yield from (() for _ in range(frame.height))
        return
    filled = [pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in present]
    for part in frame.iter_slices(_ROWS_AT_ONCE):
        columns = part.select(filled)
        lists = {name: columns[name].to_list() for name in present}
        yield from zip(*(repeat(None, part.height) if n is None else lists[n] for n in names), strict=True)


def compile_snippet(source: str, name: str) -> Snippet:
    """A PHP snippet as something that runs.

    Raises: ExpressionError with all reasons.
    """
    root = parse(source, name)
    try:
        body, problems = lower(source, root)
        if problems:
            raise ExpressionError(name, problems)
        facts = analyse(body)
        return Snippet(body, facts, compile_rows(body, facts), _why_rows(body))
    except RecursionError:
        raise ExpressionError(name, [Problem("the snippet is nested too deeply", 1, 1)]) from None


def _why_rows(body: tree.Block) -> str:
    try:
        as_column(body, Names(()), truth=False)
    except NotColumns as reason:
        return str(reason)
    return ""
