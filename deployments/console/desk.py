"""The desk: hands jobs to the worker processes of the console, and notes when one of them dies."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from threading import Lock
from typing import Any, TypeVar

from deployments.console.jobs import Job, Jobs

T = TypeVar("T")


class Desk:
    """Hands jobs to two worker processes that stay warm: one makes plans, the other runs flows.

    So a plan never waits for an import. A worker that dies takes only its own job along.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._pools: dict[bool, ProcessPoolExecutor] = {}
        self._warm: Future[dict[str, str]] | None = None
        self._lock = Lock()

    def warm(self) -> None:
        """Starts the workers before their first job."""
        from deployments.console.work import warm_up

        self._submit(False, warm_up, False)
        self._warm = self._submit(True, warm_up, True)

    def recorder(self) -> dict[str, str] | None:
        """What a client of the server that records the flows of this desk needs; None as long as there is none."""
        warm = self._warm
        return warm.result() if warm is not None and warm.done() and not _failed(warm) else None

    def hand_over(self, job: Job) -> None:
        """Begins the job in a worker."""
        from deployments.console.work import perform

        def note_death(done: Future[None]) -> None:
            now = self.jobs.read(job.id)
            if _failed(done) and now is not None and not now.over:
                message = "The worker ended before the work did. Look at the history, and try again."
                self.jobs.write(replace(now, status="failed", error=("worker-died", message), finished=time.time()))
            self.jobs.let_go(job.id)

        self._submit(job.kind in {"import", "undo"}, perform, job.id).add_done_callback(note_death)

    def close(self) -> None:
        """Ends the workers once they have done what they are doing."""
        with self._lock:
            for pool in self._pools.values():
                pool.shutdown(wait=False, cancel_futures=True)
            self._pools.clear()

    def _submit(self, flows: bool, work: Callable[..., T], *arguments: Any) -> Future[T]:
        with self._lock:
            try:
                return self._workers(flows).submit(work, *arguments)
            except BrokenProcessPool:
                del self._pools[flows]
                return self._workers(flows).submit(work, *arguments)

    def _workers(self, flows: bool) -> ProcessPoolExecutor:
        from deployments.console.work import end_with_console

        if flows not in self._pools:
            context = get_context("spawn")
            self._pools[flows] = ProcessPoolExecutor(1, mp_context=context, initializer=end_with_console)
        return self._pools[flows]


def _failed(done: Future[Any]) -> bool:
    return done.cancelled() or done.exception() is not None
