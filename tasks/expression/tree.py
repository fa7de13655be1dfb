"""The small syntax tree that both ways to run are made from: what is left of PHP once everything harmful is out.

Every node is immutable. `Cell` is `$row["name"]` with a literal name, on a `$row` that the snippet never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Constant:
    value: bool | int | float | str | None


@dataclass(frozen=True)
class Cell:
    name: str


@dataclass(frozen=True)
class Variable:
    """`$name`; `row` is the row itself."""

    name: str


@dataclass(frozen=True)
class Index:
    """`$base[$key]`; no key is `$base[]`, which can only be written."""

    base: Expr
    key: Expr | None


@dataclass(frozen=True)
class ArrayLiteral:
    items: tuple[tuple[Expr | None, Expr], ...]


@dataclass(frozen=True)
class Concat:
    parts: tuple[Expr, ...]


@dataclass(frozen=True)
class Unary:
    """`!`, `-`, `+` or `~`."""

    operator: str
    operand: Expr


@dataclass(frozen=True)
class Binary:
    """Arithmetic, bits and comparison."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Logical:
    """`&&` or `||` over two parts or more."""

    operator: str
    parts: tuple[Expr, ...]


@dataclass(frozen=True)
class Ternary:
    """`a ? b : c`; without b it is `a ?: c`."""

    condition: Expr
    then: Expr | None
    otherwise: Expr


@dataclass(frozen=True)
class Coalesce:
    left: Expr
    right: Expr


@dataclass(frozen=True)
class IsSet:
    targets: tuple[Expr, ...]


@dataclass(frozen=True)
class Empty:
    target: Expr


@dataclass(frozen=True)
class Call:
    """A function of the table."""

    name: str
    arguments: tuple[Expr, ...]


@dataclass(frozen=True)
class Cast:
    """To int, float, string, bool or array."""

    type: str
    operand: Expr


@dataclass(frozen=True)
class Match:
    """Arms without conditions are the default."""

    subject: Expr
    arms: tuple[tuple[tuple[Expr, ...], Expr], ...]


@dataclass(frozen=True)
class ListTarget:
    """`[$a, , "k" => $b] = …`: keys are filled in."""

    items: tuple[tuple[Expr, Target], ...]


@dataclass(frozen=True)
class Assign:
    """`target = value`, or with an operator as `.=` and `??=`."""

    target: Target
    value: Expr
    operator: str = ""


@dataclass(frozen=True)
class Increment:
    target: Variable | Index
    operator: str
    prefix: bool


@dataclass(frozen=True)
class Return:
    value: Expr


@dataclass(frozen=True)
class Evaluate:
    """An expression for its effect."""

    value: Expr


@dataclass(frozen=True)
class If:
    branches: tuple[tuple[Expr, Block], ...]
    otherwise: Block


@dataclass(frozen=True)
class Foreach:
    subject: Expr
    key: Target | None
    value: Target
    body: Block


@dataclass(frozen=True)
class While:
    condition: Expr
    body: Block


@dataclass(frozen=True)
class DoWhile:
    condition: Expr
    body: Block


@dataclass(frozen=True)
class For:
    start: tuple[Expr, ...]
    conditions: tuple[Expr, ...]
    updates: tuple[Expr, ...]
    body: Block


@dataclass(frozen=True)
class Switch:
    """Cases without a value are the default."""

    subject: Expr
    cases: tuple[tuple[Expr | None, Block], ...]


@dataclass(frozen=True)
class Break:
    levels: int


@dataclass(frozen=True)
class Continue:
    levels: int


@dataclass(frozen=True)
class Unset:
    targets: tuple[Variable | Index, ...]


Expr: TypeAlias = (
    Constant
    | Cell
    | Variable
    | Index
    | ArrayLiteral
    | Concat
    | Unary
    | Binary
    | Logical
    | Ternary
    | Coalesce
    | IsSet
    | Empty
    | Call
    | Cast
    | Match
    | Assign
    | Increment
)
Target: TypeAlias = Variable | Index | ListTarget
Statement: TypeAlias = Return | Evaluate | If | Foreach | While | DoWhile | For | Switch | Break | Continue | Unset
Block: TypeAlias = tuple[Statement, ...]
