"""The fast way: a snippet as one polars expression over whole columns, where that means exactly what PHP means.

What has no exact equal (comparison of two cells that may be numbers, loops, arrays, fractions) is not tried: it raises
`NotColumns` with the reason, and the snippet runs by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import polars as pl

from tasks.expression import tree
from tasks.expression.analyse import walk
from tasks.expression.column_functions import COLUMN_FUNCTIONS, Column, NotColumns
from tasks.expression.column_size import check_size
from tasks.expression.values import numeric
from tasks.names import Names

_NULL: Final = Column(pl.lit(None, dtype=pl.String), "null", nullable=True, constant=None, is_constant=True)


def as_column(body: tree.Block, names: Names, *, truth: bool) -> pl.Expr:
    """The snippet's value as one column: as PHP prints it (String), or its truthiness (Boolean).

    Raises: NotColumns.
    """
    check_size(body)
    result = _Columns(names, truth=truth).result(body, {})
    return result if result.meta.root_names() else _of_full_height(result)


def _of_full_height(result: pl.Expr) -> pl.Expr:
    """The same as literal: polars does not stretch every expression of constants to the height of a frame."""
    value = pl.select(result).to_series()
    return pl.lit(value[0], dtype=value.dtype)


def _where(test: pl.Expr, then: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    """One value or the other. A test of constants is decided here: polars would leave a value of constants unstretched,
    though the other one reads a column.
    """
    if test.meta.root_names():
        return pl.when(test).then(then).otherwise(otherwise)
    return then if pl.select(test).item() else otherwise


_Variables = dict[str, Column]


@dataclass(frozen=True)
class _Columns:
    names: Names
    truth: bool

    def result(self, statements: Sequence[tree.Statement], variables: _Variables) -> pl.Expr:
        """What the statements return."""
        variables = dict(variables)
        for position, statement in enumerate(statements):
            if isinstance(statement, tree.Return):
                return self._finished(self.column(statement.value, variables))
            if isinstance(statement, tree.If) and _returns(statement):
                return self._returning_if(statement, statements[position + 1 :], variables)
            self._run(statement, variables)
        return self._finished(_NULL)

    def _finished(self, column: Column) -> pl.Expr:
        return column.truth() if self.truth else column.printed()

    def _returning_if(self, node: tree.If, rest: Sequence[tree.Statement], variables: _Variables) -> pl.Expr:
        condition, body = node.branches[0]
        if not _always_returns(body):
            raise NotColumns("an if returns in some of its branches only")
        test = self.column(condition, variables).truth()
        remaining = tree.If(node.branches[1:], node.otherwise)
        after: Sequence[tree.Statement] = [remaining, *rest] if node.branches[1:] else [*node.otherwise, *rest]
        return _where(test, self.result(body, variables), self.result(after, variables))

    def _run(self, statement: tree.Statement, variables: _Variables) -> None:
        match statement:
            case tree.Evaluate(value=tree.Assign(target=tree.Variable(name=name), operator="", value=value)):
                variables[name] = self.column(value, variables)
            case tree.Evaluate(value=tree.Assign(target=tree.Variable(name=name), operator=".", value=value)):
                joined = tree.Concat((tree.Variable(name), value))
                variables[name] = self.column(joined, variables)
            case tree.If():
                self._assigning_if(statement, variables)
            case tree.Foreach() | tree.For() | tree.While() | tree.DoWhile():
                raise NotColumns("it has a loop")
            case _:
                raise NotColumns(f"it has a {_word(statement)}")

    def _assigning_if(self, node: tree.If, variables: _Variables) -> None:
        otherwise = dict(variables)
        for statement in node.otherwise:
            self._run(statement, otherwise)
        for condition, body in reversed(node.branches):
            test = self.column(condition, variables)
            then = dict(variables)
            for statement in body:
                self._run(statement, then)
            names = {*then, *otherwise}
            otherwise = {n: _either(test, then.get(n, _NULL), otherwise.get(n, _NULL)) for n in sorted(names)}
        variables.update(otherwise)

    def column(self, node: tree.Expr, variables: _Variables) -> Column:
        """One expression."""
        match node:
            case tree.Constant():
                return _constant(node.value)
            case tree.Cell():
                found = self.names.find(node.name)
                if found is None:
                    return Column(pl.lit(None, dtype=pl.String), "string", nullable=True)
                return Column(pl.when(pl.col(found) != "").then(pl.col(found)), "string", nullable=True)
            case tree.Variable():
                if node.name == "row":
                    raise NotColumns("it uses $row as a whole")
                return variables.get(node.name, _NULL)
            case tree.Concat():
                texts = [self.column(part, variables).text() for part in node.parts]
                return Column(pl.concat_str(texts), "string", nullable=False)
            case tree.Call():
                return self._call(node, variables)
            case tree.Unary() | tree.Logical() | tree.IsSet() | tree.Empty() | tree.Binary():
                return Column(self._boolean(node, variables), "bool", nullable=False)
            case _:
                return self._chosen(node, variables)

    def _chosen(self, node: tree.Expr, variables: _Variables) -> Column:
        match node:
            case tree.Ternary():
                return self._ternary(node, variables)
            case tree.Coalesce():
                return self._coalesce(node, variables)
            case tree.Cast():
                return self._cast(node, variables)
            case tree.Match():
                return self._match(node, variables)
            case _:
                raise NotColumns(f"it has {_article(node)}")

    def _boolean(self, node: tree.Expr, variables: _Variables) -> pl.Expr:
        match node:
            case tree.Unary(operator="!"):
                return ~self.column(node.operand, variables).truth()
            case tree.Logical():
                tests = [self.column(part, variables).truth() for part in node.parts]
                return pl.all_horizontal(tests) if node.operator == "&&" else pl.any_horizontal(tests)
            case tree.IsSet():
                return pl.all_horizontal([self.column(target, variables).found() for target in node.targets])
            case tree.Empty():
                return ~self.column(node.target, variables).truth()
            case tree.Binary():
                left, right = self.column(node.left, variables), self.column(node.right, variables)
                return _compared(node.operator, left, right)
            case _:
                raise NotColumns("it calculates")

    def _ternary(self, node: tree.Ternary, variables: _Variables) -> Column:
        condition = self.column(node.condition, variables)
        then = condition if node.then is None else self.column(node.then, variables)
        return _either(condition, then, self.column(node.otherwise, variables))

    def _coalesce(self, node: tree.Coalesce, variables: _Variables) -> Column:
        left, right = self.column(node.left, variables), self.column(node.right, variables)
        if not left.nullable:
            return left
        return _either(Column(left.found(), "bool", nullable=False), left, right)

    def _cast(self, node: tree.Cast, variables: _Variables) -> Column:
        operand = self.column(node.operand, variables)
        if node.type == "string":
            return Column(operand.text(), "string", nullable=False)
        if node.type == "bool":
            return Column(operand.truth(), "bool", nullable=False)
        raise NotColumns(f"it casts to {node.type}")

    def _match(self, node: tree.Match, variables: _Variables) -> Column:
        default = next((value for tests, value in node.arms if not tests), None)
        if default is None:
            raise NotColumns("a match without default may fail")
        subject = self.column(node.subject, variables)
        result = self.column(default, variables)
        for tests, value in reversed(node.arms):
            if tests:
                fits = [_compared("===", subject, self.column(test, variables)) for test in tests]
                test = Column(pl.any_horizontal(fits), "bool", nullable=False)
                result = _either(test, self.column(value, variables), result)
        return result

    def _call(self, node: tree.Call, variables: _Variables) -> Column:
        function = COLUMN_FUNCTIONS.get(node.name)
        if function is None:
            raise NotColumns(f"{node.name}() has no equal for columns")
        return function([self._argument(argument, variables) for argument in node.arguments])

    def _argument(self, node: tree.Expr, variables: _Variables) -> Column:
        if not isinstance(node, tree.ArrayLiteral):
            return self.column(node, variables)
        items = [self.column(value, variables) for key, value in node.items if key is None]
        if len(items) != len(node.items) or not all(item.is_constant for item in items):
            raise NotColumns("it makes an array")
        return Column(pl.lit(None), "array", nullable=False, items=tuple(item.constant for item in items))


def _constant(value: bool | int | float | str | None) -> Column:
    if value is None:
        return _NULL
    if isinstance(value, float):
        raise NotColumns("it has a number with a fraction")
    kind = "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "string"
    return Column(pl.lit(value), kind, nullable=False, constant=value, is_constant=True)


def _either(test: Column, then: Column, otherwise: Column) -> Column:
    kinds = {then.kind, otherwise.kind} - {"null"}
    if len(kinds) > 1 or ("null" in (then.kind, otherwise.kind) and kinds - {"string"}):
        raise NotColumns("it gives values of different types")
    kind = next(iter(kinds), "null")
    chosen = _where(test.truth(), then.expr, otherwise.expr)
    return Column(chosen, kind, nullable=then.nullable or otherwise.nullable)


def _compared(operator: str, left: Column, right: Column) -> pl.Expr:
    if operator in ("===", "!=="):
        same = _identical(left, right)
        return same if operator == "===" else ~same
    if operator in ("==", "!="):
        same = _equal(left, right)
        return same if operator == "==" else ~same
    if operator == "xor":
        return left.truth() ^ right.truth()
    if operator not in ("<", "<=", ">", ">="):
        raise NotColumns("it calculates")
    a, b = (left.expr, right.expr) if left.kind == right.kind == "int" else _as_texts(left, right)
    return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]


def _identical(left: Column, right: Column) -> pl.Expr:
    if "null" in (left.kind, right.kind):
        other = right if left.kind == "null" else left
        return ~other.found()
    if left.kind != right.kind:
        return pl.lit(False)
    return left.expr.eq_missing(right.expr)


def _equal(left: Column, right: Column) -> pl.Expr:
    kinds = {left.kind, right.kind}
    if "bool" in kinds or kinds == {"null"} or kinds == {"null", "int"}:
        return left.truth() == right.truth()
    if kinds == {"int"}:
        return left.expr == right.expr
    a, b = _as_texts(left, right)
    return a == b


def _as_texts(left: Column, right: Column) -> tuple[pl.Expr, pl.Expr]:
    """Both as strings, where PHP compares them as strings: null with a string, or one that is surely no number."""
    for one, other in ((left, right), (right, left)):
        if one.kind == "string" and (other.kind == "null" or _never_a_number(other)):
            return left.text(), right.text()
    return _may_be_numbers()


def _never_a_number(column: Column) -> bool:
    return isinstance(column.constant, str) and numeric(column.constant) is None


def _may_be_numbers() -> NoReturn:
    raise NotColumns("it compares values that may be numbers (=== compares as text)")


def _returns(node: tree.Statement) -> bool:
    return any(isinstance(part, tree.Return) for part in walk(node))


def _always_returns(body: Sequence[tree.Statement]) -> bool:
    return any(isinstance(s, tree.Return) or (isinstance(s, tree.If) and _if_always_returns(s)) for s in body)


def _if_always_returns(node: tree.If) -> bool:
    return all(_always_returns(body) for _, body in node.branches) and _always_returns(node.otherwise)


def _word(statement: tree.Statement) -> str:
    return {"Unset": "unset()", "Switch": "switch"}.get(type(statement).__name__, "statement that needs its row")


def _article(node: tree.Expr) -> str:
    names = {"ArrayLiteral": "an array", "Index": "an item of an array", "Assign": "an assignment within an expression"}
    return names.get(type(node).__name__, "a step that needs its row")
