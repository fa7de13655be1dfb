"""What evaluating an expression gives: a value or an error for each row of the frame."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from tasks.expression.budget import Budget, Patience
from tasks.expression.errors import BudgetSpent, RowError, RowFailed
from tasks.expression.values import PhpArray, to_text, truthy

_GIVEN_UP: Final = "not tried, since too many rows before it spent all that one row may cost"


@dataclass(frozen=True)
class Evaluated:
    """The values of all rows, in the frame's order.

    Shape: `values` is String, null where PHP gives null or the row failed, "Array" where it gives an array; `lists` is
    List(String) with the items of those arrays, None when no row gave one.
    """

    values: pl.Series
    lists: pl.Series | None = None
    errors: list[RowError] = field(default_factory=list[RowError])


@dataclass(frozen=True)
class Kept:
    """Which rows an expression keeps: `mask` is Boolean, false where the row failed."""

    mask: pl.Series
    errors: list[RowError] = field(default_factory=list[RowError])


def run_rows(
    run: Callable[..., Any], arguments: Iterable[Sequence[Any]], budget: Budget
) -> tuple[list[Any], list[RowError]]:
    """Call the function for each row; a failed row has the value None and an error.

    When too many rows one after the other have spent their budget, the rest is not tried.
    """
    values: list[Any] = []
    errors: list[RowError] = []
    patience = Patience(budget)
    for index, row in enumerate(arguments):
        try:
            if patience.over:
                raise RowFailed(_GIVEN_UP)
            values.append(run(*row))
        except RowFailed as failed:
            values.append(None)
            errors.append(RowError(index, _code(failed), str(failed)))
            if isinstance(failed, BudgetSpent):
                patience.lose(index, costly=failed.costly)
        except (RecursionError, MemoryError, OverflowError):
            values.append(None)
            errors.append(RowError(index, "budget-spent", "a value of this row is too large or nested too deeply"))
        if budget.touched:
            budget.reset()
    return values, errors


def _code(failed: RowFailed) -> str:
    return "budget-spent" if isinstance(failed, BudgetSpent) else "value-failed"


def evaluated(values: list[Any], errors: list[RowError]) -> Evaluated:
    """Python values as PHP prints them."""
    texts = [v if v is None or v.__class__ is str else to_text(v) for v in values]
    lists = _lists(values) if any(isinstance(value, PhpArray) for value in values) else None
    return Evaluated(pl.Series("values", texts, dtype=pl.String), lists, errors)


def _lists(values: list[Any]) -> pl.Series:
    """The items of the arrays among the values, null for all others.

    All items go into one series and are cut by row there: a series for each array would cost more than the snippet.
    """
    arrays = {row: value for row, value in enumerate(values) if isinstance(value, PhpArray)}
    items = [to_text(item) for array in arrays.values() for item in array.values()]
    owners = [row for row, array in arrays.items() for _ in range(len(array))]
    filled = pl.DataFrame({"row": owners, "lists": items}, schema={"row": pl.UInt32, "lists": pl.String})
    gathered = filled.group_by("row", maintain_order=True).agg("lists")
    empty = pl.Series("row", [row for row, array in arrays.items() if not array], dtype=pl.UInt32).to_frame()
    lists = pl.concat([gathered, empty.with_columns(lists=pl.lit([], dtype=pl.List(pl.String)))])
    every = pl.int_range(len(values), dtype=pl.UInt32, eager=True).alias("row").to_frame()
    return every.join(lists, on="row", how="left", maintain_order="left")["lists"]


def kept(values: list[Any], errors: list[RowError]) -> Kept:
    """Python values by PHP's truthiness."""
    return Kept(pl.Series("mask", [truthy(value) for value in values], dtype=pl.Boolean), errors)
