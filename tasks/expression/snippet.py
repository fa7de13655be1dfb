"""A PHP snippet, ready to run: checked, analysed, compiled for rows, and for columns where that means the same."""

from collections.abc import Iterator
from dataclasses import dataclass
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
        return run_rows(self.program.bind(budget), self._arguments(frame, names), budget)

    def _arguments(self, frame: pl.DataFrame, names: Names) -> Iterator[tuple[Any, ...]]:
        header = [name for name in frame.columns if name not in (ROW, LINE)]
        found = [names.find(name) for name in self.program.cells]
        wanted = header if self.program.needs_row else sorted({name for name in found if name in header})
        keys = [array_key(name) for name in wanted]
        places = [wanted.index(name) if name in wanted else -1 for name in found]
        for cells in _cells(frame, wanted):
            arguments = tuple(cells[place] if place >= 0 else None for place in places)
            if not self.program.needs_row:
                yield arguments
                continue
            row = Row([(key, cell) for key, cell in zip(keys, cells, strict=True) if cell is not None], names)
            yield (*arguments, row)


def _cells(frame: pl.DataFrame, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row, None for empty ones."""
    if not names:
        yield from (() for _ in range(frame.height))
        return
    for part in frame.select(names).iter_slices(_ROWS_AT_ONCE):
        filled = part.select(pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in names)
        yield from zip(*(filled[name].to_list() for name in names), strict=True)


def compile_snippet(source: str, name: str) -> Snippet:
    """A PHP snippet as something that runs.

    Raises: ExpressionError with all reasons.
    """
    body, problems = lower(source, parse(source, name))
    if problems:
        raise ExpressionError(name, problems)
    facts = analyse(body)
    try:
        program = compile_rows(body, facts)
    except RecursionError:
        raise ExpressionError(name, [Problem("the snippet is nested too deeply", 1, 1)]) from None
    return Snippet(body, facts, program, _why_rows(body))


def _why_rows(body: tree.Block) -> str:
    try:
        as_column(body, Names(()), truth=False)
    except NotColumns as reason:
        return str(reason)
    return ""
