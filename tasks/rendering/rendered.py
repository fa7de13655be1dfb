"""What a Structure makes of a frame: frames of records, and the rows that failed."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import polars as pl

from tasks.modules import BY_NAME, LIST_FIELDS
from tasks.output import LINE, ROW

IDENTITY: Final = "#identity"
INDEX: Final = "#index"
PARENT: Final = "#parent"

Schemas: TypeAlias = dict[str, pl.Schema]
"""By module: the columns of its frame."""

FAILED_SCHEMA: Final = pl.Schema({ROW: pl.Int64, LINE: pl.Int64, "message": pl.String})


@dataclass(frozen=True)
class Rendered:
    """One frame a module, as in `tasks.output.Modules`; `failed` has `#row`, `#line`, `message`.

    A row that failed has no record in any frame.
    """

    frames: dict[str, pl.DataFrame]
    failed: pl.DataFrame


def schema_of(module: str, fields: frozenset[str]) -> pl.Schema:
    """The columns of a module's frame, for the fields that the Structure names, in the catalogue's order."""
    columns: dict[str, pl.DataType] = dict.fromkeys((ROW, LINE, IDENTITY, INDEX), pl.Int64())
    if module == "phonebooklabel":
        columns[PARENT] = pl.Int64()
    for name in BY_NAME[module].fields:
        if name in fields:
            columns[name] = pl.List(pl.String()) if name in LIST_FIELDS else pl.String()
    return pl.Schema(columns)


def in_order(parts: list[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """The parts of a module's frame as one, in the order of the rows."""
    if not parts:
        return pl.DataFrame(schema=schema)
    if len(parts) == 1:
        return parts[0]
    return pl.concat(parts).sort(ROW, IDENTITY, *([PARENT] if PARENT in schema else []), INDEX, maintain_order=True)
