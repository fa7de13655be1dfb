"""From tree-sitter's concrete tree to our small one; what is not allowed is reported with its place, all at once."""

from collections.abc import Callable
from typing import Final

import tree_sitter

from tasks.errors import Problem
from tasks.expression import tree
from tasks.expression.analyse import writes_row
from tasks.expression.lower_expressions import ExpressionLowering
from tasks.expression.syntax import NOTE, Unusable, named, text_of

_NESTED_LOOPS: Final = 15


class Lowering(ExpressionLowering):
    """One walk over one snippet; `problems` fills up, the body is only of use when it stays empty."""

    def __init__(self, source: str, *, row_changes: bool) -> None:
        super().__init__(source, row_changes=row_changes)
        self.loops = 0

    def body(self, root: tree_sitter.Node) -> tree.Block:
        return self.statements(root.named_children)

    def statements(self, nodes: list[tree_sitter.Node]) -> tree.Block:
        found: list[tree.Statement] = []
        for node in nodes:
            self.depth += 1
            try:
                self.check_depth(node)
                found.extend(self.statement(node))
            except Unusable:
                continue
            finally:
                self.depth -= 1
        return tuple(found)

    def block(self, node: tree_sitter.Node | None) -> tree.Block:
        if node is None:
            return ()
        return self.statements(node.named_children if node.type in ("compound_statement", "colon_block") else [node])

    def statement(self, node: tree_sitter.Node) -> tree.Block:
        if node.type in ("comment", "empty_statement"):
            return ()
        if node.type == "compound_statement":
            return self.block(node)
        rule = _STATEMENTS.get(node.type)
        if rule is None:
            raise self.not_available(node)
        return (rule(self, node),)

    def return_(self, node: tree_sitter.Node) -> tree.Return:
        values = named(node)
        return tree.Return(self.expr(values[0]) if values else tree.Constant(None))

    def expression_statement(self, node: tree_sitter.Node) -> tree.Evaluate:
        return tree.Evaluate(self.expr(named(node)[0]))

    def if_(self, node: tree_sitter.Node) -> tree.If:
        branches: list[tuple[tree.Expr, tree.Block]] = []
        otherwise: tree.Block = ()
        todo = [node]
        while todo:
            part = todo.pop()
            branches.append((self.field(part, "condition"), self.block(part.child_by_field_name("body"))))
            for clause in part.children_by_field_name("alternative"):
                if clause.type == "else_if_clause":
                    branch = self.field(clause, "condition"), self.block(clause.child_by_field_name("body"))
                    branches.append(branch)
                    continue
                body = clause.child_by_field_name("body")
                if body is not None and body.type == "if_statement":
                    todo.append(body)
                else:
                    otherwise = self.block(body)
        return tree.If(tuple(branches), otherwise)

    def loop_body(self, node: tree_sitter.Node) -> tree.Block:
        if self.loops >= _NESTED_LOOPS:
            raise self.report(node, f"more than {_NESTED_LOOPS} loops within each other {NOTE}")
        self.loops += 1
        body = [self.block(part) for part in node.children_by_field_name("body")]
        self.loops -= 1
        return tuple(statement for block in body for statement in block)

    def foreach(self, node: tree_sitter.Node) -> tree.Foreach:
        body = node.child_by_field_name("body")
        parts = [part for part in named(node) if body is None or part.id != body.id]
        key: tree.Target | None = None
        target = parts[1]
        if target.type == "pair":
            first, target = named(target)
            key = self.target(first)
        subject = self.expr(parts[0])
        return tree.Foreach(subject, key, self.target(target), self.loop_body(node))

    def while_(self, node: tree_sitter.Node) -> tree.While:
        return tree.While(self.field(node, "condition"), self.loop_body(node))

    def do(self, node: tree_sitter.Node) -> tree.DoWhile:
        return tree.DoWhile(self.field(node, "condition"), self.loop_body(node))

    def for_(self, node: tree_sitter.Node) -> tree.For:
        parts = [self.sequence(node.child_by_field_name(name)) for name in ("initialize", "condition", "update")]
        return tree.For(parts[0], parts[1], parts[2], self.loop_body(node))

    def sequence(self, node: tree_sitter.Node | None) -> tuple[tree.Expr, ...]:
        if node is None:
            return ()
        if node.type == "sequence_expression":
            return tuple(part for child in named(node) for part in self.sequence(child))
        return (self.expr(node),)

    def switch(self, node: tree_sitter.Node) -> tree.Switch:
        body = node.child_by_field_name("body")
        cases: list[tuple[tree.Expr | None, tree.Block]] = []
        self.loops += 1
        for case in named(body) if body is not None else []:
            value = case.child_by_field_name("value")
            statements = [child for child in named(case) if value is None or child.id != value.id]
            cases.append((None if value is None else self.expr(value), self.statements(statements)))
        self.loops -= 1
        return tree.Switch(self.field(node, "condition"), tuple(cases))

    def jump(self, node: tree_sitter.Node) -> tree.Break | tree.Continue:
        values = named(node)
        levels = int(text_of(values[0])) if values and values[0].type == "integer" else 1
        word = "break" if node.type == "break_statement" else "continue"
        if not 1 <= levels <= self.loops:
            raise self.report(
                node, f"`{word}` stands outside of {'a loop' if levels == 1 else f'{levels} loops'} {NOTE}"
            )
        return tree.Break(levels) if word == "break" else tree.Continue(levels)

    def unset(self, node: tree_sitter.Node) -> tree.Unset:
        return tree.Unset(tuple(self.writable(child) for child in named(node)))


_STATEMENTS: Final[dict[str, Callable[[Lowering, tree_sitter.Node], tree.Statement]]] = {
    "return_statement": Lowering.return_,
    "expression_statement": Lowering.expression_statement,
    "if_statement": Lowering.if_,
    "foreach_statement": Lowering.foreach,
    "while_statement": Lowering.while_,
    "do_statement": Lowering.do,
    "for_statement": Lowering.for_,
    "switch_statement": Lowering.switch,
    "break_statement": Lowering.jump,
    "continue_statement": Lowering.jump,
    "unset_statement": Lowering.unset,
}


def lower(source: str, root: tree_sitter.Node) -> tuple[tree.Block, list[Problem]]:
    """The snippet's body, and every reason why it cannot run."""
    first = Lowering(source, row_changes=False)
    body = first.body(root)
    if first.problems or not writes_row(body):
        return body, first.problems
    again = Lowering(source, row_changes=True)
    return again.body(root), again.problems
