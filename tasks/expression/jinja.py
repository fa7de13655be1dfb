"""A Jinja2 expression (`givenname ~ " " ~ surname`) or template (`{{ givenname }} {{ surname | upper }}`).

Cells are text, empty ones "", so that `{{ surname | upper }}` never prints None. `row` holds all of them.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import jinja2
import jinja2.parser
import polars as pl
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError

from tasks.errors import Problem
from tasks.expression.budget import Budget
from tasks.expression.errors import ExpressionError, RowError, RowFailed, excerpt
from tasks.expression.jinja_sandbox import (
    BUDGET,
    FILTERS,
    FORBIDDEN_NODES,
    GLOBALS,
    TESTS,
    count_loops,
    from_jinja,
    sandbox,
)
from tasks.expression.outcome import run_rows
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.progress import counted

_RESULT: Final = "_result"
_LONGEST: Final = 20_000
_ROWS_AT_ONCE: Final = 50_000
_BRACES: Final = re.compile(r"\{\{|\{%|\{#")


class _Cells(dict[str, str]):
    """`row` in a template; a name is looked up by rule 6.1."""

    def __init__(self, cells: Iterator[tuple[str, str]], names: Names) -> None:
        super().__init__(cells)
        self._names = names

    def __missing__(self, name: str) -> str:
        found = self._names.find(name)
        if found is None:
            raise KeyError(name)
        return self[found]


@dataclass(frozen=True)
class JinjaExpression:
    """One compiled template.

    `names` are the plain names it uses, `reads` those and what it takes from `row`, None where that can be anything.
    `parts` are its text and names, where it has nothing else and can run as columns.
    """

    template: jinja2.Template
    is_template: bool
    names: frozenset[str]
    reads: frozenset[str] | None
    parts: tuple[tuple[bool, str], ...] | None

    @property
    def why_rows(self) -> str:
        plain = self.parts is not None or self.reads == frozenset()
        return "" if plain else "it is more than text and names"

    def printed(self, names: Names) -> pl.Expr | None:
        """The values as one column, where the template is text and names only."""
        if self.parts is None:
            return None
        return pl.concat_str([_part(names, *part) for part in self.parts] or [pl.lit("")])

    def truth(self, names: Names) -> pl.Expr | None:
        """PHP's truthiness of the values."""
        text = self.printed(names)
        return None if text is None else (text != "") & (text != "0")

    def rows(self, frame: pl.DataFrame, names: Names) -> tuple[list[Any], list[RowError]]:
        """A value or an error for each row."""
        budget = Budget()
        return run_rows(self._run(budget), counted(self._arguments(frame, names), "rows", frame.height), budget)

    def _run(self, budget: Budget) -> Callable[[dict[str, Any]], Any]:
        def run(cells: dict[str, Any]) -> Any:
            try:
                context = self.template.new_context({**cells, BUDGET: budget})
                text = "".join(self.template.root_render_func(context))
                return text if self.is_template else from_jinja(context.vars[_RESULT])
            except RowFailed:
                raise
            except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
                raise RowFailed(_reason(error)) from None

        return run

    def _arguments(self, frame: pl.DataFrame, names: Names) -> Iterator[tuple[dict[str, Any]]]:
        header = [name for name in frame.columns if name not in (ROW, LINE)]
        found = {name: column for name in self.reads or self.names if (column := names.find(name)) in header}
        columns = header if self.reads is None else sorted({column for column in found.values() if column})
        if not columns:
            yield from (({},) for _ in range(frame.height))
            return
        for part in frame.select(columns).iter_slices(_ROWS_AT_ONCE):
            for cells in zip(*(part[name].to_list() for name in columns), strict=True):
                row = _Cells(zip(columns, cells, strict=True), names)
                yield ({"row": row, **{name: row[name] for name in self.names if name in found}},)


def _part(names: Names, is_name: bool, text: str) -> pl.Expr:
    if not is_name:
        return pl.lit(text)
    found = names.find(text)
    return pl.lit("") if found is None else pl.col(found)


def _reason(error: Exception) -> str:
    """Why a template failed, without the words of the exception: they may hold a cell."""
    reasons: dict[type[Exception], str] = {
        jinja2.UndefinedError: "a name or an item that it uses does not exist",
        SecurityError: "it uses something that is not allowed",
        ZeroDivisionError: "division by zero",
        TypeError: "an operator or a filter does not fit the type of its value",
        ValueError: "a value cannot be converted",
    }
    found = next((text for kind, text in reasons.items() if isinstance(error, kind)), type(error).__name__)
    return f"the template failed: {found}"


def compile_jinja(source: str, name: str) -> JinjaExpression:
    """A Jinja2 expression or template as something that runs.

    Raises: ExpressionError with all reasons.
    """
    is_template = _BRACES.search(source) is not None
    if len(source) > _LONGEST:
        raise ExpressionError(name, [Problem(f"the template is longer than {_LONGEST:,} characters", 1, 1)])
    try:
        tree = sandbox().parse(source) if is_template else _expression_tree(source)
    except jinja2.TemplateSyntaxError as error:
        raise ExpressionError(name, [_problem(source, error.lineno, str(error.message), "")]) from None
    except RecursionError:
        raise ExpressionError(name, [Problem("the template is nested too deeply", 1, 1)]) from None
    if problems := list(_problems(source, tree)):
        raise ExpressionError(name, problems)
    names = meta.find_undeclared_variables(tree) - GLOBALS.keys()
    reads = _reads(tree, names)
    parts = _plain_parts(tree) if is_template else None
    try:
        code = sandbox().compile(count_loops(tree))
    except (RecursionError, jinja2.TemplateError) as error:
        raise ExpressionError(name, [Problem(f"the template cannot be compiled: {type(error).__name__}", 1)]) from None
    template = jinja2.Template.from_code(sandbox(), code, dict(GLOBALS))
    return JinjaExpression(template, is_template, frozenset(names - {"row"}), reads, parts)


def is_expression(source: str) -> bool:
    """Whether the text is one Jinja2 expression."""
    try:
        _expression_tree(source)
    except jinja2.TemplateSyntaxError:
        return False
    return True


def _expression_tree(source: str) -> nodes.Template:
    """The expression as a template that keeps its value."""
    parser = jinja2.parser.Parser(sandbox(), source, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise jinja2.TemplateSyntaxError("one expression ends and another begins", parser.stream.current.lineno)
    assignment = nodes.Assign(nodes.Name(_RESULT, "store", lineno=1), expression, lineno=1)
    template = nodes.Template([assignment], lineno=1)
    template.set_environment(sandbox())
    return template


def _problems(source: str, tree: nodes.Template) -> Iterator[Problem]:
    for node in tree.find_all(tuple(FORBIDDEN_NODES)):
        tag = FORBIDDEN_NODES[type(node)]
        yield _problem(source, node.lineno, f"{{% {tag} %}} is not available", tag)
    for node in tree.find_all(nodes.For):
        if node.recursive:
            yield _problem(source, node.lineno, "recursive loops are not available", "recursive")
    for node in tree.find_all(nodes.Filter):
        if node.name not in FILTERS:
            yield _unknown(source, node, "filter", FILTERS)
    for node in tree.find_all(nodes.Test):
        if node.name not in TESTS:
            yield _unknown(source, node, "test", TESTS)
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        word = _accessed(node)
        if word.startswith("_") and word != _RESULT:
            yield _problem(source, node.lineno, f"names that begin with _ are not available: {word}", word)


def _accessed(node: nodes.Node) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    if isinstance(node, nodes.Name):
        return node.name
    key = node.arg if isinstance(node, nodes.Getitem) else None
    return str(key.value) if isinstance(key, nodes.Const) else ""


def _unknown(source: str, node: "nodes.Filter | nodes.Test", what: str, known: Iterable[str]) -> Problem:
    near = difflib.get_close_matches(node.name, [name for name in known if name[0].isalpha()], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return _problem(
        source, node.lineno, f"the {what} {node.name} is unknown{hint} (checked before the first row)", node.name
    )


def _problem(source: str, line: int, message: str, word: str) -> Problem:
    lines = source.splitlines() or [""]
    text = lines[min(line, len(lines)) - 1]
    found = re.search(rf"\b{re.escape(word)}\b", text) if word else None
    column = found.start() + 1 if found else 1
    return Problem(message, line, column, excerpt(source, line, column))


def _reads(tree: nodes.Template, names: set[str]) -> frozenset[str] | None:
    """The columns by name; `row` counts with what is taken from it, as a whole it may be any."""
    if "row" not in names:
        return frozenset(names)
    taken: list[nodes.Getitem | nodes.Getattr] = [n for n in tree.find_all(nodes.Getitem) if _is_row(n.node)]
    taken += [n for n in tree.find_all(nodes.Getattr) if _is_row(n.node)]
    whole = sum(1 for node in tree.find_all(nodes.Name) if _is_row(node)) > len(taken)
    keys = [_accessed(node) for node in taken]
    methods = any(isinstance(node, nodes.Getattr) and node.attr in dir(dict) for node in taken)
    return None if whole or methods or "" in keys else frozenset({*(names - {"row"}), *keys})


def _is_row(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "row"


def _plain_parts(tree: nodes.Template) -> tuple[tuple[bool, str], ...] | None:
    """Text and names of a template that has nothing else."""
    parts: list[tuple[bool, str]] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                parts.append((False, node.data))
            elif isinstance(node, nodes.Name) and node.name != "row":
                parts.append((True, node.name))
            else:
                return None
    return tuple(parts)
