"""Short names for the pieces of Python's syntax tree that the slow way is written in."""

import ast


def constant(value: bool | int | float | str | None) -> ast.expr:
    return ast.Constant(value)


def load(name: str) -> ast.expr:
    return ast.Name(name, ast.Load())


def store(name: str) -> ast.Name:
    return ast.Name(name, ast.Store())


def call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(load(function), list(arguments), [])


def keep_as(name: str, value: ast.expr) -> ast.expr:
    """`(name := value)`"""
    return ast.NamedExpr(store(name), value)


def last_of(*values: ast.expr) -> ast.expr:
    """All values one after the other; the last is the result."""
    return ast.Subscript(ast.Tuple(list(values), ast.Load()), constant(-1), ast.Load())


def is_null(value: ast.expr, *, negated: bool = False) -> ast.expr:
    return ast.Compare(value, [ast.IsNot() if negated else ast.Is()], [constant(None)])
