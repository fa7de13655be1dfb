"""The shape of a Structure: its JSON with the template's placeholders and blocks still in it.

A block stands where it takes whole members, whole items or a part of one string; then the shape says what every row
can become before the first row is read.
"""

from dataclasses import dataclass
from typing import TypeAlias

from tasks.rendering.template import Block, Hole


@dataclass(frozen=True, slots=True)
class Str:
    """A string: literal pieces, placeholders, and blocks of such."""

    offset: int
    parts: tuple["str | Hole | StrFork", ...]


@dataclass(frozen=True, slots=True)
class Word:
    """A number, true, false or null, as written."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Bare:
    """A placeholder outside of quotes: each row must render a JSON value there."""

    offset: int
    hole: Hole


@dataclass(frozen=True, slots=True)
class Arr:
    """An array."""

    offset: int
    items: tuple["Value | ArrFork", ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A key with its value; `start` and `end` hold the value in the text."""

    offset: int
    key: str
    value: "Value"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Obj:
    """An object."""

    offset: int
    entries: tuple["Member | ObjFork", ...]


@dataclass(frozen=True, slots=True)
class StrFork:
    """A block inside a string, branch by branch."""

    block: Block
    branches: tuple[tuple["str | Hole | StrFork", ...], ...]


@dataclass(frozen=True, slots=True)
class ArrFork:
    """A block around items of an array, branch by branch."""

    block: Block
    branches: tuple[tuple["Value | ArrFork", ...], ...]


@dataclass(frozen=True, slots=True)
class ObjFork:
    """A block around members of an object, branch by branch."""

    block: Block
    branches: tuple[tuple["Member | ObjFork", ...], ...]


Value: TypeAlias = Str | Word | Bare | Arr | Obj
StrPart: TypeAlias = str | Hole | StrFork
Item: TypeAlias = Value | ArrFork
Entry: TypeAlias = Member | ObjFork


@dataclass(frozen=True)
class Reading:
    """What a tolerant reader found: the shape, or why there is none.

    `cut` is the place where a block does not fit into the JSON; `doubts` are places that only some rows spell wrongly.
    """

    shape: Obj | None
    problems: tuple[tuple[int, str], ...]
    doubts: tuple[tuple[int, str], ...]
    cut: tuple[int, str] | None
    typographic: int | None
