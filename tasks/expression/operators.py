"""PHP's operators on values: arithmetic, bits, comparison. Each is a plain function, used by both ways to run."""

import functools
import math
from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

from tasks.expression.budget import FULL, Budget
from tasks.expression.errors import BudgetSpent, RowFailed
from tasks.expression.values import (
    INT_MAX,
    INT_MIN,
    PhpArray,
    Row,
    Value,
    array_key,
    leading_number,
    numeric,
    to_int,
    to_text,
    truthy,
)

_Ordered = TypeVar("_Ordered", float, str)

_NUMBER_START: Final = frozenset("0123456789+-. \t\n\r\v\f")


def number_of(value: Value) -> int | float:
    """A value as operand of arithmetic: a string may begin with its number.

    Raises: RowFailed for an array or a string without a number, as PHP 8 does.
    """
    if isinstance(value, str):
        found = leading_number(value)
        if found is None:
            raise RowFailed("arithmetic with a string that is no number")
        return found
    if isinstance(value, PhpArray):
        raise RowFailed("arithmetic with an array")
    return int(value or 0) if not isinstance(value, float) else value


def _fitting(result: int | float, exact: Callable[[], float]) -> int | float:
    return result if isinstance(result, float) or INT_MIN <= result <= INT_MAX else exact()


def add(left: Value, right: Value) -> Value:
    if isinstance(left, PhpArray) and isinstance(right, PhpArray):
        return PhpArray([*left.items(), *((k, v) for k, v in right.items() if k not in left)])
    a, b = number_of(left), number_of(right)
    return _fitting(a + b, lambda: float(a) + float(b))


def subtract(left: Value, right: Value) -> Value:
    a, b = number_of(left), number_of(right)
    return _fitting(a - b, lambda: float(a) - float(b))


def multiply(left: Value, right: Value) -> Value:
    a, b = number_of(left), number_of(right)
    return _fitting(a * b, lambda: float(a) * float(b))


def divide(left: Value, right: Value) -> Value:
    a, b = number_of(left), number_of(right)
    if b == 0:
        raise RowFailed("division by zero")
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return _fitting(a // b, lambda: float(a) / float(b))
    return float(a) / float(b)


def modulo(left: Value, right: Value) -> Value:
    a, b = to_int(number_of(left)), to_int(number_of(right))
    if b == 0:
        raise RowFailed("modulo by zero")
    return int(math.fmod(a, b)) if abs(a) < 2**53 and abs(b) < 2**53 else _remainder(a, b)


def _remainder(a: int, b: int) -> int:
    return abs(a) % abs(b) * (-1 if a < 0 else 1)


def power(left: Value, right: Value) -> Value:
    a, b = number_of(left), number_of(right)
    if isinstance(a, int) and isinstance(b, int) and b >= 0 and (abs(a) <= 1 or b * abs(a).bit_length() < 200):
        whole = a**b if abs(a) > 1 else (a if b % 2 else a * a if b else 1)
        return _fitting(whole, lambda: float(whole))
    try:
        result = math.pow(a, b)
    except OverflowError:
        return math.inf if a > 0 or b % 2 == 0 else -math.inf
    except ValueError:
        return math.inf if a == 0 else math.nan
    return result


def negate(value: Value) -> Value:
    if isinstance(value, float):
        return -value
    return multiply(value, -1)


def plus(value: Value) -> Value:
    return multiply(value, 1)


def _bits(value: Value) -> int:
    return to_int(number_of(value))


def _signed(number: int) -> int:
    return (number - INT_MIN) % 2**64 + INT_MIN


def bit_and(left: Value, right: Value) -> Value:
    return _bits(left) & _bits(right)


def bit_or(left: Value, right: Value) -> Value:
    return _bits(left) | _bits(right)


def bit_xor(left: Value, right: Value) -> Value:
    return _bits(left) ^ _bits(right)


def bit_not(value: Value) -> Value:
    return ~_bits(value)


def shift_left(left: Value, right: Value) -> Value:
    a, b = _bits(left), _bits(right)
    if b < 0:
        raise RowFailed("a bit shift by a negative number")
    return 0 if b >= 64 else _signed(a << b)


def shift_right(left: Value, right: Value) -> Value:
    a, b = _bits(left), _bits(right)
    if b < 0:
        raise RowFailed("a bit shift by a negative number")
    return a >> min(b, 64)


def increment(value: Value) -> Value:
    """`++`: null becomes 1, "Az" becomes "Ba", "" becomes "1"; a bool stays."""
    if value.__class__ is int:
        return add(value, 1)
    if value is None:
        return 1
    if isinstance(value, str):
        number = numeric(value)
        return _next_text(value) if number is None else add(number, 1)
    if isinstance(value, PhpArray):
        raise RowFailed("an array cannot be incremented")
    return value if isinstance(value, bool) else value + 1


def decrement(value: Value) -> Value:
    """`--`: null stays null, "" becomes -1, other strings without a number stay."""
    if isinstance(value, str):
        number = numeric(value)
        return -1 if value == "" else value if number is None else subtract(number, 1)
    if isinstance(value, PhpArray):
        raise RowFailed("an array cannot be decremented")
    return value if value is None or isinstance(value, bool) else subtract(value, 1)


def _next_text(text: str) -> str:
    if text == "":
        return "1"
    characters = list(text)
    for position in range(len(characters) - 1, -1, -1):
        character = characters[position]
        if not (character.isascii() and character.isalnum()):
            return "".join(characters)
        last = {"z": "a", "Z": "A", "9": "0"}.get(character)
        if last is None:
            characters[position] = chr(ord(character) + 1)
            return "".join(characters)
        characters[position] = last
    return {"a": "a", "A": "A", "0": "1"}[characters[0]] + "".join(characters)


class _Walk:
    """Counts what a comparison of arrays looks at: nested ones can hold more than there is time for."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = FULL.steps

    def into(self, array: PhpArray) -> None:
        """Raises: BudgetSpent when the items of all arrays so far are too many."""
        self.left -= 1 + len(array)
        if self.left < 0:
            raise BudgetSpent(f"a comparison of arrays needs more than {FULL.steps:,} steps", costly=True)


def strict_equal(left: Value, right: Value, walk: _Walk | None = None) -> bool:
    """`===`: same type, same value; arrays also in the same order."""
    if isinstance(left, PhpArray) and isinstance(right, PhpArray):
        walk = walk or _Walk()
        walk.into(left)
        return list(left) == list(right) and all(strict_equal(v, right[k], walk) for k, v in left.items())
    return left.__class__ is right.__class__ and left == right


def loose_equal(left: Value, right: Value) -> bool:
    """`==` of PHP 8."""
    if isinstance(left, str) and isinstance(right, str):
        if left == right:
            return True
        may_be_numbers = left[:1] in _NUMBER_START and right[:1] in _NUMBER_START
        return may_be_numbers and _compare_texts(left, right) == 0
    return compare(left, right) == 0


def less(left: Value, right: Value) -> bool:
    return compare(left, right) == -1


def less_equal(left: Value, right: Value) -> bool:
    return compare(left, right) in (-1, 0)


def greater(left: Value, right: Value) -> bool:
    return compare(right, left) == -1


def greater_equal(left: Value, right: Value) -> bool:
    return compare(right, left) in (-1, 0)


def compare(left: Value, right: Value, walk: _Walk | None = None) -> int:
    """`<=>` of PHP 8; 2 where the two have no order, as arrays with other keys or NAN."""
    if left is None and isinstance(right, str):
        return -1 if right else 0
    if right is None and isinstance(left, str):
        return 1 if left else 0
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return _order(truthy(left), truthy(right))
    if isinstance(left, PhpArray) or isinstance(right, PhpArray):
        return _compare_arrays(left, right, walk or _Walk())
    if isinstance(left, str):
        return _compare_texts(left, right) if isinstance(right, str) else -_compare_number_with_text(right, left)
    if isinstance(right, str):
        return _compare_number_with_text(left, right)
    return _order(left, right)


def _order(left: _Ordered, right: _Ordered) -> int:
    if left == right:
        return 0
    return -1 if left < right else 1


def _compare_texts(left: str, right: str) -> int:
    if left == right:
        return 0
    a = numeric(left)
    b = None if a is None else numeric(right)
    if a is None or b is None:
        return _order(left, right)
    if isinstance(a, float) and a == b and (math.isinf(a) or not {".", "e", "E"} & {*left, *right}):
        return _order(left, right)
    return _order(a, b)


def _compare_number_with_text(number: int | float, text: str) -> int:
    other = numeric(text)
    return _order(to_text(number), text) if other is None else _order(number, other)


def _compare_arrays(left: Value, right: Value, walk: _Walk) -> int:
    if not isinstance(left, PhpArray):
        return -1
    if not isinstance(right, PhpArray):
        return 1
    walk.into(left)
    if len(left) != len(right):
        return _order(len(left), len(right))
    for key, value in left.items():
        if key not in right:
            return 2
        order = compare(value, right[key], walk)
        if order:
            return order
    return 0


@functools.cache
def sort_key() -> Callable[[Value], object]:
    """The key for `sorted` that orders values as PHP's `sort` does."""
    return functools.cmp_to_key(lambda a, b: min(compare(a, b), 1))


def item(base: Value, key: Value) -> Value:
    """`$base[$key]` when read: null where there is none.

    Raises: RowFailed for a string with an offset that is no number.
    """
    if isinstance(base, PhpArray):
        found = array_key(key)
        return base.get(base.spelled(found) if isinstance(base, Row) else found)
    if isinstance(base, str):
        offset = numeric(key) if isinstance(key, str) else to_int(key)
        if not isinstance(offset, int):
            raise RowFailed("a character of a string needs a whole number as its position")
        return base[offset] if -len(base) <= offset < len(base) else ""
    return None


def item_if_set(base: Value, key: Value) -> Value:
    """`$base[$key]` within isset, empty and ??: never an error."""
    if not isinstance(base, str):
        return item(base, key)
    offset = numeric(key) if isinstance(key, str) else key
    if not isinstance(offset, int) or not -len(base) <= offset < len(base):
        return None
    return base[int(offset)]


def match_failed() -> NoReturn:
    """Raises: RowFailed, for no arm of a `match` fits."""
    raise RowFailed("no arm of the match fits, and it has no default")


def spend_on(budget: Budget, *arrays: PhpArray) -> None:
    """Take the size of arrays from the budget, before a function walks through them."""
    budget.spend(1 + sum(map(len, arrays)) // 8)
