"""PHP's functions as polars expressions: only those, and only with such arguments, as mean exactly the same."""

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from typing import Final

import polars as pl

from tasks.expression.text_functions import WHITE
from tasks.expression.values import numeric


class NotColumns(Exception):  # noqa: N818
    """Why an expression runs by row."""


@dataclass(frozen=True)
class Column:
    """A polars expression with PHP's type: string, int, bool, null, or a constant array (`items`).

    Only strings can be null. Ints are Int64.
    """

    expr: pl.Expr
    kind: str
    nullable: bool
    constant: bool | int | float | str | None = None
    is_constant: bool = False
    items: tuple[bool | int | float | str | None, ...] = ()

    def text(self) -> pl.Expr:
        """As string, null as ""."""
        if self.kind == "array":
            raise NotColumns("it makes an array")
        printed = self.printed()
        return printed.fill_null("") if self.nullable else printed

    def printed(self) -> pl.Expr:
        """As PHP prints it, null stays."""
        if self.kind == "bool":
            return pl.when(self.expr).then(pl.lit("1")).otherwise(pl.lit(""))
        return self.expr.cast(pl.String) if self.kind == "int" else self.expr

    def truth(self) -> pl.Expr:
        """PHP's truthiness; never null."""
        if self.kind == "null":
            return pl.lit(False)
        if self.kind == "bool":
            return self.expr
        if self.kind == "int":
            return self.expr != 0
        text = self.text()
        return (text != "") & (text != "0")

    def found(self) -> pl.Expr:
        """Whether it is not null."""
        return self.expr.is_not_null() if self.nullable else pl.lit(True)


def _text(expr: pl.Expr) -> Column:
    return Column(expr, "string", nullable=False)


def _flag(expr: pl.Expr) -> Column:
    return Column(expr, "bool", nullable=False)


def _constant_text(column: Column) -> str:
    if not isinstance(column.constant, str) or not column.constant:
        raise NotColumns("an argument is not a constant")
    return column.constant


def _constant_int(column: Column) -> int:
    if column.kind != "int" or not isinstance(column.constant, int):
        raise NotColumns("an argument is not a constant")
    return column.constant


def _ascii_lower(expr: pl.Expr) -> pl.Expr:
    return expr.str.replace_many(list(ascii_uppercase), list(ascii_lowercase))


def _ascii_upper(expr: pl.Expr) -> pl.Expr:
    return expr.str.replace_many(list(ascii_lowercase), list(ascii_uppercase))


def _stripped(strip: Callable[[pl.Expr, str], pl.Expr]) -> Callable[[list[Column]], Column]:
    def apply(arguments: list[Column]) -> Column:
        characters = _constant_text(arguments[1]) if len(arguments) > 1 else WHITE
        if ".." in characters:
            raise NotColumns("trim() with a range of characters")
        return _text(strip(arguments[0].text(), characters))

    return apply


def _substr(arguments: list[Column]) -> Column:
    text = arguments[0].text()
    offset = _constant_int(arguments[1])
    tail = text.str.tail(-offset) if offset < 0 else text.str.slice(offset)
    if len(arguments) < 3 or arguments[2].kind == "null":
        return _text(tail)
    length = _constant_int(arguments[2])
    return _text(tail.str.head(length))


def _str_replace(arguments: list[Column]) -> Column:
    search, replace, subject = arguments
    if subject.kind == "array" or (replace.kind == "array" and search.kind != "array"):
        raise NotColumns("it makes an array")
    old = [_printed(item) for item in search.items] if search.kind == "array" else [_constant_text(search)]
    new = [_printed(item) for item in replace.items] if replace.kind == "array" else None
    if new is None and not isinstance(replace.constant, str):
        raise NotColumns("an argument is not a constant")
    text = subject.text()
    for position, one in enumerate(old):
        with_ = replace.constant if new is None else new[position] if position < len(new) else ""
        text = text.str.replace_all(one, str(with_), literal=True) if one else text
    return _text(text)


def _printed(value: bool | int | float | str | None) -> str:
    if not isinstance(value, str):
        raise NotColumns("an argument is not a constant")
    return value


def _str_pad(arguments: list[Column]) -> Column:
    length = _constant_int(arguments[1])
    fill = _constant_text(arguments[2]) if len(arguments) > 2 else " "
    side = _constant_int(arguments[3]) if len(arguments) > 3 else 1
    if len(fill) != 1 or side not in (0, 1) or not 0 <= length <= 1000:
        raise NotColumns("str_pad() with more than one character, or on both sides")
    text = arguments[0].text()
    return _text(text.str.pad_start(length, fill) if side == 0 else text.str.pad_end(length, fill))


def _in_array(arguments: list[Column]) -> Column:
    needle, haystack = arguments[:2]
    strict = len(arguments) > 2 and arguments[2].constant is True
    items = [item for item in haystack.items if isinstance(item, str)]
    if haystack.kind != "array" or needle.kind != "string" or len(items) != len(haystack.items):
        raise NotColumns("in_array() with other things than texts")
    if strict:
        return _flag(needle.expr.is_in(items).fill_null(value=False))
    if any(numeric(item) is not None for item in items) or len(arguments) > 2:
        raise NotColumns("it compares values that may be numbers (=== compares as text)")
    return _flag(needle.text().is_in(items))


def _mb_lower(arguments: list[Column]) -> Column:
    return _text(arguments[0].text().str.replace_all("Σ", "σ", literal=True).str.to_lowercase())


COLUMN_FUNCTIONS: Final[dict[str, Callable[[list[Column]], Column]]] = {
    "trim": _stripped(lambda text, characters: text.str.strip_chars(characters)),
    "ltrim": _stripped(lambda text, characters: text.str.strip_chars_start(characters)),
    "rtrim": _stripped(lambda text, characters: text.str.strip_chars_end(characters)),
    "strtolower": lambda a: _text(_ascii_lower(a[0].text())),
    "strtoupper": lambda a: _text(_ascii_upper(a[0].text())),
    "mb_strtolower": _mb_lower,
    "mb_strtoupper": lambda a: _text(a[0].text().str.to_uppercase()),
    "ucfirst": lambda a: _text(_ascii_upper(a[0].text().str.head(1)) + a[0].text().str.slice(1)),
    "lcfirst": lambda a: _text(_ascii_lower(a[0].text().str.head(1)) + a[0].text().str.slice(1)),
    "strlen": lambda a: Column(a[0].text().str.len_chars().cast(pl.Int64), "int", nullable=False),
    "mb_strlen": lambda a: Column(a[0].text().str.len_chars().cast(pl.Int64), "int", nullable=False),
    "substr": _substr,
    "mb_substr": _substr,
    "str_replace": _str_replace,
    "str_pad": _str_pad,
    "str_contains": lambda a: _flag(a[0].text().str.contains(a[1].text(), literal=True)),
    "str_starts_with": lambda a: _flag(a[0].text().str.starts_with(a[1].text())),
    "str_ends_with": lambda a: _flag(a[0].text().str.ends_with(a[1].text())),
    "in_array": _in_array,
    "is_null": lambda a: _flag(~a[0].found()),
    "strval": lambda a: _text(a[0].text()),
    "boolval": lambda a: _flag(a[0].truth()),
}
