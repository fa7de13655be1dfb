"""The fast way: a Structure whose shape is fixed is a few polars expressions, whatever the number of rows.

A placeholder is its column, a block is a mask. What cannot be said so is named by `why_not_columns`, and runs by row.
"""

from collections.abc import Iterator
from functools import reduce
from itertools import chain
from typing import Final

import polars as pl

from tasks.modules import LIST_FIELDS
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.rendering.places import Path, Place, flat_items
from tasks.rendering.rendered import IDENTITY, INDEX, PARENT, Schemas, in_order
from tasks.rendering.shape import Arr, Bare, Reading, Str, StrFork, StrPart, Value, Word
from tasks.rendering.template import Assignment, Block, Hole, Node, Template, Test, walk

_EMPTY: Final = pl.lit("")


def why_not_columns(template: Template, reading: Reading, places: list[Place]) -> tuple[int, str] | None:
    """Where a template needs its rows one by one, and why; None where columns will do."""
    if reading.cut:
        return reading.cut
    for node in walk(template.nodes):
        if tag := _by_row(node):
            return node.offset, tag
    values = (case.member.value for place in places for cases in place.fields.values() for case in cases)
    for bare in chain.from_iterable(map(_bare, values)):
        return bare.offset, f"{bare.hole.tag} stands outside of quotes"
    return reading.doubts[0] if reading.doubts else None


def render_columns(places: list[Place], schemas: Schemas, frame: pl.DataFrame, names: Names) -> dict[str, pl.DataFrame]:
    """One frame a module, for all rows at once."""
    columns = _Columns(frame, names)
    made: dict[str, list[pl.DataFrame]] = {}
    for place in places:
        rows = frame.lazy() if not place.path and not place.hidden else frame.lazy().filter(columns.made(place))
        selected = rows.select(columns.record(place, schemas[place.module.name])).collect()
        made.setdefault(place.module.name, []).append(selected)
    return {name: in_order(made.get(name, []), schema) for name, schema in schemas.items()}


class _Columns:
    """Polars expressions for the parts of a Structure, over one frame."""

    def __init__(self, frame: pl.DataFrame, names: Names) -> None:
        self.columns = frozenset(frame.columns)
        self.names = names

    def record(self, place: Place, schema: pl.Schema) -> list[pl.Expr]:
        columns = [pl.col(ROW), pl.col(LINE)]
        for name in schema.names()[2:]:
            match name:
                case _ if name == IDENTITY:
                    made = self._identity(place)
                case _ if name == INDEX:
                    made = self._position(place)
                case _ if name == PARENT:
                    made = (
                        self._position(place.owner)
                        if place.owner and place.owner.module.name != "identity"
                        else pl.lit(0)
                    )
                case _:
                    made = self._field(place, name)
            columns.append(made.cast(schema[name]).alias(name))
        return columns

    def made(self, place: Place) -> pl.Expr:
        """Whether a row makes the record of a place."""
        wanted = self._path(place.path)
        return reduce(lambda mask, hidden: mask & ~self._path(hidden), place.hidden, wanted)

    def _identity(self, place: Place) -> pl.Expr:
        while place.owner:
            place = place.owner
        match place.module.name:
            case "identity":
                return self._position(place)
            case "contact":
                return pl.lit(None)
            case "phonebooklabel":
                return pl.lit(None)
            case _:
                return pl.lit(0)

    def _position(self, place: Place) -> pl.Expr:
        return reduce(
            lambda total, other: total + self.made(other).cast(pl.Int64), place.before, pl.lit(0, dtype=pl.Int64)
        )

    def _field(self, place: Place, name: str) -> pl.Expr:
        cases = place.fields.get(name, [])
        value = pl.lit(None, dtype=pl.List(pl.String) if name in LIST_FIELDS else pl.String)
        for case in cases:
            text = self._texts(case.member.value) if name in LIST_FIELDS else self._text(case.member.value)
            value = pl.when(self._path(case.path)).then(text).otherwise(value) if case.path else text
        return value

    def _path(self, path: Path) -> pl.Expr:
        return reduce(lambda mask, step: mask & self._branch(*step), path, pl.lit(True))

    def _branch(self, block: Block, number: int) -> pl.Expr:
        mask = pl.lit(True)
        for branch in block.branches[:number]:
            if branch.test:
                mask = mask & ~self._test(branch.test)
        test = block.branches[number].test
        return mask & self._test(test) if test else mask

    def _test(self, test: Test) -> pl.Expr:
        column = self.names.find(test.name or "")
        if column is None:
            return pl.lit(test.negated)
        filled = pl.col(column).fill_null("") != ""
        if f"#list:{column}" in self.columns:
            items = pl.col(f"#list:{column}")
            filled = pl.when(items.is_not_null()).then(items.list.len() > 0).otherwise(filled)
        return ~filled if test.negated else filled

    def _text(self, value: Value) -> pl.Expr:
        if isinstance(value, Word):
            return pl.lit("" if value.text == "null" else value.text)
        return self._joined(value.parts) if isinstance(value, Str) else _EMPTY

    def _texts(self, value: Value) -> pl.Expr:
        if not isinstance(value, Arr):
            return pl.concat_list(self._text(value))
        items = flat_items(value)
        if not items:
            return pl.lit([], dtype=pl.List(pl.String))
        texts = pl.concat_list(
            pl.when(self._path(path)).then(self._text(item)) if path else self._text(item) for path, item in items
        )
        return texts.list.drop_nulls() if any(path for path, _ in items) else texts

    def _joined(self, parts: tuple[StrPart, ...]) -> pl.Expr:
        texts = [self._part(part) for part in parts]
        return texts[0] if len(texts) == 1 else pl.concat_str(texts) if texts else _EMPTY

    def _part(self, part: StrPart) -> pl.Expr:
        match part:
            case str():
                return pl.lit(part)
            case Hole():
                return self._named(part.name or "")
            case StrFork():
                text = _EMPTY
                for number, branch in reversed(list(enumerate(part.branches))):
                    text = pl.when(self._branch(part.block, number)).then(self._joined(branch)).otherwise(text)
                return text

    def _named(self, name: str) -> pl.Expr:
        column = self.names.find(name)
        if column is None:
            return _EMPTY
        text = pl.col(column).fill_null("")
        if f"#list:{column}" not in self.columns:
            return text
        items = pl.col(f"#list:{column}")
        joined = items.list.eval(pl.element().fill_null("")).list.join(",")
        return pl.when(items.is_not_null()).then(joined).otherwise(text)


def _by_row(node: Node) -> str:
    match node:
        case Hole(name=None) | Assignment():
            return f"{node.tag} is computed for each row"
        case Block(kind="for"):
            return f"{node.branches[0].tag} repeats for each row"
        case Block() if any(branch.test and branch.test.name is None for branch in node.branches):
            return f"{node.branches[0].tag} is computed for each row"
        case _:
            return ""


def _bare(value: Value) -> Iterator[Bare]:
    if isinstance(value, Bare):
        yield value
    elif isinstance(value, Arr):
        for _, item in flat_items(value):
            yield from _bare(item)
