"""Jinja2 for profiles: its sandbox, with an end to loops, text and numbers as well.

Jinja's own sandbox keeps templates away from Python's inside, not from the machine's time and memory. Every loop,
concatenation and output is therefore counted in the row's budget, which travels in the template's context.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import jinja2.filters
import jinja2.sandbox
import jinja2.tests
from jinja2 import nodes
from jinja2.runtime import Context, Undefined
from jinja2.utils import pass_context

from tasks.expression.budget import TEXT_CHARACTERS, Budget, check_items
from tasks.expression.errors import BudgetSpent, RowFailed
from tasks.expression.values import INT_MAX, INT_MIN, PhpArray, Value, array_of, to_text

BUDGET: Final = "#budget"
_COUNTED: Final = "#counted"
_JOINED: Final = "#joined"
_MOST_BITS: Final = 1024
_KNOWN_FILTERS: Final = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items"),
    *("last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select"),
    *("selectattr", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique", "upper"),
    *("urlencode", "wordcount"),
)
_METHODS: Final = frozenset(
    {
        *("upper", "lower", "strip", "lstrip", "rstrip", "title", "capitalize", "swapcase", "startswith", "endswith"),
        *("split", "rsplit", "splitlines", "partition", "rpartition", "find", "rfind", "count", "isdigit", "isalpha"),
        *("isalnum", "isupper", "islower", "isspace", "removeprefix", "removesuffix"),
        *("get", "items", "keys", "values", "index"),
    }
)
FORBIDDEN_NODES: Final[dict[type[nodes.Node], str]] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Block: "block",
}


class Sandbox(jinja2.sandbox.ImmutableSandboxedEnvironment):
    """Jinja's sandbox with counted operators and a short list of filters, methods and globals."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuses what grows without bound."""
        if operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
            _check_length(len(left) + len(right))
        elif operator == "*" and (hasattr(left, "__len__") or hasattr(right, "__len__")):
            raise RowFailed("text and lists cannot be multiplied")
        elif operator == "%" and isinstance(left, str):
            raise RowFailed("text cannot be formatted with %; write {{ a }}{{ b }}")
        elif operator in ("*", "**") and isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length())
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods of text and of the row from the list, `range` and `namespace`."""
        if obj in (_range, jinja2.utils.Namespace):
            return True
        return getattr(obj, "__name__", "") in _METHODS and isinstance(
            getattr(obj, "__self__", None), str | dict | list
        )


def _check_length(length: int) -> None:
    if length > TEXT_CHARACTERS:
        raise BudgetSpent(f"a string would be longer than {TEXT_CHARACTERS:,} characters")


def _check_bits(bits: int) -> None:
    if bits > _MOST_BITS:
        raise BudgetSpent("a number would become too large")


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    check_items(len(numbers))
    return numbers


def _budget(context: Context) -> Budget:
    return context.parent[BUDGET]


@pass_context
def _counted(context: Context, items: Iterable[Any]) -> Iterator[Any]:
    """The items of a loop, each paid."""
    budget = _budget(context)
    for item in items:
        budget.spend(1)
        yield item


@pass_context
def _joined(context: Context, parts: list[Any]) -> str:
    """`a ~ b`, paid, and printed as everywhere in Rollcall."""
    return _paid_text(context, "".join(to_text(from_jinja(part)) for part in parts))


@pass_context
def _join(context: Context, items: Iterable[Any], d: str = "") -> str:
    texts = [to_text(from_jinja(item)) for item in items]
    _check_length(sum(map(len, texts)) + len(d) * len(texts))
    return _paid_text(context, d.join(texts))


@pass_context
def _replace(context: Context, s: Any, old: str, new: str) -> str:
    text = to_text(from_jinja(s))
    _check_length(len(text) + text.count(old) * len(new))
    return _paid_text(context, text.replace(old, new))


def _round(value: float, precision: int = 0) -> float:
    return round(float(value), max(-15, min(precision, 15)))


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    """What an output prints: as PHP prints it, so that an empty value is empty and not None."""
    return _paid_text(context, to_text(from_jinja(value)))


def _paid_text(context: Context, text: str) -> str:
    budget = _budget(context)
    budget.take_text(len(text))
    return text


def from_jinja(value: Any) -> Value:
    """A Python value of a template as PHP's: undefined is null, lists and mappings are arrays.

    Raises: RowFailed for anything else.
    """
    if value is None or isinstance(value, Undefined):
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return float(value)
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        mapping = cast("dict[Any, Any]", value)
        return PhpArray((str(key), from_jinja(item)) for key, item in mapping.items())
    if isinstance(value, Iterable):
        return array_of([from_jinja(item) for item in cast("Iterable[Any]", value)])
    raise RowFailed("an expression gives something that is neither text, number nor list")


# Jinja2's own tables are untyped.
_JINJA_FILTERS = cast("dict[str, Any]", jinja2.filters.FILTERS)  # pyright: ignore[reportUnknownMemberType]
_JINJA_TESTS = cast("dict[str, Any]", jinja2.tests.TESTS)  # pyright: ignore[reportUnknownMemberType]
FILTERS: Final[dict[str, Any]] = {
    **{name: _JINJA_FILTERS[name] for name in _KNOWN_FILTERS},
    "join": _join,
    "replace": _replace,
    "round": _round,
}
TESTS: Final[dict[str, Any]] = dict(_JINJA_TESTS)
GLOBALS: Final[dict[str, Any]] = {"range": _range, "namespace": jinja2.utils.Namespace}


@functools.cache
def sandbox() -> Sandbox:
    """The one environment of expressions."""
    environment = Sandbox(autoescape=False, finalize=_finalize, keep_trailing_newline=True, cache_size=0)
    environment.filters = {**FILTERS, _COUNTED: _counted, _JOINED: _joined}
    environment.tests = dict(TESTS)
    environment.globals = dict(GLOBALS)
    return environment


def count_loops(template: nodes.Template) -> nodes.Template:
    """The template with every loop and every `~` paid from the budget."""
    for loop in template.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
    for parent in [template, *template.find_all(nodes.Node)]:
        _replace_concats(parent)
    template.set_environment(sandbox())
    return template


def _replace_concats(parent: nodes.Node) -> None:
    for name, value in list(parent.iter_fields()):
        if isinstance(value, nodes.Concat):
            setattr(parent, name, _joined_node(value))
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            setattr(parent, name, [_joined_node(item) if isinstance(item, nodes.Concat) else item for item in items])


def _joined_node(node: nodes.Concat) -> nodes.Filter:
    return nodes.Filter(nodes.List(node.nodes, lineno=node.lineno), _JOINED, [], [], None, None, lineno=node.lineno)
