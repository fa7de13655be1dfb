"""What a compiled snippet can reach: operators, conversions of arguments, writes to arrays. Nothing else is there."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from tasks.expression import operators
from tasks.expression.budget import ARRAY_ITEMS, TEXT_CHARACTERS, Budget, check_items
from tasks.expression.errors import BudgetSpent, RowFailed
from tasks.expression.values import (
    PhpArray,
    Row,
    Value,
    array_key,
    array_of,
    numeric,
    to_array,
    to_float,
    to_int,
    to_text,
    truthy,
    type_name,
)

APPEND: Final = object()
"""The key of `$list[] = …`."""


def runtime(budget: Budget) -> dict[str, Any]:
    """The names of one evaluation."""
    return {**_PURE, "spend": budget.spend, **_concatenation(budget)}


def _concatenation(budget: Budget) -> dict[str, Callable[..., str]]:
    def concat(left: Value, right: Value) -> str:
        a, b = to_text(left), to_text(right)
        budget.take_text(len(a) + len(b))
        return a + b

    def concat_all(*parts: Value) -> str:
        texts = [to_text(part) for part in parts]
        budget.take_text(sum(map(len, texts)))
        return "".join(texts)

    def long_text(text: str) -> str:
        budget.take_text(len(text))
        return text

    return {"concat": concat, "concat_all": concat_all, "long_text": long_text}


def own(value: Value) -> Value:
    """A copy of an array, so that a change of one variable is not seen through another."""
    return value.clone() if isinstance(value, PhpArray) else value


def array_of_pairs(pairs: Iterable[tuple[Any, Value]]) -> PhpArray:
    array = PhpArray()
    for key, value in pairs:
        _place(array, key, value)
    return array


def pairs_of(value: Value) -> Iterable[tuple[Any, Any]]:
    """What foreach walks over; nothing for what is no array."""
    return tuple(value.items()) if isinstance(value, PhpArray) else ()


def values_of(value: Value) -> Iterable[Any]:
    return tuple(value.values()) if isinstance(value, PhpArray) else ()


def append(base: Value, value: Value) -> PhpArray:
    """`$base[] = value`"""
    array = base if isinstance(base, PhpArray) else _writable(base)
    if len(array) >= ARRAY_ITEMS:
        check_items(len(array) + 1)
    array[array.next_index] = value
    array.next_index += 1
    return array


def put(base: Value, key: Value, value: Value) -> PhpArray | str:
    """`$base[key] = value`"""
    if isinstance(base, str):
        return _with_character(base, key, to_text(value)[:1])
    array = _writable(base)
    _place(array, key, value)
    return array


def _with_character(text: str, key: Value, character: str) -> str:
    """The text with one character replaced; behind its end spaces fill the gap, before its start nothing happens."""
    place = key if isinstance(key, int) else numeric(key) if isinstance(key, str) else None
    if not isinstance(place, int) or isinstance(place, bool):
        raise RowFailed("a character of a string is written to by a whole number")
    if not character:
        raise RowFailed("a character of a string cannot become an empty string")
    place += len(text) if place < 0 else 0
    if place >= TEXT_CHARACTERS:
        raise BudgetSpent(f"a string would be longer than {TEXT_CHARACTERS:,} characters")
    return text if place < 0 else text[:place].ljust(place) + character + text[place + 1 :]


def put_deep(base: Value, keys: tuple[Any, ...], value: Value) -> PhpArray:
    """`$base[k1][k2] = value`: inner arrays are copied on the way, since they may be shared."""
    array = _writable(base)
    if len(keys) == 1:
        _place(array, keys[0], value)
        return array
    inner = None if keys[0] is APPEND else array.get(_key_in(array, keys[0]))
    _place(array, keys[0], put_deep(own(inner), keys[1:], value))
    return array


def _writable(base: Value) -> PhpArray:
    if isinstance(base, PhpArray):
        return base
    if base is None or base is False:
        return PhpArray()
    raise RowFailed("only an array can be written to with [ ]")


def _key_in(array: PhpArray, key: Value) -> Any:
    found = array_key(key)
    return array.spelled(found) if isinstance(array, Row) else found


def _place(array: PhpArray, key: Any, value: Value) -> None:
    place = array.next_index if key is APPEND else _key_in(array, key)
    if len(array) >= ARRAY_ITEMS and place not in array:
        check_items(len(array) + 1)
    array[place] = value
    if isinstance(place, int) and place >= array.next_index:
        array.next_index = place + 1


def unset_item(base: Value, keys: tuple[Any, ...]) -> Value:
    """`unset($base[k1][k2])`: what is not there stays away."""
    if not isinstance(base, PhpArray):
        return base
    place = _key_in(base, keys[0])
    if len(keys) == 1:
        base.pop(place, None)
    elif isinstance(base.get(place), PhpArray):
        base[place] = unset_item(own(base[place]), keys[1:])
    return base


def list_item(source: Value, key: Value) -> Value:
    """An item for `[$a, $b] = $source`: null for all that is no array."""
    return operators.item(source, key) if isinstance(source, PhpArray) else None


def text_argument(value: Value, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, PhpArray):
        raise RowFailed(f"{where} must be a string, an array is given")
    return to_text(value)


def text_or_array_argument(value: Value, where: str) -> Value:
    return value if isinstance(value, PhpArray) else text_argument(value, where)


def array_argument(value: Value, where: str) -> PhpArray:
    if isinstance(value, PhpArray):
        return value
    raise RowFailed(f"{where} must be an array, {type_name(value)} is given")


def number_argument(value: Value, where: str) -> int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    number = numeric(value) if isinstance(value, str) else int(bool(value))
    if number is None or isinstance(value, PhpArray):
        raise RowFailed(f"{where} must be a number, {type_name(value)} is given")
    return number


def int_argument(value: Value, where: str) -> int:
    return to_int(number_argument(value, where))


def float_argument(value: Value, where: str) -> float:
    return float(number_argument(value, where))


def bool_argument(value: Value, where: str) -> bool:
    if isinstance(value, PhpArray):
        raise RowFailed(f"{where} must be true or false, an array is given")
    return truthy(value)


def _or_null(convert: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: None if value is None else convert(value, where)


def spaceship(left: Value, right: Value) -> int:
    return min(operators.compare(left, right), 1)


_ARGUMENTS: Final = (
    *(text_argument, text_or_array_argument, array_argument, number_argument),
    *(int_argument, float_argument, bool_argument),
)
_PURE: Final[dict[str, Any]] = {
    **{function.__name__: function for function in _ARGUMENTS},
    **{f"{function.__name__}_or_null": _or_null(function) for function in _ARGUMENTS},
    **{
        name: getattr(operators, name)
        for name in (
            *("add", "subtract", "multiply", "divide", "modulo", "power", "negate", "plus"),
            *("bit_and", "bit_or", "bit_xor", "bit_not", "shift_left", "shift_right", "increment", "decrement"),
            *(
                "strict_equal",
                "loose_equal",
                "less",
                "less_equal",
                "greater",
                "greater_equal",
                "item",
                "item_if_set",
                "match_failed",
            ),
        )
    },
    "to_int": to_int,
    "to_float": to_float,
    "to_text": to_text,
    "truthy": truthy,
    "to_array": to_array,
    "own": own,
    "array_of": array_of,
    "array_of_pairs": array_of_pairs,
    "pairs_of": pairs_of,
    "put": put,
    "values_of": values_of,
    "append": append,
    "put_deep": put_deep,
    "unset_item": unset_item,
    "list_item": list_item,
    "spaceship": spaceship,
    "APPEND": APPEND,
    "len": len,
    "str": str,
}
