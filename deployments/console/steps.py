"""Which steps a piece of work takes, and when each began."""

from collections.abc import Iterable
from typing import Final

from tasks.step import ORDER

_WAYS: Final = {
    "import": ORDER,
    "simulate": tuple(name for name in ORDER if name != "apply"),
    "undo": ("apply", "report"),
    "simulate-undo": (),
}


def steps_of(kind: str, begun: Iterable[tuple[str, float]]) -> list[tuple[str, float | None]]:
    """Every step of the work with the time at which it began; None for what is still to come."""
    times = dict(begun)
    return [(name, times.get(name)) for name in _WAYS[kind]]
