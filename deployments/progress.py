"""What a person at a terminal sees while an import is made: the step that runs, on one line that goes again."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from flows.order import watcher
from tasks.progress import listener

_CLEAR_LINE: Final = "\r\x1b[2K"


@contextmanager
def shown_steps() -> Generator[None]:
    """Inside, each step is named on stderr as it begins, a long one with its share; nothing where it is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    line = _Line()
    watching, listening = watcher.set(line.show_step), listener.set(line.show_share)
    try:
        yield
    finally:
        watcher.reset(watching)
        listener.reset(listening)
        line.clear()


class _Line:
    def __init__(self) -> None:
        self.step = ""

    def show_step(self, step: str) -> None:
        self.step = step
        self._write(f"{step} …")

    def show_share(self, description: str, percent: float) -> None:
        self._write(f"{self.step} … {percent:.0f} % of its {description}")

    def clear(self) -> None:
        self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(_CLEAR_LINE + text)
        sys.stderr.flush()
