"""PHP's values and how they turn into each other: null, bool, int, float, string and array.

They are Python's None, bool, int, float, str and `PhpArray`. Strings count characters, not bytes (phone-system.md 6.9).
"""

import math
import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from tasks.expression.budget import check_items
from tasks.expression.errors import RowFailed
from tasks.names import Names

Key: TypeAlias = "int | str"
Value: TypeAlias = "bool | int | float | str | PhpArray | None"

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
_WHITE: Final = " \t\n\r\v\f"
_NUMBER: Final = re.compile(r"[ \t\n\r\v\f]*([+-]?(?:[0-9]+(\.[0-9]*)?|(\.[0-9]+))([eE][+-]?[0-9]+)?)")
_INTEGER_KEY: Final = re.compile(r"(?:0|-?[1-9][0-9]{0,18})\Z")

_TYPE_NAMES: Final[dict[type, str]] = {bool: "bool", int: "int", float: "float", str: "string"}


class PhpArray(dict[Key, Any]):
    """An ordered map that remembers its next free index."""

    __slots__ = ("next_index",)

    next_index: int

    def __init__(self, items: Iterable[tuple[Key, Any]] = ()) -> None:
        super().__init__(items)
        self.next_index = _free_index(self) if self else 0

    def clone(self) -> "PhpArray":
        """A copy with the same items; nested arrays are shared, for writes copy them on their way down."""
        return PhpArray(self.items())


def _free_index(keys: Iterable[Key]) -> int:
    return max((key + 1 for key in keys if isinstance(key, int) and key >= 0), default=0)


class Row(PhpArray):
    """`$row`: the cells that are not empty, by header name; a name is looked up by rule 6.1."""

    __slots__ = ("names",)

    def __init__(self, items: Iterable[tuple[Key, Any]], names: Names) -> None:
        """`number` follows where a column's name may be a whole number."""
        super(PhpArray, self).__init__(items)
        self.next_index = 0
        self.names = names

    def number(self) -> None:
        """Find the next free index anew."""
        self.next_index = _free_index(self)

    def clone(self) -> "Row":
        copy = Row(self.items(), self.names)
        copy.next_index = self.next_index
        return copy

    def spelled(self, key: Key) -> Key:
        """The header's spelling of a key, or the key itself."""
        if key in self:
            return key
        found = self.names.find(str(key))
        return key if found is None else array_key(found)


def array_of(items: Iterable[Any]) -> PhpArray:
    """A list as PHP makes it: keys from 0."""
    array = PhpArray()
    array.update(enumerate(items))
    array.next_index = len(array)
    check_items(array.next_index)
    return array


def type_name(value: Value) -> str:
    """PHP's word for a value's type, as its error texts use it."""
    if value is None:
        return "null"
    return "array" if isinstance(value, PhpArray) else _TYPE_NAMES[value.__class__]


def to_text(value: Value) -> str:
    """A value as PHP prints it."""
    if isinstance(value, str):
        return value
    if value is None or value is False:
        return ""
    if value is True:
        return "1"
    if isinstance(value, float):
        return float_text(value)
    return str(value) if isinstance(value, int) else "Array"


def float_text(number: float, precision: int = 14) -> str:
    """A float as `echo` prints it: 14 significant digits, no trailing zeros."""
    if number != number:
        return "NAN"
    if number in (float("inf"), float("-inf")):
        return "INF" if number > 0 else "-INF"
    text = f"{number:.{precision}G}"
    mantissa, mark, exponent = text.partition("E")
    if not mark:
        return text
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{exponent[0]}{exponent[1:].lstrip('0')}"


def truthy(value: Value) -> bool:
    """Whether PHP takes a value for true; "0" is false, "0.0" is true."""
    if value.__class__ is str:
        return value != "" and value != "0"
    return bool(value)


def numeric(text: str) -> int | float | None:
    """The number that a numeric string is; None when it is not one. White space around it is allowed."""
    match = _NUMBER.match(text)
    if match is None or text[match.end() :].strip(_WHITE):
        return None
    return _number(match)


def leading_number(text: str) -> int | float | None:
    """The number that a string begins with; None when it begins with none."""
    match = _NUMBER.match(text)
    return None if match is None else _number(match)


def _number(match: re.Match[str]) -> int | float:
    if match[2] is None and match[3] is None and match[4] is None:
        if len(match[1]) > 40:
            return float(match[1])
        whole = int(match[1])
        return whole if INT_MIN <= whole <= INT_MAX else float(whole)
    return float(match[1])


def to_int(value: Value) -> int:
    """`(int)`: truncated, never an error."""
    if isinstance(value, str):
        found = leading_number(value)
        return 0 if found is None else _capped(found)
    if isinstance(value, float):
        return _whole(value)
    return int(value) if isinstance(value, int) else int(bool(value))


def _capped(number: int | float) -> int:
    """A number from a string: what is too large becomes the largest."""
    if not isinstance(number, int) and not math.isfinite(number):
        return 0
    return INT_MAX if number >= INT_MAX else INT_MIN if number <= INT_MIN else int(number)


def _whole(number: int | float) -> int:
    if isinstance(number, int):
        return number
    if number != number or number in (float("inf"), float("-inf")):
        return 0
    return (int(number) - INT_MIN) % 2**64 + INT_MIN


def to_float(value: Value) -> float:
    """`(float)`: never an error."""
    if isinstance(value, str):
        return float(leading_number(value) or 0)
    return float(value) if isinstance(value, int | float) else float(bool(value))


def to_array(value: Value) -> PhpArray:
    """`(array)`: null becomes the empty array, a scalar its only item."""
    if isinstance(value, PhpArray):
        return value
    return PhpArray() if value is None else PhpArray([(0, value)])


def array_key(key: Value) -> Key:
    """A value as array key: whole numbers in strings are numbers, null is "", the rest is truncated.

    Raises: RowFailed for an array.
    """
    if isinstance(key, str):
        whole = key[:1] in "-0123456789" and _INTEGER_KEY.match(key) and INT_MIN <= int(key) <= INT_MAX
        return int(key) if whole else key
    if key is None:
        return ""
    if isinstance(key, PhpArray):
        raise RowFailed("an array cannot be the key of an array")
    return to_int(key)
