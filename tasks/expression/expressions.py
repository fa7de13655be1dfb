"""Expressions as Python syntax tree: what is known of a value's type at compile time saves the question at run time."""

import ast
from typing import Any, Final

from tasks.expression import tree
from tasks.expression.budget import LONG_TEXT
from tasks.expression.emit import call, constant, is_null, keep_as, last_of, load, store
from tasks.expression.functions import Function, functions
from tasks.expression.kinds import BOOLEAN, SCALARS, kind
from tasks.expression.values import PhpArray, array_key

_OPERATORS: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "modulo",
    "**": "power",
    "&": "bit_and",
    "|": "bit_or",
    "^": "bit_xor",
    "<<": "shift_left",
    ">>": "shift_right",
    "==": "loose_equal",
    "===": "strict_equal",
    "<": "less",
    "<=": "less_equal",
    "<=>": "spaceship",
    ">": "greater",
    ">=": "greater_equal",
}
_INTEGERS: Final[dict[str, type[ast.cmpop]]] = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE}
_CASTS: Final = {"int": "to_int", "float": "to_float", "string": "to_text", "bool": "truthy", "array": "to_array"}
_UNARY: Final = {"-": "negate", "+": "plus", "~": "bit_not"}
_PARTS_IN_PLACE: Final = 8
_ARGUMENTS: Final = {
    "string": "text_argument",
    "int": "int_argument",
    "float": "float_argument",
    "bool": "bool_argument",
    "array": "array_argument",
    "int|float": "number_argument",
    "array|string": "text_or_array_argument",
}


class Expressions:
    """Writes expressions; remembers the constants and functions that they need."""

    def __init__(self, cells: tuple[str, ...], variables: list[str], changes: frozenset[str]) -> None:
        self.changes = changes
        self.constants: dict[str, Any] = {}
        self.calls: set[str] = set()
        self._cells = {name: f"c{n}" for n, name in enumerate(cells)}
        self._slots = {name: f"v{n}" for n, name in enumerate(variables)}
        self._temporaries = 0

    def slot(self, name: str) -> str:
        return self._slots[name]

    def temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    # -- values

    def value(self, node: tree.Expr) -> ast.expr:
        """The expression's value."""
        match node:
            case tree.Constant():
                return constant(node.value)
            case tree.Cell():
                return load(self._cells[node.name])
            case tree.Variable():
                return load(self.slot(node.name))
            case tree.Index():
                return self._item(node, "item")
            case tree.ArrayLiteral():
                return self._array(node)
            case tree.Concat():
                return self._concat(node)
            case tree.Call():
                return self._call(node)
            case _:
                return self._compound(node)

    def _compound(self, node: tree.Expr) -> ast.expr:
        match node:
            case tree.Unary() | tree.Binary() | tree.Logical() | tree.IsSet() | tree.Empty() | tree.Cast():
                return self._operation(node)
            case tree.Ternary():
                return self._ternary(node)
            case tree.Coalesce():
                kept = self.temporary()
                found = is_null(keep_as(kept, self.quiet(node.left)), negated=True)
                return ast.IfExp(found, load(kept), self.value(node.right))
            case tree.Match():
                return self._match(node)
            case tree.Assign():
                return self._assignment(node)
            case tree.Increment():
                return self._increment(node)
            case _:
                raise TypeError(type(node).__name__)

    def text(self, node: tree.Expr) -> ast.expr:
        """The value as string."""
        written = self.value(node)
        if kind(node) == "string":
            return written
        return _unless_text(written, call("to_text", written)) if _cheap(node) else call("to_text", written)

    def _concat(self, node: tree.Concat) -> ast.expr:
        """Few parts in place, with a look at the length; many through a function that looks first."""
        if len(node.parts) > _PARTS_IN_PLACE:
            return call("concat_all", *map(self.value, node.parts))
        joined = self.temporary()
        parts: list[ast.expr] = [ast.FormattedValue(self.text(part), -1) for part in node.parts]
        length = call("len", keep_as(joined, ast.JoinedStr(parts)))
        short = ast.Compare(length, [ast.LtE()], [constant(LONG_TEXT)])
        return ast.IfExp(short, load(joined), call("long_text", load(joined)))

    def _operation(
        self, node: "tree.Unary | tree.Binary | tree.Logical | tree.IsSet | tree.Empty | tree.Cast"
    ) -> ast.expr:
        if kind(node) == "bool":
            return self.truth(node)
        if isinstance(node, tree.Cast):
            return call(_CASTS[node.type], self.value(node.operand))
        if isinstance(node, tree.Unary):
            return call(_UNARY[node.operator], self.value(node.operand))
        if isinstance(node, tree.Binary):
            return call(_OPERATORS[node.operator], self.value(node.left), self.value(node.right))
        raise TypeError(type(node).__name__)

    def truth(self, node: tree.Expr) -> ast.expr:
        """Whether the value is truthy, as Python bool."""
        match node:
            case tree.Unary(operator="!"):
                return ast.UnaryOp(ast.Not(), self.truth(node.operand))
            case tree.Logical():
                joined = ast.And() if node.operator == "&&" else ast.Or()
                return ast.BoolOp(joined, [self.truth(part) for part in node.parts])
            case tree.IsSet():
                found = [is_null(self.quiet(target), negated=True) for target in node.targets]
                return found[0] if len(found) == 1 else ast.BoolOp(ast.And(), found)
            case tree.Empty():
                return ast.UnaryOp(ast.Not(), call("truthy", self.quiet(node.target)))
            case tree.Binary(operator=operator) if operator in BOOLEAN:
                return self._comparison(node)
            case tree.Cast(type="bool"):
                return self.truth(node.operand)
            case _:
                return self.value(node) if kind(node) == "bool" else call("truthy", self.value(node))

    def _comparison(self, node: tree.Binary) -> ast.expr:
        operator = node.operator
        if operator == "xor":
            return ast.Compare(self.truth(node.left), [ast.IsNot()], [self.truth(node.right)])
        left, right = self.value(node.left), self.value(node.right)
        if operator in ("===", "!==") and (strict := self._identical(node, left, right)) is not None:
            return strict
        if operator in ("!=", "!=="):
            return ast.UnaryOp(ast.Not(), call("loose_equal" if operator == "!=" else "strict_equal", left, right))
        if operator in _INTEGERS and kind(node.left) == kind(node.right) == "int":
            return ast.Compare(left, [_INTEGERS[operator]()], [right])
        return call(_OPERATORS[operator], left, right)

    def _identical(self, node: tree.Binary, left: ast.expr, right: ast.expr) -> ast.expr | None:
        """Python's own comparison where it means the same as `===`."""
        same = node.operator == "==="
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, tree.Constant) and (one.value is None or isinstance(one.value, bool)):
                if isinstance(other, tree.Constant):
                    return constant((one == other and type(one.value) is type(other.value)) is same)
                written = right if other is node.right else left
                return ast.Compare(written, [ast.Is() if same else ast.IsNot()], [constant(one.value)])
        if "string" in (kind(node.left), kind(node.right)):
            return ast.Compare(left, [ast.Eq() if same else ast.NotEq()], [right])
        return None

    def quiet(self, node: tree.Expr) -> ast.expr:
        """The value within isset, empty and ??, where a missing item is no error."""
        return self._item(node, "item_if_set") if isinstance(node, tree.Index) else self.value(node)

    def _item(self, node: tree.Index, how: str) -> ast.expr:
        if node.key is None:
            raise TypeError("[] is never read")
        base = self.quiet(node.base) if how == "item_if_set" else self.value(node.base)
        return call(how, base, self.value(node.key))

    def _array(self, node: tree.ArrayLiteral) -> ast.expr:
        if all(isinstance(v, tree.Constant) and (k is None or isinstance(k, tree.Constant)) for k, v in node.items):
            return self._constant_array(node)
        if all(key is None for key, _ in node.items):
            return call("array_of", ast.List([self.owned(value) for _, value in node.items], ast.Load()))
        pairs: list[ast.expr] = []
        for key, value in node.items:
            written = load("APPEND") if key is None else self.value(key)
            pairs.append(ast.Tuple([written, self.owned(value)], ast.Load()))
        return call("array_of_pairs", ast.List(pairs, ast.Load()))

    def _constant_array(self, node: tree.ArrayLiteral) -> ast.expr:
        array = PhpArray()
        for key, value in node.items:
            named = key.value if isinstance(key, tree.Constant) else None
            place = array.next_index if key is None else array_key(named)
            array[place] = value.value if isinstance(value, tree.Constant) else None
            if isinstance(place, int) and place >= array.next_index:
                array.next_index = place + 1
        name = f"k{len(self.constants)}"
        self.constants[name] = array
        return load(name)

    def _ternary(self, node: tree.Ternary) -> ast.expr:
        if node.then is not None:
            return ast.IfExp(self.truth(node.condition), self.value(node.then), self.value(node.otherwise))
        kept = self.temporary()
        test = call("truthy", keep_as(kept, self.value(node.condition)))
        return ast.IfExp(test, load(kept), self.value(node.otherwise))

    def _match(self, node: tree.Match) -> ast.expr:
        subject = self.temporary()
        default = next((value for tests, value in node.arms if not tests), None)
        result = call("match_failed") if default is None else self.value(default)
        for tests, value in reversed(node.arms):
            if tests:
                fits = [call("strict_equal", load(subject), self.value(test)) for test in tests]
                result = ast.IfExp(fits[0] if len(fits) == 1 else ast.BoolOp(ast.Or(), fits), self.value(value), result)
        return last_of(keep_as(subject, self.value(node.subject)), result)

    # -- calls

    def _call(self, node: tree.Call) -> ast.expr:
        function = functions()[node.name]
        self.calls.add(node.name)
        arguments = [self._argument(function, position, value) for position, value in enumerate(node.arguments)]
        return call(f"f_{node.name}", *arguments)

    def _argument(self, function: Function, position: int, node: tree.Expr) -> ast.expr:
        parameter = function.parameter(position)
        expected = parameter.type.removeprefix("?")
        if parameter.by_reference and isinstance(node, tree.Variable):
            return self._reference(function, expected, node)
        if expected == "callable":
            return self._callback(node)
        if expected == "mixed":
            return self.owned(node) if function.keeps else self.value(node)
        if kind(node) == expected:
            return self.value(node)
        where = constant(f"{function.name}(): argument {position + 1} (${parameter.name})")
        how = _ARGUMENTS[expected] + ("_or_null" if parameter.type.startswith("?") else "")
        converted = call(how, self.value(node), where)
        return _unless_text(self.value(node), converted) if "string" in expected and _cheap(node) else converted

    def _reference(self, function: Function, expected: str, node: tree.Variable) -> ast.expr:
        """A variable that the function changes: its own array, or a fresh one for what is only given back."""
        if expected == "mixed":
            return keep_as(self.slot(node.name), call("array_of", ast.Tuple([], ast.Load())))
        return call("array_argument", load(self.slot(node.name)), constant(f"{function.name}(): the array"))

    def _callback(self, node: tree.Expr) -> ast.expr:
        """A function named by a literal, with the conversion of its one argument."""
        if not isinstance(node, tree.Constant) or not isinstance(node.value, str):
            return constant(None)
        function = functions()[node.value.lower()]
        item = self.temporary()
        arguments = ast.arguments([], [ast.arg(item)], None, [], [], None, [])
        self.calls.add(function.name)
        expected = function.parameter(0).type
        written = load(item)
        if expected != "mixed":
            where = constant(f"{function.name}(): argument 1 (${function.parameter(0).name})")
            written = call(_ARGUMENTS[expected.removeprefix("?")], written, where)
        return ast.Lambda(arguments, call(f"f_{function.name}", written))

    # -- changes

    def owned(self, node: tree.Expr) -> ast.expr:
        """The value, as a copy where a later change of another variable could be seen through it."""
        fresh = kind(node) in SCALARS or (kind(node) == "array" and isinstance(node, tree.Call))
        fresh = fresh or (isinstance(node, tree.ArrayLiteral) and any(not _literal(item) for item in node.items))
        return self.value(node) if fresh or not self.changes else call("own", self.value(node))

    def effect(self, node: tree.Expr) -> list[ast.stmt]:
        """The expression as statements, its value unused."""
        if isinstance(node, tree.Assign) and not node.operator and not isinstance(node.target, tree.ListTarget):
            return self.assign_from(node.target, self.owned(node.value))
        if isinstance(node, tree.Assign) and isinstance(node.target, tree.Variable) and node.operator != "??":
            return self.assign_from(node.target, self._combined(node, load(self.slot(node.target.name))))
        if isinstance(node, tree.Increment) and isinstance(node.target, tree.Variable):
            slot = self.slot(node.target.name)
            return [ast.Assign([store(slot)], call(_stepping(node), load(slot)))]
        return [ast.Expr(self.value(node))]

    def assign_from(self, target: tree.Target, value: ast.expr) -> list[ast.stmt]:
        if isinstance(target, tree.Variable):
            return [ast.Assign([store(self.slot(target.name))], value)]
        if isinstance(target, tree.ListTarget):
            kept = self.temporary()
            start: list[ast.stmt] = [ast.Assign([store(kept)], value)]
            return start + [ast.Expr(written) for written in self._taken_apart(target, kept)]
        name, written = self._put(target, value)
        return [ast.Assign([store(name)], written)]

    def path(self, target: tree.Index) -> tuple[str, list[ast.expr]]:
        """The variable at the root of `$a[1][2]` and the keys below it."""
        keys: list[ast.expr] = []
        node: tree.Expr = target
        while isinstance(node, tree.Index):
            keys.append(load("APPEND") if node.key is None else self.value(node.key))
            node = node.base
        if not isinstance(node, tree.Variable):
            raise TypeError("only variables are written to")
        return self.slot(node.name), keys[::-1]

    def _put(self, target: tree.Index, value: ast.expr) -> tuple[str, ast.expr]:
        name, keys = self.path(target)
        if len(keys) > 1:
            return name, call("put_deep", load(name), ast.Tuple(keys, ast.Load()), value)
        if target.key is None:
            return name, call("append", load(name), value)
        return name, call("put", load(name), keys[0], value)

    def _assignment(self, node: tree.Assign) -> ast.expr:
        if isinstance(node.target, tree.ListTarget):
            kept = self.temporary()
            return last_of(keep_as(kept, self.value(node.value)), *self._taken_apart(node.target, kept), load(kept))
        if node.operator == "??":
            kept = self.temporary()
            old = keep_as(kept, self.quiet(node.target))
            new = self._stored(node.target, self.owned(node.value))
            return ast.IfExp(is_null(old, negated=True), load(kept), new)
        if not node.operator:
            return self._stored(node.target, self.owned(node.value))
        return self._stored(node.target, self._combined(node, self.value(node.target)))

    def _combined(self, node: tree.Assign, old: ast.expr) -> ast.expr:
        function = "concat" if node.operator == "." else _OPERATORS[node.operator]
        return call(function, old, self.value(node.value))

    def _stored(self, target: tree.Variable | tree.Index, value: ast.expr) -> ast.expr:
        if isinstance(target, tree.Variable):
            return keep_as(self.slot(target.name), value)
        kept = self.temporary()
        name, written = self._put(target, load(kept))
        return last_of(keep_as(kept, value), keep_as(name, written), load(kept))

    def _taken_apart(self, target: tree.ListTarget, source: str) -> list[ast.expr]:
        written: list[ast.expr] = []
        for key, inner in target.items:
            item = call("list_item", load(source), self.value(key))
            if isinstance(inner, tree.ListTarget):
                kept = self.temporary()
                written += [keep_as(kept, item), *self._taken_apart(inner, kept)]
            else:
                written.append(self._stored(inner, call("own", item) if self.changes else item))
        return written

    def _increment(self, node: tree.Increment) -> ast.expr:
        kept = self.temporary()
        new = call(_stepping(node), keep_as(kept, self.value(node.target)))
        stored = self._stored(node.target, new)
        return stored if node.prefix else last_of(stored, load(kept))


def _cheap(node: tree.Expr) -> bool:
    """Whether reading it twice costs nothing."""
    return isinstance(node, tree.Variable | tree.Cell)


def _unless_text(value: ast.expr, converted: ast.expr) -> ast.expr:
    """`value if value.__class__ is str else converted`"""
    is_text = ast.Compare(ast.Attribute(value, "__class__", ast.Load()), [ast.Is()], [load("str")])
    return ast.IfExp(is_text, value, converted)


def _stepping(node: tree.Increment) -> str:
    return "increment" if node.operator == "++" else "decrement"


def _literal(item: "tuple[tree.Expr | None, tree.Expr]") -> bool:
    return isinstance(item[1], tree.Constant) and (item[0] is None or isinstance(item[0], tree.Constant))
