"""The nodes of a Structure's template: text, placeholders, blocks.

A template is read once, at load, into a tree of these. Every node knows its offset in the text, so that whatever
is wrong with it, then or in row one million, can be shown with line, column and caret.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Reads: TypeAlias = frozenset[str]


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text."""

    offset: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """A placeholder: `expression` in Jinja; `name` where it is a plain name of variable or column.

    `slot` numbers its values when the template has been rendered for one row; -1 in the template itself.
    """

    offset: int
    tag: str
    expression: str
    name: str | None
    reads: Reads
    slot: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Test:
    """What a branch asks: a Jinja expression; `name` where it only asks whether a name is empty or, negated, is not."""

    expression: str
    name: str | None
    negated: bool
    reads: Reads


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """One way through a block; `test` is None for else."""

    tag: str
    test: Test | None
    body: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """`if` takes the first branch whose test holds; `for` repeats its first branch, or takes its else.

    `header` is the Jinja text of a loop: `x in xs`.
    """

    offset: int
    kind: Literal["if", "for"]
    branches: tuple[Branch, ...]
    closing: str
    header: str = ""

    @property
    def has_else(self) -> bool:
        """Whether some branch is always taken."""
        return self.branches[-1].test is None


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """`{% set x = … %}`: prints nothing."""

    offset: int
    tag: str
    header: str


Node: TypeAlias = Text | Hole | Block | Assignment


@dataclass(frozen=True, eq=False)
class Template:
    """A Structure read as a template; `keys` tells by what identifier Jinja reads each name that the text reads."""

    text: str
    nodes: tuple[Node, ...]
    keys: dict[str, str]

    @property
    def reads(self) -> Reads:
        """The names that the text reads, as written."""
        return frozenset(self.keys)


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Every node, in the order of the text."""
    for node in nodes:
        yield node
        if isinstance(node, Block):
            for branch in node.branches:
                yield from walk(branch.body)
