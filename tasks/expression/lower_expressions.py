"""Expressions of tree-sitter's tree as ours; what has no rule here is a problem, never a guess."""

from collections.abc import Callable
from typing import Final

import tree_sitter

from tasks.expression import tree
from tasks.expression.calls import called_function, check_call
from tasks.expression.functions import CONSTANTS
from tasks.expression.literals import double_quoted, float_literal, heredoc_parts, integer_literal, single_quoted
from tasks.expression.syntax import (
    FORBIDDEN,
    NOTE,
    Reporter,
    Unusable,
    named,
    nearest,
    operator_of,
    same_operator,
    text_of,
)

NESTING: Final = 60
_SUPERGLOBALS: Final = {
    "GLOBALS",
    "_SERVER",
    "_GET",
    "_POST",
    "_FILES",
    "_COOKIE",
    "_SESSION",
    "_REQUEST",
    "_ENV",
    "this",
}
_ARITHMETIC: Final = {"+", "-", "*", "/", "%", "**", "&", "|", "^", "<<", ">>"}
_COMPARISONS: Final = {"==", "!=", "<>", "===", "!==", "<", "<=", ">", ">=", "<=>"}
_CASTS: Final = {
    "int": "int",
    "integer": "int",
    "float": "float",
    "double": "float",
    "string": "string",
    "bool": "bool",
    "boolean": "bool",
    "array": "array",
}
_NULL: Final = tree.Constant(None)


class ExpressionLowering(Reporter):
    """Lowers expressions; `row_changes` says that `$row` is a variable like any other here."""

    def __init__(self, source: str, *, row_changes: bool) -> None:
        super().__init__(source)
        self.row_changes = row_changes
        self.depth = 0

    def expr(self, node: tree_sitter.Node) -> tree.Expr:
        self.depth += 1
        try:
            self.check_depth(node)
            rule = _EXPRESSIONS.get(node.type)
            if rule is None:
                raise self.not_available(node)
            return rule(self, node)
        except Unusable:
            return _NULL
        finally:
            self.depth -= 1

    def check_depth(self, node: tree_sitter.Node) -> None:
        """Raises: Unusable, reported, where the snippet is nested too deeply."""
        if self.depth > NESTING:
            raise self.report(node, f"nested more than {NESTING} levels deep; split it into several steps {NOTE}")

    def field(self, node: tree_sitter.Node, name: str) -> tree.Expr:
        child = node.child_by_field_name(name)
        if child is None:
            raise self.report(node, f"the {name} is missing {NOTE}")
        return self.expr(child)

    def parenthesized(self, node: tree_sitter.Node) -> tree.Expr:
        return self.expr(named(node)[0])

    def variable(self, node: tree_sitter.Node) -> tree.Variable:
        name = text_of(node)[1:]
        if name in _SUPERGLOBALS:
            raise self.report(node, f"${name} is not available; a snippet sees $row and its own variables {NOTE}")
        return tree.Variable(name)

    def integer(self, node: tree_sitter.Node) -> tree.Constant:
        try:
            return tree.Constant(integer_literal(text_of(node)))
        except ValueError:
            raise self.report(node, f"this is not a number {NOTE}") from None

    def name(self, node: tree_sitter.Node) -> tree.Constant:
        word = text_of(node)
        if word not in CONSTANTS:
            hint = nearest(word, CONSTANTS) or f"text stands in quotes: '{word}'"
            raise self.report(node, f"the constant {word} is unknown; {hint} {NOTE}")
        return tree.Constant(CONSTANTS[word])

    def string(self, node: tree_sitter.Node) -> tree.Constant:
        return tree.Constant(single_quoted(text_of(node)))

    def encapsed(self, node: tree_sitter.Node) -> tree.Expr:
        return _joined([self.string_part(child) for child in named(node)])

    def string_part(self, node: tree_sitter.Node) -> tree.Expr:
        if node.type == "string_content":
            return tree.Constant(text_of(node))
        if node.type == "escape_sequence":
            return tree.Constant(double_quoted(text_of(node)))
        if node.type == "subscript_expression":
            return self.subscript(node, within_string=True)
        return self.expr(node)

    def heredoc(self, node: tree_sitter.Node) -> tree.Expr:
        body, end = node.child_by_field_name("value"), node.child_by_field_name("end_tag")
        if body is None or end is None:
            return tree.Constant("")
        parts = heredoc_parts(self.bytes, body, end)
        return _joined([tree.Constant(p) if isinstance(p, str) else self.string_part(p) for p in parts])

    def subscript(self, node: tree_sitter.Node, *, within_string: bool = False) -> tree.Expr:
        parts = named(node)
        base = self.expr(parts[0])
        if len(parts) == 1:
            raise self.report(node, f"[] without a key can only be written to {NOTE}")
        bare = within_string and parts[1].type == "name"
        key = tree.Constant(text_of(parts[1])) if bare else self.expr(parts[1])
        if base == tree.Variable("row") and isinstance(key, tree.Constant) and not self.row_changes:
            return tree.Cell(str(key.value) if isinstance(key.value, int | str) else "")
        return tree.Index(base, key)

    def array(self, node: tree_sitter.Node) -> tree.ArrayLiteral:
        items: list[tuple[tree.Expr | None, tree.Expr]] = []
        for element in named(node):
            parts = named(element)
            values = [self.expr(part) for part in parts]
            items.append((values[0], values[1]) if len(values) == 2 else (None, values[0]))
        return tree.ArrayLiteral(tuple(items))

    def unary(self, node: tree_sitter.Node) -> tree.Expr:
        operator = operator_of(node)
        if operator not in ("!", "-", "+", "~"):
            raise self.not_available(node)
        operand = self.expr(named(node)[-1])
        if operator == "-" and isinstance(operand, tree.Constant) and isinstance(operand.value, int | float):
            return tree.Constant(-operand.value) if not isinstance(operand.value, bool) else tree.Unary("-", operand)
        return tree.Unary(operator, operand)

    def silenced(self, node: tree_sitter.Node) -> tree.Expr:
        return self.expr(named(node)[0])

    def binary(self, node: tree_sitter.Node) -> tree.Expr:
        operator = operator_of(node).lower()
        operator = {"and": "&&", "or": "||", "<>": "!="}.get(operator, operator)
        if operator in (".", "&&", "||"):
            parts = tuple(map(self.expr, self.chain(node, operator)))
            return _joined(list(parts)) if operator == "." else tree.Logical(operator, parts)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            raise self.report(node, f"the operator {operator} needs two values {NOTE}")
        if operator == "**" and left.type in ("unary_op_expression", "cast_expression"):
            return self.sign_before_power(left, right)
        if operator == "??":
            return tree.Coalesce(self.expr(left), self.expr(right))
        if operator not in _ARITHMETIC | _COMPARISONS | {"xor"}:
            raise self.report(node, f"the operator {operator} is not available {NOTE}")
        return tree.Binary(operator, self.expr(left), self.expr(right))

    def chain(self, node: tree_sitter.Node, operator: str) -> list[tree_sitter.Node]:
        """The operands of `a . b . c`, however long the chain is."""
        operands: list[tree_sitter.Node] = []
        while node.type == "binary_expression" and same_operator(operator_of(node), operator):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None or right is None:
                raise self.report(node, f"the operator {operator} needs two values {NOTE}")
            operands.append(right)
            node = left
        return [node, *reversed(operands)]

    def sign_before_power(self, left: tree_sitter.Node, right: tree_sitter.Node) -> tree.Expr:
        """PHP reads -$x ** 2 as -($x ** 2); tree-sitter's grammar does not."""
        power = tree.Binary("**", self.expr(named(left)[-1]), self.expr(right))
        if left.type == "cast_expression":
            return tree.Cast(self.cast_type(left), power)
        return tree.Unary(operator_of(left), power)

    def conditional(self, node: tree_sitter.Node) -> tree.Ternary:
        body = node.child_by_field_name("body")
        then = None if body is None else self.expr(body)
        condition = node.child_by_field_name("condition")
        if (
            condition is not None
            and condition.type == "conditional_expression"
            and (body is not None or condition.child_by_field_name("body") is not None)
        ):
            raise self.report(node, f"nested ? : needs parentheses {NOTE}")
        return tree.Ternary(self.field(node, "condition"), then, self.field(node, "alternative"))

    def cast(self, node: tree_sitter.Node) -> tree.Cast:
        return tree.Cast(self.cast_type(node), self.field(node, "value"))

    def cast_type(self, node: tree_sitter.Node) -> str:
        kind = node.child_by_field_name("type")
        word = "" if kind is None else text_of(kind).strip().lower()
        if word not in _CASTS:
            raise self.report(node, f"the cast ({word}) is not available {NOTE}")
        return _CASTS[word]

    def match_(self, node: tree_sitter.Node) -> tree.Match:
        arms: list[tuple[tuple[tree.Expr, ...], tree.Expr]] = []
        body = node.child_by_field_name("body")
        for arm in named(body) if body is not None else []:
            conditions = arm.child_by_field_name("conditional_expressions")
            tests = () if conditions is None else tuple(map(self.expr, named(conditions)))
            arms.append((tests, self.field(arm, "return_expression")))
        return tree.Match(self.field(node, "condition"), tuple(arms))

    def assignment(self, node: tree_sitter.Node) -> tree.Assign:
        left = node.child_by_field_name("left")
        if left is None or any(child.type == "&" for child in node.children):
            raise self.report(node, f"references (&) are not available {NOTE}")
        return tree.Assign(self.target(left), self.field(node, "right"))

    def augmented(self, node: tree_sitter.Node) -> tree.Assign:
        left = node.child_by_field_name("left")
        if left is None:
            raise self.report(node, f"the target is missing {NOTE}")
        return tree.Assign(self.writable(left), self.field(node, "right"), operator_of(node)[:-1])

    def update(self, node: tree_sitter.Node) -> tree.Increment:
        argument = node.child_by_field_name("argument")
        if argument is None:
            raise self.report(node, f"the variable is missing {NOTE}")
        return tree.Increment(self.writable(argument), operator_of(node), prefix=node.children[0].id != argument.id)

    def target(self, node: tree_sitter.Node) -> tree.Target:
        if node.type not in ("list_literal", "array_creation_expression"):
            return self.writable(node)
        items: list[tuple[tree.Expr, tree.Target]] = []
        position = 0
        parts = iter(node.children)
        pending: list[tree_sitter.Node] = []
        for part in parts:
            if part.type in (",", "]", ")"):
                if pending:
                    key = self.expr(pending[0]) if len(pending) == 2 else tree.Constant(position)
                    items.append((key, self.target(pending[-1])))
                position += 1
                pending = []
            elif part.is_named and part.type != "comment":
                pending += named(part) if part.type == "array_element_initializer" else [part]
        return tree.ListTarget(tuple(items))

    def writable(self, node: tree_sitter.Node) -> "tree.Variable | tree.Index":
        if node.type == "variable_name":
            return self.variable(node)
        if node.type != "subscript_expression":
            raise (
                self.not_available(node)
                if node.type in FORBIDDEN
                else self.report(node, f"only a variable or an item of one can be written to {NOTE}")
            )
        parts = named(node)
        key = self.expr(parts[1]) if len(parts) > 1 else None
        return tree.Index(self.writable(parts[0]), key)

    def call(self, node: tree_sitter.Node) -> tree.Expr:
        called = node.child_by_field_name("function")
        name = "" if called is None or called.type != "name" else text_of(called).lower()
        if name in ("isset", "empty"):
            return self.isset_or_empty(node, name)
        if name == "array":
            return tree.ArrayLiteral(tuple((None, value) for value in self.arguments(node)))
        function = called_function(self, node)
        arguments = self.arguments(node)
        check_call(self, node, function, arguments)
        if name in ("array_key_exists", "key_exists"):
            return self.key_exists(arguments)
        return tree.Call(name, arguments)

    def arguments(self, node: tree_sitter.Node) -> tuple[tree.Expr, ...]:
        listed = node.child_by_field_name("arguments")
        found: list[tree.Expr] = []
        for argument in named(listed) if listed is not None else []:
            if argument.type != "argument" or argument.child_by_field_name("name") is not None:
                raise self.report(argument, f"arguments are given by position, without names and ... {NOTE}")
            found.append(self.expr(named(argument)[0]))
        return tuple(found)

    def isset_or_empty(self, node: tree_sitter.Node, name: str) -> tree.Expr:
        arguments = self.arguments(node)
        if not arguments or (name == "empty" and len(arguments) > 1):
            raise self.report(node, f"{name}() has the wrong number of arguments {NOTE}")
        if name == "empty":
            return tree.Empty(*arguments)
        if any(not isinstance(a, tree.Variable | tree.Index | tree.Cell) for a in arguments):
            raise self.report(node, f"isset() takes variables and their items only; compare with null instead {NOTE}")
        return tree.IsSet(arguments)

    def key_exists(self, arguments: tuple[tree.Expr, ...]) -> tree.Expr:
        key, array = arguments
        name = _text_of_constant(key)
        if array == tree.Variable("row") and not self.row_changes and name is not None:
            return tree.IsSet((tree.Cell(name),))
        return tree.Call("array_key_exists", arguments)


def _joined(parts: list[tree.Expr]) -> tree.Expr:
    """Parts of a string with neighbouring constants made one."""
    merged: list[tree.Expr] = []
    for part in parts:
        before, text = _text_of_constant(merged[-1]) if merged else None, _text_of_constant(part)
        if before is not None and text is not None:
            merged[-1] = tree.Constant(before + text)
        else:
            merged.append(part)
    if not merged:
        return tree.Constant("")
    only_text = len(merged) == 1 and _text_of_constant(merged[0]) is not None
    return merged[0] if only_text else tree.Concat(tuple(merged))


def _text_of_constant(node: tree.Expr) -> str | None:
    return node.value if isinstance(node, tree.Constant) and isinstance(node.value, str) else None


_EXPRESSIONS: Final[dict[str, Callable[[ExpressionLowering, tree_sitter.Node], tree.Expr]]] = {
    "parenthesized_expression": ExpressionLowering.parenthesized,
    "variable_name": ExpressionLowering.variable,
    "integer": ExpressionLowering.integer,
    "float": lambda _, node: tree.Constant(float_literal(text_of(node))),
    "boolean": lambda _, node: tree.Constant(text_of(node).lower() == "true"),
    "null": lambda _, node: tree.Constant(None),
    "name": ExpressionLowering.name,
    "string": ExpressionLowering.string,
    "encapsed_string": ExpressionLowering.encapsed,
    "heredoc": ExpressionLowering.heredoc,
    "nowdoc": ExpressionLowering.heredoc,
    "subscript_expression": ExpressionLowering.subscript,
    "array_creation_expression": ExpressionLowering.array,
    "unary_op_expression": ExpressionLowering.unary,
    "error_suppression_expression": ExpressionLowering.silenced,
    "binary_expression": ExpressionLowering.binary,
    "conditional_expression": ExpressionLowering.conditional,
    "cast_expression": ExpressionLowering.cast,
    "match_expression": ExpressionLowering.match_,
    "assignment_expression": ExpressionLowering.assignment,
    "augmented_assignment_expression": ExpressionLowering.augmented,
    "update_expression": ExpressionLowering.update,
    "function_call_expression": ExpressionLowering.call,
}
