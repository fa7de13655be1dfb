"""The one Jinja2 environment of Structures: no globals, a list of filters and methods, a budget for every row.

Jinja's own sandbox keeps a template away from Python's insides, but not from the processor or the memory. Here every
loop, filter, operator and method call is paid for by its size, so that no expression runs longer than a moment.
What can be known to be wrong before row one is said before row one.

Source: jinja.palletsprojects.com/en/stable/sandbox ("the sandbox alone is not a solution for perfect security").
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from jinja2 import Environment, TemplateSyntaxError, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_TEXT: Final = 100_000
MAX_NUMBER: Final = 10**30
BUDGET: Final = 500_000
"""Characters and list items that one row's expressions may touch."""

FILTERS: Final = (
    *("capitalize", "lower", "title", "trim", "truncate", "upper", "replace", "string", "wordcount"),
    *("abs", "float", "int", "max", "min", "round", "sum"),
    *("count", "first", "join", "last", "length", "list", "reject", "reverse", "select", "sort", "unique"),
    *("d", "default"),
)
TESTS: Final = (
    *("defined", "undefined", "none", "string", "number", "integer", "float", "boolean", "true", "false"),
    *("even", "odd", "divisibleby", "in", "eq", "equalto", "ne", "lt", "le", "gt", "ge", "lower", "upper", "sequence"),
)
METHODS: Final = frozenset(
    (
        *("capitalize", "casefold", "lower", "swapcase", "title", "upper", "strip", "lstrip", "rstrip", "replace"),
        *("removeprefix", "removesuffix", "partition", "rpartition", "split", "rsplit", "splitlines"),
        *("count", "find", "startswith", "endswith", "isalnum", "isalpha", "isdigit", "islower", "isupper"),
    )
)
LOOP_FACTS: Final = frozenset(["index", "index0", "revindex", "revindex0", "first", "last", "length"])


class ExpressionError(ValueError):
    """An expression that no row could run."""


class RefusedError(SecurityError):
    """An expression asked for what a Structure does not have; the text holds no cell."""


class BudgetError(RefusedError):
    """An expression did more work than one row may cost."""


class RowContext(Context):
    """The state of one row: the values printed so far, the work that is left."""

    def __init__(self, environment: Environment, values: Mapping[str, Any]) -> None:
        super().__init__(environment, cast("dict[str, Any]", values), None, {})
        self.printed: list[Any] = []
        self.budget = BUDGET

    def spend(self, value: object) -> None:
        """Pays for a text, a list or a number by its size."""
        size = _size(value)
        self.budget -= size + 1
        if size > MAX_TEXT or self.budget < 0:
            raise BudgetError("an expression does too much work or makes too long a text")


class StructureEnvironment(SandboxedEnvironment):
    """Jinja2's sandbox, with budgets."""

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    context_class = RowContext

    def __init__(self) -> None:
        super().__init__(optimized=False, autoescape=False, finalize=_print)
        self.globals = {}
        self.filters = {name: self._paid(name, self.filters[name]) for name in FILTERS}
        self.filters |= {"handlebars_each": _each, "handlebars_walk": _walk, "handlebars_concat": _concat}

    def compile_row(self, source: str) -> Callable[[Context], Iterable[str]]:
        """The function that prints a template for one row. Raises: ExpressionError."""
        try:
            tree = _Paying().visit(self.parse(source))
            return self.template_class.from_code(self, self.compile(tree), {}).root_render_func
        except (SyntaxError, RecursionError, MemoryError, TemplateSyntaxError) as error:
            raise ExpressionError(f"Jinja cannot compile this Structure: {error}") from None

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Text methods and what a loop knows of itself; nothing else has attributes here."""
        return attr in METHODS if isinstance(obj, str) else isinstance(obj, LoopContext) and attr in LOOP_FACTS

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item; never an attribute, as Jinja would try next."""
        try:
            return obj[argument]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator, paid for; refused where its result could be huge."""
        row = cast("RowContext", context)
        numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
        if operator == "**" or not (numbers or (operator == "+" and type(left) is type(right))):
            raise RefusedError(f"the operator {operator} works on numbers only, and ** not at all; join texts with ~")
        if numbers and (abs(left) > MAX_NUMBER or abs(right) > MAX_NUMBER):
            raise BudgetError("a number is too large")
        row.spend(left)
        row.spend(right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] Jinja mangles its parameter names
        """A text method, paid for."""
        row = cast("RowContext", context)
        owner = getattr(obj, "__self__", None)
        if not isinstance(owner, str):
            raise RefusedError("only methods of texts can be called")
        row.spend(owner)
        if getattr(obj, "__name__", "") == "replace":
            _check_replace(owner, *args)
        result = super().call(context, obj, *args, **kwargs)
        row.spend(result)
        return result

    def _paid(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        wants = getattr(getattr(function, "jinja_pass_arg", None), "name", "")

        @pass_context
        def paid(context: RowContext, value: Any, *args: Any, **kwargs: Any) -> Any:
            context.spend(value)
            for argument in args:
                context.spend(argument)
            if name == "replace":
                _check_replace(str(value), *args)
            if name == "join" and args and hasattr(value, "__len__"):
                context.spend(range(len(value) * len(str(args[0]))))
            passed = {"context": context, "eval_context": context.eval_ctx, "environment": self}.get(wants)
            result = function(*([passed] if passed else []), value, *args, **kwargs)
            result = list(result) if hasattr(result, "__next__") else result
            context.spend(result)
            return result

        return paid


class _Paying(NodeTransformer):
    """Makes loops and `~` pay for their work too."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - Jinja's visitor names it
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "handlebars_walk", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - Jinja's visitor names it
        self.generic_visit(node)
        parts = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(parts, "handlebars_concat", [], [], None, None, lineno=node.lineno)


@pass_context
def _print(context: RowContext, value: Any) -> str:
    """Keeps what a placeholder prints apart from the text around it: nothing in it can be taken for the Structure."""
    context.printed.append(value)
    return ""


@pass_context
def _walk(context: RowContext, value: Any) -> list[Any]:
    if isinstance(value, Undefined) or value is None:
        return []
    items = list(value)
    for item in items:
        context.spend(item)
    context.spend(items)
    return items


@pass_context
def _each(context: RowContext, value: Any) -> list[Any]:
    """What `{{#each}}` walks: a list, or the one text that is not empty."""
    if isinstance(value, (list, tuple)):
        return cast("list[Any]", value)
    return [value] if value else []


@pass_context
def _concat(context: RowContext, parts: list[Any]) -> str:
    for part in parts:
        context.spend(part)
    text = "".join("" if part is None else str(part) for part in parts)
    context.spend(text)
    return text


def _check_replace(text: str, old: object = "", new: object = "", *_: object) -> None:
    if (text.count(str(old)) * len(str(new))) > MAX_TEXT:
        raise BudgetError("replace makes too long a text")


def _size(value: object) -> int:
    if isinstance(value, (str, list, tuple, dict, range)):
        return len(cast("list[Any]", value))
    return 0


ENVIRONMENT: Final = StructureEnvironment()
