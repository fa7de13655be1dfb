"""The slow way: a snippet's tree compiled once into a Python function that is called a row.

The function is built as a Python syntax tree from checked nodes only: no text of a snippet ever becomes code, variables
are numbered, and the names that it can reach are the few of `runtime.py` and the function table, without builtins.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from tasks.expression import tree
from tasks.expression.analyse import Facts, assigned, walk
from tasks.expression.budget import STEPS_BETWEEN_CLOCKS, Budget
from tasks.expression.emit import call, constant, load, store
from tasks.expression.expressions import Expressions
from tasks.expression.functions import functions
from tasks.expression.runtime import runtime


@dataclass(frozen=True)
class Program:
    """A compiled snippet: `cells` are the names whose values it is called with, before the row if it `needs_row`."""

    code: CodeType
    cells: tuple[str, ...]
    needs_row: bool
    constants: dict[str, Any]
    calls: frozenset[str]

    def bind(self, budget: Budget) -> Callable[..., Any]:
        """The function of one evaluation, paid from its budget."""
        known = functions()
        namespace = {**runtime(budget), **self.constants}
        for name in self.calls:
            implementation = known[name].implementation
            namespace[f"f_{name}"] = partial(implementation, budget) if known[name].costly else implementation
        return FunctionType(self.code, {"__builtins__": {}, **namespace})


def compile_rows(body: tree.Block, facts: Facts) -> Program:
    """The program of a checked snippet."""
    cells = tuple(sorted({node.name for node in walk(body) if isinstance(node, tree.Cell)}))
    variables = [name for name in assigned(body) if name != "row"]
    writer = Statements(cells, [*variables, "row"], facts.changes)
    statements = writer.block(body)
    start: list[ast.stmt] = [ast.Assign([store(writer.slot(name))], constant(None)) for name in variables]
    if any(isinstance(node, tree.Foreach | tree.While | tree.DoWhile | tree.For) for node in walk(body)):
        start.append(ast.Assign([store("steps")], constant(0)))
    if writer.jumps:
        start.append(ast.Assign([store("jump"), store("again")], constant(0)))
    parameters = [f"c{n}" for n in range(len(cells))] + ([writer.slot("row")] if facts.reads is None else [])
    code = _function_code(parameters, [*start, *statements, ast.Return(constant(None))])
    return Program(code, cells, facts.reads is None, writer.constants, frozenset(writer.calls))


def _function_code(parameters: list[str], body: list[ast.stmt]) -> CodeType:
    arguments = ast.arguments([], [ast.arg(name) for name in parameters], None, [], [], None, [])
    function = ast.FunctionDef("run", arguments, body, [], None)
    module = ast.fix_missing_locations(ast.Module([function], []))
    outer = compile(module, "<snippet>", "exec")
    return next(part for part in outer.co_consts if isinstance(part, CodeType))


class Statements(Expressions):
    """Writes statements; `loops` holds, innermost last, whether a level is a switch."""

    def __init__(self, cells: tuple[str, ...], variables: list[str], changes: frozenset[str]) -> None:
        super().__init__(cells, variables, changes)
        self.loops: list[bool] = []
        self.jumps = False

    def block(self, body: tree.Block) -> list[ast.stmt]:
        return [written for statement in body for written in self.statement(statement)]

    def statement(self, node: tree.Statement) -> list[ast.stmt]:
        match node:
            case tree.Return():
                return [ast.Return(self.value(node.value))]
            case tree.Evaluate():
                return self.effect(node.value)
            case tree.If():
                return self._if(node)
            case tree.Break() | tree.Continue():
                return self._jump(node)
            case tree.Unset():
                return [written for target in node.targets for written in self._unset(target)]
            case _:
                return self._looped(node)

    def _looped(self, node: tree.Foreach | tree.While | tree.DoWhile | tree.For | tree.Switch) -> list[ast.stmt]:
        match node:
            case tree.Foreach():
                return self._foreach(node)
            case tree.While():
                return self._loop([*self._tick(), self._leave_unless(node.condition)], node.body)
            case tree.DoWhile():
                return self._repeated([self._leave_unless(node.condition)], self._tick(), node.body)
            case tree.For():
                return self._for(node)
            case tree.Switch():
                return self._switch(node)

    def _if(self, node: tree.If) -> list[ast.stmt]:
        otherwise: list[ast.stmt] = self.block(node.otherwise)
        for condition, body in reversed(node.branches):
            otherwise = [ast.If(self.truth(condition), self.block(body) or [ast.Pass()], otherwise)]
        return otherwise

    def _tick(self) -> list[ast.stmt]:
        """One pass of a loop; every 64th pays and looks at the budget."""
        due = ast.Compare(
            ast.BinOp(load("steps"), ast.BitAnd(), constant(STEPS_BETWEEN_CLOCKS - 1)), [ast.Eq()], [constant(0)]
        )
        spend = ast.Expr(call("spend", constant(STEPS_BETWEEN_CLOCKS)))
        return [ast.AugAssign(store("steps"), ast.Add(), constant(1)), ast.If(due, [spend], [])]

    def _leave_unless(self, condition: tree.Expr) -> ast.stmt:
        return ast.If(ast.UnaryOp(ast.Not(), self.truth(condition)), [ast.Break()], [])

    def _inside(self, body: tree.Block, *, switch: bool = False) -> list[ast.stmt]:
        self.loops.append(switch)
        written = self.block(body)
        self.loops.pop()
        return written

    def _loop(self, before: list[ast.stmt], body: tree.Block) -> list[ast.stmt]:
        return [ast.While(constant(True), [*before, *self._inside(body)], []), *self._after_loop()]

    def _repeated(self, between: list[ast.stmt], before: list[ast.stmt], body: tree.Block) -> list[ast.stmt]:
        """A loop with statements between two passes, which `continue` must not leave out."""
        first = self.temporary()
        pick = ast.If(load(first), [ast.Assign([store(first)], constant(False))], between or [ast.Pass()])
        loop = ast.While(constant(True), [pick, *before, *self._inside(body)], [])
        return [ast.Assign([store(first)], constant(True)), loop, *self._after_loop()]

    def _foreach(self, node: tree.Foreach) -> list[ast.stmt]:
        key, value = self.temporary(), self.temporary()
        simple_key, simple_value = isinstance(node.key, tree.Variable), isinstance(node.value, tree.Variable)
        start: list[ast.stmt] = []
        if isinstance(node.value, tree.Variable):
            value = self.slot(node.value.name)
            if node.value.name in self.changes:
                start.append(ast.Assign([store(value)], call("own", load(value))))
        if isinstance(node.key, tree.Variable):
            key = self.slot(node.key.name)
        if not simple_value:
            start += self.assign_from(node.value, load(value))
        if node.key is not None and not simple_key:
            start += self.assign_from(node.key, load(key))
        if node.key is None:
            target: ast.expr = store(value)
            source = call("values_of", self.value(node.subject))
        else:
            target = ast.Tuple([store(key), store(value)], ast.Store())
            source = call("pairs_of", self.value(node.subject))
        loop = ast.For(target, source, [*self._tick(), *start, *self._inside(node.body)], [])
        return [loop, *self._after_loop()]

    def _for(self, node: tree.For) -> list[ast.stmt]:
        start = [written for part in node.start for written in self.effect(part)]
        updates = [written for part in node.updates for written in self.effect(part)]
        before = self._tick()
        for condition in node.conditions[:-1]:
            before += self.effect(condition)
        if node.conditions:
            before.append(self._leave_unless(node.conditions[-1]))
        return [*start, *self._repeated(updates, before, node.body)]

    def _switch(self, node: tree.Switch) -> list[ast.stmt]:
        """The number of the case that fits first, then every body from there on."""
        subject, chosen = self.temporary(), self.temporary()
        default = next((n for n, (value, _) in enumerate(node.cases) if value is None), len(node.cases))
        choice: ast.expr = constant(default)
        for number, (value, _) in reversed(list(enumerate(node.cases))):
            if value is not None:
                choice = ast.IfExp(call("loose_equal", load(subject), self.value(value)), constant(number), choice)
        bodies: list[ast.stmt] = []
        for number, (_, body) in enumerate(node.cases):
            written = self._inside(body, switch=True)
            fits = ast.Compare(load(chosen), [ast.LtE()], [constant(number)])
            bodies += [ast.If(fits, written, [])] if written else []
        once = ast.While(constant(True), [*bodies, ast.Break()], [])
        start: list[ast.stmt] = [ast.Assign([store(subject)], self.value(node.subject))]
        return [*start, ast.Assign([store(chosen)], choice), once, *self._after_loop()]

    def _jump(self, node: tree.Break | tree.Continue) -> list[ast.stmt]:
        """`break` and `continue`, over several levels too; `continue` of a switch leaves it."""
        again = isinstance(node, tree.Continue) and not self.loops[-node.levels]
        if node.levels == 1:
            return [ast.Continue() if again else ast.Break()]
        self.jumps = True
        return [
            ast.Assign([store("jump")], constant(node.levels - 1)),
            ast.Assign([store("again")], constant(int(again))),
            ast.Break(),
        ]

    def _after_loop(self) -> list[ast.stmt]:
        """Behind an inner loop: a jump over several levels goes on."""
        if not self.loops or not self.jumps:
            return []
        arrived = ast.BoolOp(ast.And(), [ast.Compare(load("jump"), [ast.Eq()], [constant(0)]), load("again")])
        inner: list[ast.stmt] = [ast.AugAssign(store("jump"), ast.Sub(), constant(1))]
        if not self.loops[-1]:
            inner.append(ast.If(arrived, [ast.Continue()], []))
        return [ast.If(load("jump"), [*inner, ast.Break()], [])]

    def _unset(self, target: tree.Variable | tree.Index) -> list[ast.stmt]:
        if isinstance(target, tree.Variable):
            return [ast.Assign([store(self.slot(target.name))], constant(None))]
        name, keys = self.path(target)
        return [ast.Assign([store(name)], call("unset_item", load(name), ast.Tuple(keys, ast.Load())))]
