"""What is shown of an output, as plain data: the artifact of its step in Prefect's UI is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

Cell = str | int | None


@dataclass(frozen=True)
class Preview:
    """What is shown of one output: no secret, and no cell that could hold one.

    `facts` are counts and short texts, `rows` a table of cells, `text` is Markdown, `picture` is SVG.
    """

    title: str
    facts: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    rows: Sequence[Mapping[str, Cell]] = ()
    text: str = ""
    picture: str = ""


@runtime_checkable
class Previewed(Protocol):
    """An output that knows itself what may be seen of it."""

    def preview(self) -> Preview:
        """What is shown of this output."""
        ...
