"""Reading tree-sitter's tree, and reporting what a snippet may not hold, each at its place."""

import difflib
from collections.abc import Iterable
from typing import Final

import tree_sitter

from tasks.errors import Problem
from tasks.expression.errors import excerpt

NOTE: Final = "(checked before the first row)"
NESTING: Final = 100
FORBIDDEN: Final = {
    "shell_command_expression": "backticks run programs; a snippet cannot",
    "include_expression": "files cannot be included",
    "include_once_expression": "files cannot be included",
    "require_expression": "files cannot be included",
    "require_once_expression": "files cannot be included",
    "object_creation_expression": "objects cannot be made",
    "member_access_expression": "there are no objects, so nothing has members",
    "member_call_expression": "there are no objects, so nothing has methods",
    "nullsafe_member_access_expression": "there are no objects, so nothing has members",
    "nullsafe_member_call_expression": "there are no objects, so nothing has methods",
    "class_constant_access_expression": "there are no classes",
    "scoped_call_expression": "there are no classes",
    "scoped_property_access_expression": "there are no classes",
    "function_definition": "functions cannot be defined",
    "class_declaration": "classes cannot be defined",
    "arrow_function": "functions cannot be defined; a callback is the name of a function, as in array_map('trim', $x)",
    "anonymous_function": "functions cannot be defined; a callback is the name of a function, as in "
    "array_map('trim', $x)",
    "dynamic_variable_name": "variable variables ($$x, ${x}) are not available; write {$x} within a string",
    "global_declaration": "there are no global variables",
    "function_static_declaration": "there are no static variables",
    "echo_statement": "nothing is printed; use return",
    "print_intrinsic": "nothing is printed; use return",
    "exit_statement": "a snippet cannot end the run; use return",
    "by_ref": "references (&) are not available",
    "reference_assignment_expression": "references (&) are not available",
    "variadic_unpacking": "spreading with ... is not available; use array_merge()",
    "throw_expression": "exceptions are not available",
    "try_statement": "exceptions are not available",
    "goto_statement": "goto is not available",
}


class Unusable(Exception):  # noqa: N818
    """A part was reported; what contains it goes on with the next one."""


class Reporter:
    """Collects every problem of one snippet."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.bytes = source.encode()
        self.problems: list[Problem] = []

    def report(self, node: tree_sitter.Node, message: str) -> Unusable:
        line = node.start_point[0] + 1
        start = self.bytes.rfind(b"\n", 0, node.start_byte) + 1
        column = len(self.bytes[start : node.start_byte].decode(errors="replace")) + 1
        self.problems.append(Problem(message, line, column, excerpt(self.source, line, column)))
        return Unusable()

    def not_available(self, node: tree_sitter.Node) -> Unusable:
        plain = node.type.replace("_", " ")
        return self.report(node, f"{FORBIDDEN.get(node.type, f'{plain} is not available in snippets')} {NOTE}")


def text_of(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode(errors="replace")


def named(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [child for child in node.named_children if child.type != "comment"]


def operator_of(node: tree_sitter.Node) -> str:
    operator = node.child_by_field_name("operator")
    if operator is None:
        operator = next((child for child in node.children if not child.is_named), node)
    return text_of(operator)


def same_operator(found: str, wanted: str) -> bool:
    return {"and": "&&", "or": "||"}.get(found.lower(), found) == wanted


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest constant, "" where none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.75)
    return f"did you mean {found[0]}?" if found else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest function, "" where none is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}()?" if found else ""
