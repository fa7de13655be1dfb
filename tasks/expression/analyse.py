"""What a snippet reads and changes, known before row one (decisions 13, 14 and 28 rest on it)."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, cast

from tasks.expression import tree
from tasks.expression.functions import functions

_IN_PLACE_ONLY_READS = frozenset({"end", "reset"})


@dataclass(frozen=True)
class Facts:
    """`reads` is None where the row is used as a whole; `changes` are the variables changed in place."""

    reads: frozenset[str] | None
    changes: frozenset[str]
    returns: bool


def analyse(body: tree.Block) -> Facts:
    """The facts of one snippet."""
    nodes = list(walk(body))
    whole = any(node == tree.Variable("row") for node in nodes)
    cells = frozenset(node.name for node in nodes if isinstance(node, tree.Cell))
    changes = frozenset(_changed(nodes))
    return Facts(None if whole else cells, changes, any(isinstance(node, tree.Return) for node in nodes))


def writes_row(body: tree.Block) -> bool:
    """Whether the snippet ever assigns to `$row` or changes it."""
    nodes = list(walk(body))
    return "row" in {*_changed(nodes), *_assigned(nodes)}


def walk(node: Any) -> Iterator[Any]:
    """Every node below, itself included."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(cast("tuple[Any, ...]", current))
        elif is_dataclass(current):
            yield current
            stack.extend(getattr(current, field.name) for field in fields(current))


def assigned(body: tree.Block) -> list[str]:
    """Every variable that occurs, in a stable order."""
    return sorted({node.name for node in walk(body) if isinstance(node, tree.Variable)})


def _changed(nodes: list[Any]) -> Iterator[str]:
    """Variables whose array is changed in place: by an item, or by a function that takes a reference."""
    for node in nodes:
        if isinstance(node, tree.Call):
            function = functions()[node.name]
            for position, argument in enumerate(node.arguments):
                changing = function.parameter(position).by_reference and node.name not in _IN_PLACE_ONLY_READS
                if changing and isinstance(argument, tree.Variable):
                    yield argument.name
        for target in _targets(node):
            if isinstance(target, tree.Index):
                yield _root(target)


def _assigned(nodes: list[Any]) -> Iterator[str]:
    for node in nodes:
        for target in _targets(node):
            if isinstance(target, tree.Variable):
                yield target.name


def _targets(node: Any) -> Iterator[tree.Target]:
    found: list[tree.Target] = []
    if isinstance(node, tree.Assign | tree.Increment):
        found.append(node.target)
    elif isinstance(node, tree.Foreach):
        found += [node.value] if node.key is None else [node.key, node.value]
    elif isinstance(node, tree.Unset):
        found += node.targets
    while found:
        target = found.pop()
        if isinstance(target, tree.ListTarget):
            found += [inner for _, inner in target.items]
        else:
            yield target


def _root(target: tree.Expr) -> str:
    while isinstance(target, tree.Index):
        target = target.base
    return target.name if isinstance(target, tree.Variable) else ""
