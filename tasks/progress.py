"""How far a long step is, told to whoever listens: a bar in Prefect's UI, a line on a terminal, or nobody."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

PATIENCE_SECONDS: Final = 2.0

T = TypeVar("T")
Listener = Callable[[str, float], None]

listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
"""Who is told what is counted and how much of it is done, in percent."""


@contextmanager
def progress(description: str, total: int) -> Generator[Callable[[int], None]]:
    """Gives a function to call with the number of things done so far.

    The listener hears of it when the work lasts longer than `PATIENCE_SECONDS`, and at most that often, because each
    word may be a request to a server. Nobody hears of a total that is not known, 0.
    """
    tell = listener.get()
    if tell is None or not total:
        yield lambda done: None
        return
    share = _Share(description, total, tell)
    yield share.advance
    share.close()


def counted(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """The items as they are; how many have passed is told."""
    with progress(description, total) as advance:
        for done, item in enumerate(items):
            yield item
            advance(done + 1)


class _Share:
    def __init__(self, description: str, total: int, tell: Listener) -> None:
        self.description = description
        self.total = total
        self.tell = tell
        self.told = False
        self.moved = time.monotonic()

    def advance(self, done: int) -> None:
        if time.monotonic() - self.moved >= PATIENCE_SECONDS:
            self.moved, self.told = time.monotonic(), True
            self.tell(self.description, min(100 * done / self.total, 100.0))

    def close(self) -> None:
        if self.told:
            self.tell(self.description, 100.0)
