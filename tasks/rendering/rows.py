"""The slow way: Jinja prints each row, and what it printed is read as a Structure of its own.

Jinja prints no text, only the numbers of the pieces of text and placeholders that a row goes through; the values
stay beside it. So no value is ever read as JSON or as a template, and rows that go the same way through the template
share one reading: it is made once, then filled.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias, cast

import polars as pl
from jinja2 import TemplateError, Undefined, UndefinedError

from tasks.expression.values import to_text
from tasks.modules import LIST_FIELDS
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.progress import counted
from tasks.rendering.place import line_and_column
from tasks.rendering.places import Place, find_places, flat_items
from tasks.rendering.rendered import FAILED_SCHEMA, PARENT, Rendered, Schemas, in_order
from tasks.rendering.sandbox import ENVIRONMENT, BudgetError, RefusedError, RowContext
from tasks.rendering.shape import Arr, Bare, Str, Value, Word
from tasks.rendering.template import Assignment, Block, Hole, Node, Template, Text
from tasks.rendering.tolerant_json import read_json

CHUNK_ROWS: Final = 50_000
_SIGNATURES: Final = 2_000
_NUMBER_BITS: Final = 4_000
_EXPRESSION_ERRORS: Final = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
_REASONS: Final[dict[type[Exception], str]] = {
    ZeroDivisionError: "it divides by zero",
    UndefinedError: "it uses something that does not exist",
}

Values: TypeAlias = list[Any]


class RowError(ValueError):
    """One row did not render; the text holds no cell. `spent` where it was too much work."""

    def __init__(self, message: str, *, offset: int = 0, spent: bool = False) -> None:
        super().__init__(message)
        self.offset, self.spent = offset, spent


@dataclass(frozen=True)
class _Record:
    """A record of all rows that go one way through the template; `fields` stand in the schema's order."""

    module: str
    position: tuple[int | None, ...]
    fields: tuple[Value | None, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """How the rows of one signature become records; `error` where they cannot."""

    records: tuple[_Record, ...]
    error: str = ""


class RowTemplate:
    """A template that Jinja runs row by row."""

    def __init__(self, template: Template, schemas: Schemas) -> None:
        self.template = template
        self.schemas = schemas
        self.pieces: list[Text | Hole] = []
        self.print = ENVIRONMENT.compile_row("".join(self._source(template.nodes, 1)))
        self.way = lru_cache(_SIGNATURES)(self._way)

    def render(self, frame: pl.DataFrame, names: Names) -> Rendered:
        """The records of every row, and the rows that failed."""
        rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.schemas}
        parts: dict[str, list[pl.DataFrame]] = {name: [] for name in self.schemas}
        failed: list[tuple[int, int, str]] = []
        chunks = -(-frame.height // CHUNK_ROWS)
        for chunk in counted(frame.iter_slices(CHUNK_ROWS), "rows", chunks):
            for row, line, values in self._contexts(chunk, names):
                try:
                    for record, fields in self.row(values):
                        rows[record.module].append((row, line, *record.position, *fields))
                except RowError as error:
                    failed.append((row, line, str(error)))
            for name, records in rows.items():
                parts[name].append(_frame(records, self.schemas[name]))
                records.clear()
        frames = {name: _whole(parts[name], schema) for name, schema in self.schemas.items()}
        return Rendered(frames, pl.DataFrame(failed, schema=FAILED_SCHEMA, orient="row"))

    def row(self, values: Mapping[str, Any]) -> list[tuple[_Record, list[Any]]]:
        """The records of one row. Raises: RowError."""
        signature, printed = self.signature(values)
        way = self.way(signature)
        if way.error:
            raise RowError(way.error)
        return [(record, self._filled(record, printed)) for record in way.records]

    def signature(self, values: Mapping[str, Any]) -> tuple[str, Values]:
        """Which pieces one row goes through, and what its placeholders print. Raises: RowError."""
        context = RowContext(ENVIRONMENT, values)
        numbers: list[str] = []
        try:
            numbers.extend(self.print(context))
        except _EXPRESSION_ERRORS as error:
            raise self._failure(numbers, error) from None
        return "".join(numbers), context.printed

    def nodes_of(self, signature: str) -> tuple[Text | Hole, ...]:
        """The pieces of a signature; each placeholder knows which printed value is its own."""
        nodes: list[Text | Hole] = []
        slot = 0
        for number in signature.split(";")[:-1]:
            piece = self.pieces[int(number)]
            if isinstance(piece, Hole):
                piece = replace(piece, slot=slot)
                slot += 1
            nodes.append(piece)
        return tuple(nodes)

    def _source(self, nodes: Iterable[Node], depth: int) -> Iterator[str]:
        """The template in Jinja, with a number for every piece."""
        for node in nodes:
            match node:
                case Text() | Hole():
                    self.pieces.append(node)
                    yield f"{len(self.pieces) - 1};"
                    if isinstance(node, Hole):
                        yield f"{{{{ {node.expression} }}}}"
                case Assignment():
                    yield f"{{% set {node.header} %}}"
                case Block():
                    yield from self._block(node, depth)

    def _block(self, block: Block, depth: int) -> Iterator[str]:
        handlebars = block.header.startswith("handlebars_this_")
        for number, branch in enumerate(block.branches):
            if branch.test is None:
                yield "{% else %}"
            elif block.kind == "for":
                yield f"{{% for {block.header} %}}"
                yield f"{{% set handlebars_loop_{depth} = loop %}}" if handlebars else ""
            else:
                yield f"{{% {'elif' if number else 'if'} {branch.test.expression} %}}"
            yield from self._source(branch.body, depth + handlebars)
        yield f"{{% end{block.kind} %}}"

    def _contexts(self, chunk: pl.DataFrame, names: Names) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """For each row its number, its line and what its names hold."""
        found = {key: names.find(name) for name, key in self.template.keys.items()}
        columns = {name: chunk[column].fill_null("").to_list() for name, column in found.items() if column}
        for name, column in found.items():
            if f"#list:{column}" in chunk.columns:
                lists = chunk[f"#list:{column}"].to_list()
                columns[name] = [
                    scalar if items is None else ["" if item is None else item for item in items]
                    for items, scalar in zip(lists, columns[name], strict=True)
                ]
        keys, rows, lines = tuple(columns), chunk[ROW].to_list(), chunk[LINE].to_list()
        for row, line, *values in zip(rows, lines, *columns.values(), strict=True):
            yield row, line, dict(zip(keys, values, strict=True))

    def _way(self, signature: str) -> _Way:
        reading = read_json(self.nodes_of(signature))
        records = find_places(reading.shape) if reading.shape else None
        wrong = dict(reading.problems) | (records.problems if records else {})
        if reading.cut:
            wrong[reading.cut[0]] = reading.cut[1]
        if wrong or records is None:
            offset = min(wrong)
            line, column = line_and_column(self.template.text, offset)
            return _Way(
                (), f"the Structure rendered no JSON for this row: line {line}, column {column}: {wrong[offset]}"
            )
        return _Way(tuple(self._record(place) for place in records.places if place.module.name in self.schemas))

    def _record(self, place: Place) -> _Record:
        schema = self.schemas[place.module.name]
        names = tuple(name for name in schema.names() if not name.startswith("#"))
        fields = tuple(place.fields[name][-1].member.value if name in place.fields else None for name in names)
        position = (_identity(place), len(place.before), *((_parent(place),) if PARENT in schema else ()))
        return _Record(place.module.name, position, fields, names)

    def _filled(self, record: _Record, printed: Values) -> list[Any]:
        return [
            None if value is None else (_texts if name in LIST_FIELDS else _text)(value, printed)
            for name, value in zip(record.names, record.fields, strict=True)
        ]

    def _failure(self, numbers: list[str], error: Exception) -> RowError:
        reached = "".join(numbers).split(";")[:-1]
        piece = self.pieces[int(reached[-1])] if reached else None
        what = piece.tag if isinstance(piece, Hole) else "an expression behind this place"
        offset = piece.offset if piece else 0
        line, column = line_and_column(self.template.text, offset)
        reason = str(error) if isinstance(error, RefusedError) else _REASONS.get(type(error), type(error).__name__)
        message = f"line {line}, column {column}: {what} failed in this row: {reason}"
        return RowError(message, offset=offset, spent=isinstance(error, BudgetError))


def _text(value: Value, printed: Values) -> str:
    match value:
        case Str():
            parts = value.parts
            if len(parts) == 1 and isinstance(parts[0], Hole):
                return _printed(parts[0], printed)
            return "".join(part if isinstance(part, str) else _printed(cast("Hole", part), printed) for part in parts)
        case Word():
            return "" if value.text == "null" else value.text
        case Bare():
            found = _json_of(value.hole, printed)
            if isinstance(found, list):
                raise RowError(f"{value.hole.tag} rendered a list, expected one text")
            return found
        case _:
            return ""


def _texts(value: Value, printed: Values) -> list[str]:
    if isinstance(value, Arr):
        return [_text(item, printed) for _, item in flat_items(value)]
    if isinstance(value, Bare):
        found = _json_of(value.hole, printed)
        return found if isinstance(found, list) else [found]
    return [_text(value, printed)]


def _printed(hole: Hole, printed: Values) -> str:
    value = printed[hole.slot]
    return value if type(value) is str else _plain(value, hole)


def _json_plain(value: object, hole: Hole) -> str:
    """A value outside of quotes: true and false are JSON there."""
    return _plain(value, hole) if not isinstance(value, bool) else "true" if value else "false"


def _plain(value: object, hole: Hole) -> str:
    """A value as PHP prints it."""
    match value:
        case str():
            return str(value)
        case None | Undefined():
            return ""
        case int() if value.bit_length() > _NUMBER_BITS:
            raise RowError(f"{hole.tag} rendered too large a number")
        case bool() | int() | float():
            return to_text(value)
        case list() | tuple():
            return ",".join(_plain(item, hole) for item in cast("list[object]", value))
        case _:
            raise RowError(f"{hole.tag} rendered neither a text, a number nor a list")


def _json_of(hole: Hole, printed: Values) -> str | list[str]:
    """What a placeholder outside of quotes stands for: text, or a list of texts."""
    value = printed[hole.slot]
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise RowError(
                f"{hole.tag} stands outside of quotes and rendered no JSON value: put quotes around it"
            ) from None
    if isinstance(value, (list, tuple)):
        items = cast("list[object]", value)
        if any(isinstance(item, (list, tuple, dict)) for item in items):
            raise RowError(f"{hole.tag} rendered a nested value, expected text")
        return [_json_plain(item, hole) for item in items]
    if isinstance(value, dict):
        raise RowError(f"{hole.tag} rendered an object, expected text")
    return _json_plain(value, hole)


class _Number(str):
    """A number as its text: 1.50 stays 1.50."""

    __slots__ = ()


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are no JSON")


def _identity(place: Place) -> int | None:
    while place.owner:
        place = place.owner
    if place.module.name == "identity":
        return len(place.before)
    return None if place.module.name in {"contact", "phonebooklabel"} else 0


def _parent(place: Place) -> int:
    return len(place.owner.before) if place.owner and place.owner.module.name != "identity" else 0


def _frame(records: list[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    columns = zip(*records, strict=True) if records else ((),) * len(schema)
    return pl.DataFrame([pl.Series(n, list(v), dtype=d) for (n, d), v in zip(schema.items(), columns, strict=True)])


def _whole(parts: list[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    return in_order([pl.concat(parts)], schema) if parts else pl.DataFrame(schema=schema)
