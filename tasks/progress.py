"""How far a long step is, as a bar in Prefect's UI; nothing at all where no task runs, or where it is soon done."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

PATIENCE_SECONDS: Final = 2.0


@contextmanager
def progress(description: str, total: int) -> Generator[Callable[[int], None]]:
    """Gives a function to call with the number of things done so far.

    The bar appears when the work lasts longer than `PATIENCE_SECONDS` and moves at most that often, because each move
    is a request to the server.
    """
    if not _in_a_task():
        yield lambda done: None
        return
    bar = _Bar(description, total)
    yield bar.advance
    bar.close()


class _Bar:
    def __init__(self, description: str, total: int) -> None:
        self.description = description
        self.total = max(total, 1)
        self.artifact: UUID | None = None
        self.moved = time.monotonic()

    def advance(self, done: int) -> None:
        if time.monotonic() - self.moved >= PATIENCE_SECONDS:
            self.moved = time.monotonic()
            self._show(min(100 * done / self.total, 100.0))

    def close(self) -> None:
        if self.artifact is not None:
            self._show(100.0)

    def _show(self, percent: float) -> None:
        from prefect import artifacts

        # `_sync`, because a step runs beside the event loop of its flow and cannot await.
        calls: Any = artifacts
        if self.artifact is None:
            self.artifact = calls.create_progress_artifact(percent, description=self.description, _sync=True)
        else:
            calls.update_progress_artifact(self.artifact, percent, _sync=True)


def _in_a_task() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.context import TaskRunContext

    return TaskRunContext.get() is not None
