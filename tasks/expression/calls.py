"""What a call may look like, from the signature of its function: counts, references, callbacks, patterns."""

from typing import TypeAlias

import tree_sitter

from tasks.expression import tree
from tasks.expression.functions import Function, functions
from tasks.expression.regexp import PatternError, compile_pattern
from tasks.expression.syntax import NOTE, Reporter, did_you_mean, text_of

Arguments: TypeAlias = tuple[tree.Expr, ...]


def called_function(reporter: Reporter, node: tree_sitter.Node) -> Function:
    """The function of the table that a call names.

    Raises: Unusable, reported.
    """
    called = node.child_by_field_name("function")
    if called is None or called.type != "name":
        raise reporter.report(node, f"functions are called by their name only, not through a variable {NOTE}")
    name = text_of(called).lower()
    function = functions().get(name)
    if function is None:
        raise reporter.report(called, f"the function {name}() is unknown{did_you_mean(name, functions())} {NOTE}")
    return function


def check_call(reporter: Reporter, node: tree_sitter.Node, function: Function, arguments: Arguments) -> None:
    """Raises: Unusable, reported, for a call that cannot work."""
    _check_count(reporter, node, function, len(arguments))
    _check_references(reporter, node, function, arguments)
    _check_literals(reporter, node, function, arguments)


def _check_count(reporter: Reporter, node: tree_sitter.Node, function: Function, given: int) -> None:
    if given < function.fewest or (function.most is not None and given > function.most):
        raise reporter.report(node, f"{given} argument{'s' * (given != 1)}, expected {function.signature} {NOTE}")


def _check_references(reporter: Reporter, node: tree_sitter.Node, function: Function, arguments: Arguments) -> None:
    for position, argument in enumerate(arguments):
        by_reference = function.parameter(position).by_reference
        if by_reference and function.name not in ("end", "reset") and not isinstance(argument, tree.Variable):
            raise reporter.report(
                node, f"{function.name}() changes its argument {position + 1}: give a variable {NOTE}"
            )


def _check_literals(reporter: Reporter, node: tree_sitter.Node, function: Function, arguments: Arguments) -> None:
    for position, argument in enumerate(arguments):
        parameter = function.parameter(position)
        value = argument.value if isinstance(argument, tree.Constant) else None
        if "callable" in parameter.type:
            _check_callback(reporter, node, value)
        if parameter.name == "pattern" and isinstance(value, str):
            try:
                compile_pattern(value)
            except PatternError as error:
                raise reporter.report(node, f"{function.name}(): {error} {NOTE}") from None


def _check_callback(reporter: Reporter, node: tree_sitter.Node, name: object) -> None:
    function = functions().get(name.lower()) if isinstance(name, str) else None
    if (
        function is None
        or function.fewest > 1
        or any(p.by_reference or "callable" in p.type for p in function.parameters)
    ):
        hint = did_you_mean(name, functions()) if isinstance(name, str) else ""
        raise reporter.report(node, f"a callback is the name of a function of one argument, as 'trim'{hint} {NOTE}")
