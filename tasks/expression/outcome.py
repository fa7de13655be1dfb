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
    lists = None
    if any(isinstance(value, PhpArray) for value in values):
        items = [[to_text(v) for v in value.values()] if isinstance(value, PhpArray) else None for value in values]
        lists = pl.Series("lists", items, dtype=pl.List(pl.String))
    return Evaluated(pl.Series("values", texts, dtype=pl.String), lists, errors)


def kept(values: list[Any], errors: list[RowError]) -> Kept:
    """Python values by PHP's truthiness."""
    return Kept(pl.Series("mask", [truthy(value) for value in values], dtype=pl.Boolean), errors)
