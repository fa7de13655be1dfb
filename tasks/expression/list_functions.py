"""PHP's array functions as plain functions. What they return is always an array of its own."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from tasks.expression.budget import Budget
from tasks.expression.errors import RowFailed
from tasks.expression.operators import add, compare, loose_equal, multiply, sort_key, spend_on, strict_equal
from tasks.expression.values import (
    PhpArray,
    Row,
    Value,
    array_key,
    array_of,
    leading_number,
    to_float,
    to_int,
    to_text,
    truthy,
)

SORT_REGULAR: Final = 0
SORT_NUMERIC: Final = 1
SORT_STRING: Final = 2
SORT_FLAG_CASE: Final = 8
EVERY: Final[Any] = object()
"""For a filter that is not given: null is a value to look for."""


def count(value: PhpArray, mode: int = 0) -> int:
    if mode == 0:
        return len(value)
    return sum(1 + (len(item) if isinstance(item, PhpArray) else 0) for item in value.values())


def in_array(budget: Budget, needle: Value, haystack: PhpArray, strict: bool = False) -> bool:
    budget.spend(len(haystack) // 8)
    equal = strict_equal if strict else loose_equal
    for item in haystack.values():  # noqa: SIM110 - a generator costs twice as much for few items
        if equal(needle, item):
            return True
    return False


def array_search(budget: Budget, needle: Value, haystack: PhpArray, strict: bool = False) -> Value:
    budget.spend(len(haystack) // 8)
    equal = strict_equal if strict else loose_equal
    return next((key for key, item in haystack.items() if equal(needle, item)), False)


def array_key_exists(key: Value, array: PhpArray) -> bool:
    found = array_key(key)
    return (array.spelled(found) if isinstance(array, Row) else found) in array


def array_keys(budget: Budget, array: PhpArray, filter_value: Value = EVERY, strict: bool = False) -> PhpArray:
    spend_on(budget, array)
    if filter_value is EVERY:
        return array_of(array)
    equal = strict_equal if strict else loose_equal
    return array_of(key for key, value in array.items() if equal(value, filter_value))


def array_values(budget: Budget, array: PhpArray) -> PhpArray:
    spend_on(budget, array)
    return array_of(array.values())


def array_merge(budget: Budget, *arrays: PhpArray) -> PhpArray:
    """Whole-number keys are counted anew; of equal names the last wins, at the place of the first."""
    budget.take_items(sum(map(len, arrays)))
    merged: dict[int | str, Any] = {}
    index = 0
    for array in arrays:
        for key, value in array.items():
            if isinstance(key, int):
                merged[index] = value
                index += 1
            else:
                merged[key] = value
    return PhpArray(merged.items())


def array_combine(budget: Budget, keys: PhpArray, values: PhpArray) -> PhpArray:
    if len(keys) != len(values):
        raise RowFailed("array_combine() needs as many keys as values")
    spend_on(budget, keys)
    return PhpArray((array_key(to_text(k)), v) for k, v in zip(keys.values(), values.values(), strict=True))


def array_fill(budget: Budget, start_index: int, count: int, value: Value) -> PhpArray:
    if count < 0:
        raise RowFailed("array_fill() cannot make less than 0 items")
    budget.take_items(count)
    return PhpArray((start_index + i, value) for i in range(count))


def array_fill_keys(budget: Budget, keys: PhpArray, value: Value) -> PhpArray:
    spend_on(budget, keys)
    return PhpArray((array_key(to_text(key)), value) for key in keys.values())


def array_pad(budget: Budget, array: PhpArray, length: int, value: Value) -> PhpArray:
    missing = abs(length) - len(array)
    budget.take_items(abs(length))
    fill = PhpArray((i, value) for i in range(max(missing, 0)))
    return array_merge(budget, array, fill) if length > 0 else array_merge(budget, fill, array)


def range_(budget: Budget, start: Value, end: Value, step: Value = 1) -> PhpArray:
    """Whole numbers, fractions, or single letters."""
    if isinstance(start, str) and isinstance(end, str) and start and end and leading_number(start + " " + end) is None:
        return array_of(map(chr, _steps(budget, ord(start[0]), ord(end[0]), abs(to_int(step)) or 1)))
    width = to_float(step)
    if width == 0 or isinstance(start, PhpArray) or isinstance(end, PhpArray):
        raise RowFailed("range() needs a start, an end and a step that is not 0")
    first, last = to_float(start), to_float(end)
    if width.is_integer() and first.is_integer() and last.is_integer() and not isinstance(step, float):
        return array_of(_steps(budget, int(first), int(last), int(abs(width))))
    number = abs(last - first) / abs(width) + 1e-9
    budget.take_items(int(min(number, 1e9)))
    sign = abs(width) if last >= first else -abs(width)
    return array_of(first + i * sign for i in range(int(number) + 1))


def _steps(budget: Budget, first: int, last: int, step: int) -> range:
    numbers = range(first, last + 1, step) if last >= first else range(first, last - 1, -step)
    budget.take_items(len(numbers))
    return numbers


def array_slice(
    budget: Budget, array: PhpArray, offset: int, length: int | None = None, preserve_keys: bool = False
) -> PhpArray:
    spend_on(budget, array)
    start = max(len(array) + offset, 0) if offset < 0 else offset
    end = len(array) if length is None else len(array) + length if length < 0 else start + length
    items = list(array.items())[start : max(start, end)]
    return PhpArray(items) if preserve_keys else _renumbered(items)


def _renumbered(items: Iterable[tuple[int | str, Any]]) -> PhpArray:
    result = PhpArray()
    for key, value in items:
        result[result.next_index if isinstance(key, int) else key] = value
        result.next_index += isinstance(key, int)
    return result


def array_reverse(budget: Budget, array: PhpArray, preserve_keys: bool = False) -> PhpArray:
    spend_on(budget, array)
    items = list(array.items())[::-1]
    return PhpArray(items) if preserve_keys else _renumbered(items)


def array_unique(budget: Budget, array: PhpArray, flags: int = SORT_STRING) -> PhpArray:
    """The first of equal values stays; compared as printed, or loosely with SORT_REGULAR."""
    spend_on(budget, array)
    if flags == SORT_STRING:
        seen: set[str] = set()
        return PhpArray((k, v) for k, v in array.items() if not (to_text(v) in seen or seen.add(to_text(v))))
    kept: list[tuple[int | str, Any]] = []
    for key, value in array.items():
        budget.spend(1 + len(kept) // 8)
        if not any(loose_equal(value, other) for _, other in kept):
            kept.append((key, value))
    return PhpArray(kept)


def array_filter(
    budget: Budget, array: PhpArray, callback: Callable[..., Value] | None = None, mode: int = 0
) -> PhpArray:
    """Keeps what is true, or what the named function takes for true. Keys stay."""
    spend_on(budget, array)
    if callback is None:
        return PhpArray((key, value) for key, value in array.items() if truthy(value))
    budget.spend(len(array))
    return PhpArray((k, v) for k, v in array.items() if truthy(callback(k if mode == 2 else v)))


def array_map(budget: Budget, callback: Callable[..., Value], array: PhpArray) -> PhpArray:
    budget.spend(1 + len(array))
    return PhpArray([(key, callback(value)) for key, value in array.items()])


def array_flip(budget: Budget, array: PhpArray) -> PhpArray:
    spend_on(budget, array)
    return PhpArray((array_key(v), k) for k, v in array.items() if isinstance(v, int | str) and not isinstance(v, bool))


def array_count_values(budget: Budget, array: PhpArray) -> PhpArray:
    spend_on(budget, array)
    counts: dict[int | str, int] = {}
    for value in array.values():
        counts[array_key(value)] = counts.get(array_key(value), 0) + 1
    return PhpArray(counts.items())


def array_column(budget: Budget, array: PhpArray, column_key: Value) -> PhpArray:
    spend_on(budget, array)
    key = array_key(column_key)
    return array_of(item[key] for item in array.values() if isinstance(item, PhpArray) and key in item)


def array_chunk(budget: Budget, array: PhpArray, length: int) -> PhpArray:
    if length < 1:
        raise RowFailed("array_chunk() needs chunks of 1 item or more")
    spend_on(budget, array)
    values = list(array.values())
    return array_of(array_of(values[i : i + length]) for i in range(0, len(values), length))


def array_diff(budget: Budget, array: PhpArray, *arrays: PhpArray) -> PhpArray:
    spend_on(budget, array, *arrays)
    others = {to_text(value) for other in arrays for value in other.values()}
    return PhpArray((k, v) for k, v in array.items() if to_text(v) not in others)


def array_diff_key(budget: Budget, array: PhpArray, *arrays: PhpArray) -> PhpArray:
    spend_on(budget, array, *arrays)
    return PhpArray((k, v) for k, v in array.items() if not any(k in other for other in arrays))


def array_intersect(budget: Budget, array: PhpArray, *arrays: PhpArray) -> PhpArray:
    spend_on(budget, array, *arrays)
    sets = [{to_text(value) for value in other.values()} for other in arrays]
    return PhpArray((k, v) for k, v in array.items() if all(to_text(v) in texts for texts in sets))


def array_intersect_key(budget: Budget, array: PhpArray, *arrays: PhpArray) -> PhpArray:
    spend_on(budget, array, *arrays)
    return PhpArray((k, v) for k, v in array.items() if all(k in other for other in arrays))


def array_key_first(array: PhpArray) -> Value:
    return next(iter(array), None)


def array_key_last(array: PhpArray) -> Value:
    return next(reversed(array), None)


def array_is_list(array: PhpArray) -> bool:
    return all(key == position for position, key in enumerate(array))


def array_sum(budget: Budget, array: PhpArray) -> Value:
    spend_on(budget, array)
    total: Value = 0
    for value in array.values():
        total = add(total, _summand(value))
    return total


def array_product(budget: Budget, array: PhpArray) -> Value:
    spend_on(budget, array)
    total: Value = 1
    for value in array.values():
        total = multiply(total, _summand(value))
    return total


def _summand(value: Value) -> Value:
    if isinstance(value, PhpArray):
        return 0
    return (leading_number(value) or 0) if isinstance(value, str) else value


def max_(value: Value, *values: Value) -> Value:
    best, *others = _candidates(value, values, "max")
    for other in others:
        if compare(other, best) == 1:
            best = other
    return best


def min_(value: Value, *values: Value) -> Value:
    best, *others = _candidates(value, values, "min")
    for other in others:
        if compare(other, best) == -1:
            best = other
    return best


def _candidates(value: Value, values: tuple[Value, ...], name: str) -> list[Any]:
    if values:
        return [value, *values]
    if not isinstance(value, PhpArray) or not value:
        raise RowFailed(f"{name}() needs an array that is not empty, or two values")
    return list(value.values())


def reset(array: PhpArray) -> Value:
    return next(iter(array.values()), False)


def end(array: PhpArray) -> Value:
    return next(reversed(array.values()), False)


def array_push(array: PhpArray, *values: Value) -> int:
    for value in values:
        array[array.next_index] = value
        array.next_index += 1
    return len(array)


def array_pop(array: PhpArray) -> Value:
    value = array.popitem()[1] if array else None
    array.next_index = max((key + 1 for key in array if isinstance(key, int)), default=0)
    return value


def array_shift(budget: Budget, array: PhpArray) -> Value:
    spend_on(budget, array)
    items = list(array.items())
    _refill(array, _renumbered(items[1:]))
    return items[0][1] if items else None


def array_unshift(budget: Budget, array: PhpArray, *values: Value) -> int:
    budget.take_items(len(array) + len(values))
    _refill(array, _renumbered([*enumerate(values), *array.items()]))
    return len(array)


def sort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_values(budget, array, flags, reverse=False)


def rsort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_values(budget, array, flags, reverse=True)


def asort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_items(budget, array, (1, flags), reverse=False)


def arsort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_items(budget, array, (1, flags), reverse=True)


def ksort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_items(budget, array, (0, flags), reverse=False)


def krsort(budget: Budget, array: PhpArray, flags: int = SORT_REGULAR) -> bool:
    return _sorted_items(budget, array, (0, flags), reverse=True)


def _sorted_values(budget: Budget, array: PhpArray, flags: int, *, reverse: bool) -> bool:
    budget.spend(1 + 2 * len(array))
    _refill(array, array_of(sorted(array.values(), key=_order_by(flags), reverse=reverse)))
    return True


def _sorted_items(budget: Budget, array: PhpArray, by: tuple[int, int], *, reverse: bool) -> bool:
    budget.spend(1 + 2 * len(array))
    order = _order_by(by[1])
    items = sorted(array.items(), key=lambda item: order(item[by[0]]), reverse=reverse)
    _refill(array, PhpArray(items))
    return True


def _order_by(flags: int) -> Callable[[Any], Any]:
    if flags & ~SORT_FLAG_CASE == SORT_STRING:
        return (lambda value: to_text(value).lower()) if flags & SORT_FLAG_CASE else to_text
    if flags == SORT_NUMERIC:
        return to_float
    if flags != SORT_REGULAR:
        raise RowFailed("sorting knows SORT_REGULAR, SORT_NUMERIC, SORT_STRING and SORT_FLAG_CASE")
    return sort_key()


def _refill(array: PhpArray, new: PhpArray) -> None:
    array.clear()
    array.update(new)
    array.next_index = new.next_index
