"""What is shown of an output, as plain data: the artifact of its step in Prefect's UI is made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, cast, runtime_checkable

Cell = str | int | None

CELL_CHARACTERS: Final = 60


@dataclass(frozen=True)
class Preview:
    """What is shown of one output: no secret, and no cell that could hold one.

    `facts` are counts and short texts, `rows` a table of cells, `text` is Markdown, `picture` is SVG. `outcomes` tells
    what became of every row of the file up to here, for the picture of the whole way.
    """

    title: str
    facts: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    rows: Sequence[Mapping[str, Cell]] = ()
    text: str = ""
    picture: str = ""
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])


@runtime_checkable
class Previewed(Protocol):
    """An output that knows itself what may be seen of it."""

    def preview(self) -> Preview:
        """What is shown of this output."""
        ...


def shown_cell(value: object) -> Cell:
    """A cell as a table shows it: lists joined, long texts shortened."""
    if value is None or isinstance(value, int):
        return value
    text = ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    return text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1]}…"
