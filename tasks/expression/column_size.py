"""How large a snippet becomes as polars expression: variables stand in it by value, so few lines can mean millions."""

from collections.abc import Sequence
from typing import Final

from tasks.expression import tree
from tasks.expression.analyse import walk
from tasks.expression.column_functions import NotColumns

MOST_NODES: Final = 400
"""Larger expressions take polars longer to plan than the rows would take."""
MOST_GROWTH: Final = 64
"""How many times longer str_replace may make a text; the budget of rows cannot watch columns."""


def check_size(body: tree.Block) -> None:
    """Raises: NotColumns for a snippet that would be too large, or makes too long texts, as columns."""
    _weigh_block(body, {})
    growth = 1
    for node in walk(body):
        if isinstance(node, tree.Call) and node.name == "str_replace":
            growth *= _growth(node)
    if growth > MOST_GROWTH:
        raise NotColumns("its texts may grow without bound")


def _weigh_block(body: Sequence[tree.Statement], weights: dict[str, int]) -> None:
    """Follows the assignments in order; `weights` are the nodes that stand behind each variable."""
    for statement in body:
        match statement:
            case tree.Evaluate(value=tree.Assign(target=tree.Variable(name=name), operator=operator, value=value)):
                weights[name] = _weigh(value, weights) + (weights.get(name, 0) if operator else 0)
            case tree.Return() | tree.Evaluate():
                _weigh(statement.value, weights)
            case tree.If():
                _weigh_if(statement, weights)
            case _:
                pass


def _weigh_if(node: tree.If, weights: dict[str, int]) -> None:
    conditions = sum(_weigh(condition, weights) for condition, _ in node.branches)
    before = dict(weights)
    for body in (*(body for _, body in node.branches), node.otherwise):
        branch = dict(before)
        _weigh_block(body, branch)
        for name in branch.keys() - {name for name in before if before[name] == branch[name]}:
            weights[name] = weights.get(name, 0) + branch[name] + conditions


def _weigh(value: tree.Expr, weights: dict[str, int]) -> int:
    weight = sum(weights.get(n.name, 1) if isinstance(n, tree.Variable) else 1 for n in walk(value))
    if weight > MOST_NODES:
        raise NotColumns("it is too long")
    return weight


def _growth(node: tree.Call) -> int:
    """The largest factor by which constant replacements make a text longer."""
    old, new = (_texts(argument) for argument in node.arguments[:2])
    new = new * len(old) if len(new) == 1 else new
    factors = [-(-len(with_) // max(len(text), 1)) for text, with_ in zip(old, new, strict=False)]
    feeds = any(text in with_ for n, with_ in enumerate(new) for text in old[n + 1 :] if text)
    product = 1
    for factor in factors:
        product = product * max(factor, 1) if feeds else max(product, factor)
    return product


def _texts(node: tree.Expr) -> list[str]:
    constants = [value for _, value in node.items] if isinstance(node, tree.ArrayLiteral) else [node]
    return [c.value for c in constants if isinstance(c, tree.Constant) and isinstance(c.value, str)]
