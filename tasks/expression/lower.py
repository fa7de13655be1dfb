"""From tree-sitter's concrete tree to our small one; what is not allowed is reported with its place, all of it at once.

Only what has a rule here exists: an unknown kind of node is a problem, never a guess.
"""

import difflib
from collections.abc import Callable
from typing import Final

import tree_sitter

from tasks.errors import Problem
from tasks.expression import tree
from tasks.expression.analyse import writes_row
from tasks.expression.errors import excerpt
from tasks.expression.functions import CONSTANTS, Function, functions
from tasks.expression.literals import double_quoted, float_literal, heredoc_parts, integer_literal, single_quoted
from tasks.expression.regexp import PatternError, compile_pattern

NOTE: Final = "(checked before the first row)"
NESTING: Final = 100
_FORBIDDEN: Final = {
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


class _Unusable(Exception):  # noqa: N818
    """A part was reported; what contains it goes on with the next one."""


class Lowering:
    """One walk over one snippet; `problems` fills up, `body` is only of use when it stays empty."""

    def __init__(self, source: str, row_changes: bool) -> None:
        self.source = source
        self.bytes = source.encode()
        self.row_changes = row_changes
        self.problems: list[Problem] = []
        self.depth = 0
        self.loops = 0

    def body(self, root: tree_sitter.Node) -> tree.Block:
        return self._statements(root.named_children)

    # -- reporting

    def report(self, node: tree_sitter.Node, message: str) -> _Unusable:
        line = node.start_point[0] + 1
        start = self.bytes.rfind(b"\n", 0, node.start_byte) + 1
        column = len(self.bytes[start : node.start_byte].decode(errors="replace")) + 1
        self.problems.append(Problem(message, line, column, excerpt(self.source, line, column)))
        return _Unusable()

    # -- statements

    def _statements(self, nodes: list[tree_sitter.Node]) -> tree.Block:
        found: list[tree.Statement] = []
        for node in nodes:
            try:
                found.extend(self._statement(node))
            except _Unusable:
                continue
        return tuple(found)

    def _block(self, node: tree_sitter.Node | None) -> tree.Block:
        if node is None:
            return ()
        return self._statements(node.named_children if node.type in ("compound_statement", "colon_block") else [node])

    def _statement(self, node: tree_sitter.Node) -> tree.Block:
        if node.type in ("comment", "empty_statement"):
            return ()
        if node.type == "compound_statement":
            return self._block(node)
        rule = _STATEMENTS.get(node.type)
        if rule is None:
            raise self._not_available(node)
        return (rule(self, node),)

    def _not_available(self, node: tree_sitter.Node) -> _Unusable:
        plain = node.type.replace("_", " ")
        return self.report(node, f"{_FORBIDDEN.get(node.type, f'{plain} is not available in snippets')} {NOTE}")

    def _return(self, node: tree_sitter.Node) -> tree.Return:
        values = _named(node)
        return tree.Return(self.expr(values[0]) if values else _NULL)

    def _expression_statement(self, node: tree_sitter.Node) -> tree.Evaluate:
        return tree.Evaluate(self.expr(_named(node)[0]))

    def _if(self, node: tree_sitter.Node) -> tree.If:
        branches: list[tuple[tree.Expr, tree.Block]] = []
        otherwise: tree.Block = ()
        todo = [node]
        while todo:
            part = todo.pop()
            branches.append((self._field(part, "condition"), self._block(part.child_by_field_name("body"))))
            for clause in part.children_by_field_name("alternative"):
                if clause.type == "else_if_clause":
                    branch = self._field(clause, "condition"), self._block(clause.child_by_field_name("body"))
                    branches.append(branch)
                    continue
                body = clause.child_by_field_name("body")
                if body is not None and body.type == "if_statement":
                    todo.append(body)
                else:
                    otherwise = self._block(body)
        return tree.If(tuple(branches), otherwise)

    def _loop_body(self, node: tree_sitter.Node) -> tree.Block:
        self.loops += 1
        body = [self._block(part) for part in node.children_by_field_name("body")]
        self.loops -= 1
        return tuple(statement for block in body for statement in block)

    def _foreach(self, node: tree_sitter.Node) -> tree.Foreach:
        body = node.child_by_field_name("body")
        parts = [part for part in _named(node) if body is None or part.id != body.id]
        key: tree.Target | None = None
        target = parts[1]
        if target.type == "pair":
            first, target = _named(target)
            key = self.target(first)
        subject = self.expr(parts[0])
        return tree.Foreach(subject, key, self.target(target), self._loop_body(node))

    def _while(self, node: tree_sitter.Node) -> tree.While:
        return tree.While(self._field(node, "condition"), self._loop_body(node))

    def _do(self, node: tree_sitter.Node) -> tree.DoWhile:
        return tree.DoWhile(self._field(node, "condition"), self._loop_body(node))

    def _for(self, node: tree_sitter.Node) -> tree.For:
        parts = [self._sequence(node.child_by_field_name(name)) for name in ("initialize", "condition", "update")]
        return tree.For(parts[0], parts[1], parts[2], self._loop_body(node))

    def _sequence(self, node: tree_sitter.Node | None) -> tuple[tree.Expr, ...]:
        if node is None:
            return ()
        if node.type == "sequence_expression":
            return tuple(part for child in _named(node) for part in self._sequence(child))
        return (self.expr(node),)

    def _switch(self, node: tree_sitter.Node) -> tree.Switch:
        body = node.child_by_field_name("body")
        cases: list[tuple[tree.Expr | None, tree.Block]] = []
        self.loops += 1
        for case in _named(body) if body is not None else []:
            value = case.child_by_field_name("value")
            statements = [child for child in _named(case) if value is None or child.id != value.id]
            cases.append((None if value is None else self.expr(value), self._statements(statements)))
        self.loops -= 1
        return tree.Switch(self._field(node, "condition"), tuple(cases))

    def _jump(self, node: tree_sitter.Node) -> tree.Break | tree.Continue:
        values = _named(node)
        levels = int(_text(values[0])) if values and values[0].type == "integer" else 1
        word = "break" if node.type == "break_statement" else "continue"
        if not 1 <= levels <= self.loops:
            raise self.report(
                node, f"`{word}` stands outside of {'a loop' if levels == 1 else f'{levels} loops'} {NOTE}"
            )
        return tree.Break(levels) if word == "break" else tree.Continue(levels)

    def _unset(self, node: tree_sitter.Node) -> tree.Unset:
        return tree.Unset(tuple(self._writable(child) for child in _named(node)))

    # -- expressions

    def expr(self, node: tree_sitter.Node) -> tree.Expr:
        self.depth += 1
        try:
            if self.depth > NESTING:
                raise self.report(node, f"nested more than {NESTING} levels deep; split it into several steps {NOTE}")
            rule = _EXPRESSIONS.get(node.type)
            if rule is None:
                raise self._not_available(node)
            return rule(self, node)
        except _Unusable:
            return _NULL
        finally:
            self.depth -= 1

    def _field(self, node: tree_sitter.Node, name: str) -> tree.Expr:
        child = node.child_by_field_name(name)
        if child is None:
            raise self.report(node, f"the {name} is missing {NOTE}")
        return self.expr(child)

    def _parenthesized(self, node: tree_sitter.Node) -> tree.Expr:
        return self.expr(_named(node)[0])

    def _variable(self, node: tree_sitter.Node) -> tree.Variable:
        name = _text(node)[1:]
        if name in _SUPERGLOBALS:
            raise self.report(node, f"${name} is not available; a snippet sees $row and its own variables {NOTE}")
        return tree.Variable(name)

    def _integer(self, node: tree_sitter.Node) -> tree.Constant:
        try:
            return tree.Constant(integer_literal(_text(node)))
        except ValueError:
            raise self.report(node, f"this is not a number {NOTE}") from None

    def _name(self, node: tree_sitter.Node) -> tree.Constant:
        word = _text(node)
        if word not in CONSTANTS:
            hint = _nearest(word, CONSTANTS) or f"text stands in quotes: '{word}'"
            raise self.report(node, f"the constant {word} is unknown; {hint} {NOTE}")
        return tree.Constant(CONSTANTS[word])

    def _string(self, node: tree_sitter.Node) -> tree.Constant:
        return tree.Constant(single_quoted(_text(node)))

    def _encapsed(self, node: tree_sitter.Node) -> tree.Expr:
        return _joined([self._string_part(child) for child in _named(node)])

    def _string_part(self, node: tree_sitter.Node) -> tree.Expr:
        if node.type == "string_content":
            return tree.Constant(_text(node))
        if node.type == "escape_sequence":
            return tree.Constant(double_quoted(_text(node)))
        if node.type == "subscript_expression":
            return self._subscript(node, within_string=True)
        return self.expr(node)

    def _heredoc(self, node: tree_sitter.Node) -> tree.Expr:
        body, end = node.child_by_field_name("value"), node.child_by_field_name("end_tag")
        if body is None or end is None:
            return tree.Constant("")
        parts = heredoc_parts(self.bytes, body, end)
        return _joined([tree.Constant(p) if isinstance(p, str) else self._string_part(p) for p in parts])

    def _subscript(self, node: tree_sitter.Node, *, within_string: bool = False) -> tree.Expr:
        parts = _named(node)
        base = self.expr(parts[0])
        if len(parts) == 1:
            raise self.report(node, f"[] without a key can only be written to {NOTE}")
        bare = within_string and parts[1].type == "name"
        key = tree.Constant(_text(parts[1])) if bare else self.expr(parts[1])
        if base == tree.Variable("row") and isinstance(key, tree.Constant) and not self.row_changes:
            return tree.Cell(str(key.value) if isinstance(key.value, int | str) else "")
        return tree.Index(base, key)

    def _array(self, node: tree_sitter.Node) -> tree.ArrayLiteral:
        items: list[tuple[tree.Expr | None, tree.Expr]] = []
        for element in _named(node):
            parts = _named(element)
            values = [self.expr(part) for part in parts]
            items.append((values[0], values[1]) if len(values) == 2 else (None, values[0]))
        return tree.ArrayLiteral(tuple(items))

    def _unary(self, node: tree_sitter.Node) -> tree.Expr:
        operator = _operator(node)
        if operator not in ("!", "-", "+", "~"):
            raise self._not_available(node)
        operand = self.expr(_named(node)[-1])
        if operator == "-" and isinstance(operand, tree.Constant) and isinstance(operand.value, int | float):
            return tree.Constant(-operand.value) if not isinstance(operand.value, bool) else tree.Unary("-", operand)
        return tree.Unary(operator, operand)

    def _silenced(self, node: tree_sitter.Node) -> tree.Expr:
        return self.expr(_named(node)[0])

    def _binary(self, node: tree_sitter.Node) -> tree.Expr:
        operator = _operator(node).lower()
        operator = {"and": "&&", "or": "||", "<>": "!="}.get(operator, operator)
        if operator in (".", "&&", "||"):
            parts = tuple(map(self.expr, self._chain(node, operator)))
            return _joined(list(parts)) if operator == "." else tree.Logical(operator, parts)
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left is None or right is None:
            raise self.report(node, f"the operator {operator} needs two values {NOTE}")
        if operator == "**" and left.type in ("unary_op_expression", "cast_expression"):
            return self._sign_before_power(left, right)
        if operator == "??":
            return tree.Coalesce(self.expr(left), self.expr(right))
        if operator not in _ARITHMETIC | _COMPARISONS | {"xor"}:
            raise self.report(node, f"the operator {operator} is not available {NOTE}")
        return tree.Binary(operator, self.expr(left), self.expr(right))

    def _chain(self, node: tree_sitter.Node, operator: str) -> list[tree_sitter.Node]:
        """The operands of `a . b . c`, however long the chain is."""
        operands: list[tree_sitter.Node] = []
        while node.type == "binary_expression" and _same_operator(_operator(node), operator):
            left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
            if left is None or right is None:
                raise self.report(node, f"the operator {operator} needs two values {NOTE}")
            operands.append(right)
            node = left
        return [node, *reversed(operands)]

    def _sign_before_power(self, left: tree_sitter.Node, right: tree_sitter.Node) -> tree.Expr:
        """PHP reads -$x ** 2 as -($x ** 2); tree-sitter's grammar does not."""
        power = tree.Binary("**", self.expr(_named(left)[-1]), self.expr(right))
        if left.type == "cast_expression":
            return tree.Cast(self._cast_type(left), power)
        return tree.Unary(_operator(left), power)

    def _conditional(self, node: tree_sitter.Node) -> tree.Ternary:
        body = node.child_by_field_name("body")
        then = None if body is None else self.expr(body)
        condition = node.child_by_field_name("condition")
        if (
            condition is not None
            and condition.type == "conditional_expression"
            and (body is not None or condition.child_by_field_name("body") is not None)
        ):
            raise self.report(node, f"nested ? : needs parentheses {NOTE}")
        return tree.Ternary(self._field(node, "condition"), then, self._field(node, "alternative"))

    def _cast(self, node: tree_sitter.Node) -> tree.Cast:
        return tree.Cast(self._cast_type(node), self._field(node, "value"))

    def _cast_type(self, node: tree_sitter.Node) -> str:
        kind = node.child_by_field_name("type")
        word = "" if kind is None else _text(kind).strip().lower()
        if word not in _CASTS:
            raise self.report(node, f"the cast ({word}) is not available {NOTE}")
        return _CASTS[word]

    def _match(self, node: tree_sitter.Node) -> tree.Match:
        arms: list[tuple[tuple[tree.Expr, ...], tree.Expr]] = []
        body = node.child_by_field_name("body")
        for arm in _named(body) if body is not None else []:
            conditions = arm.child_by_field_name("conditional_expressions")
            tests = () if conditions is None else tuple(map(self.expr, _named(conditions)))
            arms.append((tests, self._field(arm, "return_expression")))
        return tree.Match(self._field(node, "condition"), tuple(arms))

    def _assignment(self, node: tree_sitter.Node) -> tree.Assign:
        left = node.child_by_field_name("left")
        if left is None or any(child.type == "&" for child in node.children):
            raise self.report(node, f"references (&) are not available {NOTE}")
        return tree.Assign(self.target(left), self._field(node, "right"))

    def _augmented(self, node: tree_sitter.Node) -> tree.Assign:
        left = node.child_by_field_name("left")
        if left is None:
            raise self.report(node, f"the target is missing {NOTE}")
        return tree.Assign(self._writable(left), self._field(node, "right"), _operator(node)[:-1])

    def _update(self, node: tree_sitter.Node) -> tree.Increment:
        argument = node.child_by_field_name("argument")
        if argument is None:
            raise self.report(node, f"the variable is missing {NOTE}")
        return tree.Increment(self._writable(argument), _operator(node), prefix=node.children[0].id != argument.id)

    def target(self, node: tree_sitter.Node) -> tree.Target:
        if node.type not in ("list_literal", "array_creation_expression"):
            return self._writable(node)
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
                pending += _named(part) if part.type == "array_element_initializer" else [part]
        return tree.ListTarget(tuple(items))

    def _writable(self, node: tree_sitter.Node) -> "tree.Variable | tree.Index":
        if node.type == "variable_name":
            return self._variable(node)
        if node.type != "subscript_expression":
            raise (
                self._not_available(node)
                if node.type in _FORBIDDEN
                else self.report(node, f"only a variable or an item of one can be written to {NOTE}")
            )
        parts = _named(node)
        key = self.expr(parts[1]) if len(parts) > 1 else None
        return tree.Index(self._writable(parts[0]), key)

    # -- calls

    def _call(self, node: tree_sitter.Node) -> tree.Expr:
        called = node.child_by_field_name("function")
        if called is None or called.type != "name":
            raise self.report(node, f"functions are called by their name only, not through a variable {NOTE}")
        name = _text(called).lower()
        if name in ("isset", "empty"):
            return self._isset_or_empty(node, name)
        if name == "array":
            return tree.ArrayLiteral(tuple((None, value) for value in self._arguments(node)))
        function = functions().get(name)
        if function is None:
            raise self.report(called, f"the function {name}() is unknown{_did_you_mean(name)} {NOTE}")
        arguments = self._arguments(node)
        self._check_count(node, function, len(arguments))
        self._check_references(node, function, arguments)
        self._check_literals(node, function, arguments)
        if name in ("array_key_exists", "key_exists"):
            return self._key_exists(arguments)
        return tree.Call(name, arguments)

    def _arguments(self, node: tree_sitter.Node) -> tuple[tree.Expr, ...]:
        listed = node.child_by_field_name("arguments")
        found: list[tree.Expr] = []
        for argument in _named(listed) if listed is not None else []:
            if argument.type != "argument" or argument.child_by_field_name("name") is not None:
                raise self.report(argument, f"arguments are given by position, without names and ... {NOTE}")
            found.append(self.expr(_named(argument)[0]))
        return tuple(found)

    def _isset_or_empty(self, node: tree_sitter.Node, name: str) -> tree.Expr:
        arguments = self._arguments(node)
        if not arguments or (name == "empty" and len(arguments) > 1):
            raise self.report(node, f"{name}() has the wrong number of arguments {NOTE}")
        if name == "empty":
            return tree.Empty(arguments[0])
        if any(not isinstance(a, tree.Variable | tree.Index | tree.Cell) for a in arguments):
            raise self.report(node, f"isset() takes variables and their items only; compare with null instead {NOTE}")
        return tree.IsSet(arguments)

    def _check_count(self, node: tree_sitter.Node, function: Function, given: int) -> None:
        if given < function.fewest or (function.most is not None and given > function.most):
            raise self.report(node, f"{given} argument{'s' * (given != 1)}, expected {function.signature} {NOTE}")

    def _check_references(self, node: tree_sitter.Node, function: Function, arguments: tuple[tree.Expr, ...]) -> None:
        for position, argument in enumerate(arguments):
            by_reference = function.parameter(position).by_reference
            if by_reference and function.name not in ("end", "reset") and not isinstance(argument, tree.Variable):
                raise self.report(
                    node, f"{function.name}() changes its argument {position + 1}: give a variable {NOTE}"
                )

    def _check_literals(self, node: tree_sitter.Node, function: Function, arguments: tuple[tree.Expr, ...]) -> None:
        for position, argument in enumerate(arguments):
            parameter = function.parameter(position)
            value = argument.value if isinstance(argument, tree.Constant) else None
            if "callable" in parameter.type:
                self._check_callback(node, value)
            if parameter.name == "pattern" and isinstance(value, str):
                try:
                    compile_pattern(value)
                except PatternError as error:
                    raise self.report(node, f"{function.name}(): {error} {NOTE}") from None

    def _check_callback(self, node: tree_sitter.Node, name: object) -> None:
        function = functions().get(name.lower()) if isinstance(name, str) else None
        if (
            function is None
            or function.fewest > 1
            or any(p.by_reference or "callable" in p.type for p in function.parameters)
        ):
            hint = _did_you_mean(name) if isinstance(name, str) else ""
            raise self.report(node, f"a callback is the name of a function of one argument, as 'trim'{hint} {NOTE}")

    def _key_exists(self, arguments: tuple[tree.Expr, ...]) -> tree.Expr:
        key, array = arguments
        if array == tree.Variable("row") and not self.row_changes and isinstance(key, tree.Constant):
            if isinstance(key.value, int | str) and not isinstance(key.value, bool):
                return tree.IsSet((tree.Cell(str(key.value)),))
        return tree.Call("array_key_exists", arguments)


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode(errors="replace")


def _named(node: tree_sitter.Node) -> list[tree_sitter.Node]:
    return [child for child in node.named_children if child.type != "comment"]


def _operator(node: tree_sitter.Node) -> str:
    operator = node.child_by_field_name("operator")
    if operator is None:
        operator = next((child for child in node.children if not child.is_named), node)
    return _text(operator)


def _same_operator(found: str, wanted: str) -> bool:
    return {"and": "&&", "or": "||"}.get(found.lower(), found) == wanted


def _joined(parts: list[tree.Expr]) -> tree.Expr:
    """Parts of a string with neighbouring constants made one."""
    merged: list[tree.Expr] = []
    for part in parts:
        last = merged[-1] if merged else None
        both = isinstance(part, tree.Constant) and isinstance(last, tree.Constant)
        if both and isinstance(part.value, str) and isinstance(last.value, str):
            merged[-1] = tree.Constant(last.value + part.value)
        else:
            merged.append(part)
    if not merged:
        return tree.Constant("")
    return (
        merged[0]
        if merged == [tree.Constant(getattr(merged[0], "value", None))]
        and isinstance(getattr(merged[0], "value", None), str)
        else tree.Concat(tuple(merged))
    )


def _nearest(word: str, known: "dict[str, object] | object") -> str:
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.75)  # type: ignore[call-overload]
    return f"did you mean {found[0]}?" if found else ""


def _did_you_mean(name: str) -> str:
    found = difflib.get_close_matches(name, list(functions()), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}()?" if found else ""


_STATEMENTS: Final[dict[str, Callable[[Lowering, tree_sitter.Node], tree.Statement]]] = {
    "return_statement": Lowering._return,
    "expression_statement": Lowering._expression_statement,
    "if_statement": Lowering._if,
    "foreach_statement": Lowering._foreach,
    "while_statement": Lowering._while,
    "do_statement": Lowering._do,
    "for_statement": Lowering._for,
    "switch_statement": Lowering._switch,
    "break_statement": Lowering._jump,
    "continue_statement": Lowering._jump,
    "unset_statement": Lowering._unset,
}
_EXPRESSIONS: Final[dict[str, Callable[[Lowering, tree_sitter.Node], tree.Expr]]] = {
    "parenthesized_expression": Lowering._parenthesized,
    "variable_name": Lowering._variable,
    "integer": Lowering._integer,
    "float": lambda _, node: tree.Constant(float_literal(_text(node))),
    "boolean": lambda _, node: tree.Constant(_text(node).lower() == "true"),
    "null": lambda _, node: tree.Constant(None),
    "name": Lowering._name,
    "string": Lowering._string,
    "encapsed_string": Lowering._encapsed,
    "heredoc": Lowering._heredoc,
    "nowdoc": Lowering._heredoc,
    "subscript_expression": Lowering._subscript,
    "array_creation_expression": Lowering._array,
    "unary_op_expression": Lowering._unary,
    "error_suppression_expression": Lowering._silenced,
    "binary_expression": Lowering._binary,
    "conditional_expression": Lowering._conditional,
    "cast_expression": Lowering._cast,
    "match_expression": Lowering._match,
    "assignment_expression": Lowering._assignment,
    "augmented_assignment_expression": Lowering._augmented,
    "update_expression": Lowering._update,
    "function_call_expression": Lowering._call,
}


def lower(source: str, root: tree_sitter.Node) -> tuple[tree.Block, list[Problem]]:
    """The snippet's body, and every reason why it cannot run."""
    first = Lowering(source, row_changes=False)
    body = first.body(root)
    if first.problems or not writes_row(body):
        return body, first.problems
    again = Lowering(source, row_changes=True)
    return again.body(root), again.problems
