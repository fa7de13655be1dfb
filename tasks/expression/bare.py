"""A bare word as expression: the column of that name (decision 17)."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.expression.errors import RowError
from tasks.names import Names


@dataclass(frozen=True)
class BareColumn:
    """The cells of one column, empty ones as null."""

    name: str

    def printed(self, names: Names) -> pl.Expr:
        found = names.find(self.name)
        return pl.lit(None, dtype=pl.String) if found is None else pl.when(pl.col(found) != "").then(pl.col(found))

    def truth(self, names: Names) -> pl.Expr:
        found = names.find(self.name)
        return pl.lit(False) if found is None else (pl.col(found) != "") & (pl.col(found) != "0")

    def rows(self, frame: pl.DataFrame, names: Names) -> tuple[list[Any], list[RowError]]:
        return frame.select(value=self.printed(names)).to_series().to_list(), []
