"""What a Jinja expression reads, and whether a Structure has all that it asks for, before the first row."""

from collections.abc import Iterable
from typing import Final, cast

from jinja2 import TemplateSyntaxError, nodes

from tasks.modules import nearest
from tasks.rendering.sandbox import ENVIRONMENT, FILTERS, LOOP_FACTS, METHODS, TESTS, ExpressionError

_EXPRESSIONS: Final = (
    nodes.Name,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.CondExpr,
    nodes.Filter,
    nodes.Test,
    nodes.Call,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.BinExpr,
    nodes.UnaryExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
)


def names_of_expression(source: str) -> frozenset[str]:
    """The names that an expression reads. Raises: ExpressionError."""
    return _names(_parsed(f"{{{{ ({source}\n) }}}}").find_all(nodes.Expr))


def names_of_loop(header: str) -> tuple[frozenset[str], frozenset[str]]:
    """What `{% for header %}` sets, and what it reads. Raises: ExpressionError."""
    loop = _parsed(f"{{% for {header} %}}{{% endfor %}}").find(nodes.For)
    if loop is None or loop.recursive:
        raise ExpressionError("a loop in a Structure cannot be recursive")
    targets = _targets(loop.target)
    tested = [loop.test] if loop.test else []
    names = _names(node for part in [loop.iter, *tested] for node in _with_itself(part))
    return targets, names - (targets if loop.test and not _uses(loop.iter, targets) else frozenset())


def names_of_assignment(header: str) -> tuple[frozenset[str], frozenset[str]]:
    """What `{% set header %}` sets, and what it reads. Raises: ExpressionError."""
    if "=" not in header:
        raise ExpressionError("{% set %} needs a value: {% set x = phone %}")
    assignment = _parsed(f"{{% set {header} %}}").find(nodes.Assign)
    if assignment is None:
        raise ExpressionError("{% set %} needs a value: {% set x = phone %}")
    return _targets(assignment.target), _names(_with_itself(assignment.node))


def _parsed(source: str) -> nodes.Template:
    try:
        return ENVIRONMENT.parse(source)
    except TemplateSyntaxError as error:
        text = error.message or "it cannot be read"
        hint = "; a name with a space in it is written {{[first name]}}" if "got" in text else ""
        raise ExpressionError(f"this is no Jinja expression: {text}{hint}") from None
    except (RecursionError, ValueError):
        raise ExpressionError("this expression is nested too deeply, or holds too large a number") from None


def _with_itself(node: nodes.Node) -> Iterable[nodes.Node]:
    return [node, *node.find_all(nodes.Expr)]


def _targets(target: nodes.Node) -> frozenset[str]:
    found = [node for node in _with_itself(target) if not isinstance(node, nodes.Tuple)]
    if not all(isinstance(node, nodes.Name) for node in found):
        raise ExpressionError("only plain names can be set")
    return frozenset(cast("nodes.Name", node).name for node in found)


def _uses(expression: nodes.Node, names: frozenset[str]) -> bool:
    return any(isinstance(node, nodes.Name) and node.name in names for node in _with_itself(expression))


def _names(expressions: Iterable[nodes.Node]) -> frozenset[str]:
    names: set[str] = set()
    called: set[int] = set()
    for node in expressions:
        if not isinstance(node, _EXPRESSIONS):
            raise ExpressionError(f"{type(node).__name__} is not available in a Structure")
        if isinstance(node, nodes.Name):
            names.add(node.name)
        elif isinstance(node, nodes.Call):
            _check_call(node)
            called.add(id(node.node))
        elif isinstance(node, (nodes.Filter, nodes.Test)):
            _check_known(node)
        elif isinstance(node, nodes.Getattr) and id(node) not in called and node.attr not in LOOP_FACTS:
            raise ExpressionError(f".{node.attr} is not available: a value here is a text or a list")
        elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            raise ExpressionError(f"[{node.arg.value[:40]!r}] is not available: a value here is a text or a list")
        elif isinstance(node, nodes.Pow):
            raise ExpressionError("the operator ** is not available in a Structure")
    return frozenset(names - {"loop"})


def _check_call(node: nodes.Call) -> None:
    if isinstance(node.node, nodes.Name):
        raise ExpressionError(f"the function {node.node.name}() does not exist in a Structure")
    if not isinstance(node.node, nodes.Getattr) or node.node.attr not in METHODS:
        name = node.node.attr if isinstance(node.node, nodes.Getattr) else "this"
        near = nearest(name, METHODS)
        raise ExpressionError(f"{name}() cannot be called{f'; did you mean {near}()?' if near else ''}")


def _check_known(node: nodes.Filter | nodes.Test) -> None:
    kind, known = ("filter", FILTERS) if isinstance(node, nodes.Filter) else ("test", TESTS)
    if node.name not in known:
        near = nearest(node.name, known)
        raise ExpressionError(f"the {kind} {node.name} does not exist{f'; did you mean {near}?' if near else ''}")
