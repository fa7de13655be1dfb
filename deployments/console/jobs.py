"""Simulations and imports that the console runs: each a folder under ROLLCALL_HOME, done by a worker process.

The folder holds `job.json` (no secret, no cell), the sealed plan and the sealed failed rows, for 24 hours at most; the
upload lies sealed in the database, where any worker finds it. So a restart of the console loses nothing, a large file
never stands in the server's memory, and pages stay quick while a plan is made.
"""

import json
import os
import re
import secrets
import shutil
import time
from calendar import timegm
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from tasks.keyring import Keyring, SealError

Kind = Literal["simulate", "import", "simulate-undo", "undo"]
Status = Literal["waiting", "running", "done", "failed"]

KEPT_SECONDS: Final = 24 * 3600
_ID: Final = re.compile(r"[0-9a-z-]{10,40}")


@dataclass(frozen=True, kw_only=True)
class Job:
    """One piece of work, as its page shows it.

    `steps` are the names of the steps begun with the time of each; `of` is the job whose plan an import applies.
    """

    id: str
    kind: Kind
    profile: str
    actor: str
    created: float
    status: Status = "waiting"
    file: str = ""
    size_bytes: int = 0
    upload: str = ""
    of: str = ""
    expected: str = ""
    approve: str = ""
    undoes: str = ""
    run: str = ""
    flow_run: str = ""
    headline: str = ""
    outcome: str = ""
    error: tuple[str, str] | None = None
    steps: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    finished: float = 0.0

    @property
    def source(self) -> dict[str, Any]:
        """The file of this work, as another job takes it over."""
        return {"file": self.file, "size_bytes": self.size_bytes, "upload": self.upload}

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in {"done", "failed"}


class Jobs:
    """The folders of all jobs."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        self.keyring = keyring

    def new(self, kind: Kind, profile: str, actor: str, **facts: Any) -> Job:
        """A job with an empty folder."""
        created = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(created))
        job = Job(
            id=f"{stamp}-{secrets.token_hex(4)}", kind=kind, profile=profile, actor=actor, created=created, **facts
        )
        self.place(job.id).mkdir(parents=True, mode=0o700)
        self.write(job)
        return job

    def place(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.folder / job_id

    def read(self, job_id: str) -> Job | None:
        """The job; None where there is none (any more), or where its 24 hours are over."""
        if not _ID.fullmatch(job_id):
            return None
        try:
            content: dict[str, Any] = json.loads((self.place(job_id) / "job.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        content |= {
            "steps": [(name, at) for name, at in content["steps"]],
            "error": tuple(content["error"] or ()) or None,
        }
        job = Job(**content)
        return job if time.time() - job.created < KEPT_SECONDS else None

    def write(self, job: Job) -> Job:
        """Keeps the job as it is now."""
        path = self.place(job.id) / "job.json"
        draft = path.with_name(f".job.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(asdict(job), file, ensure_ascii=False)
        draft.replace(path)
        return job

    def all(self) -> list[Job]:
        """Every job, newest first."""
        if not self.folder.is_dir():
            return []
        names = sorted((path.name for path in self.folder.iterdir()), reverse=True)
        return [job for job in map(self.read, names) if job is not None]

    def keep_failed_rows(self, job_id: str, rows: bytes) -> None:
        """Seals the rows that did not get in."""
        sealed = self.keyring.seal(rows, table="plans", row=job_id, column="failed")
        (self.place(job_id) / "failed").write_bytes(sealed)

    def failed_rows(self, job_id: str) -> bytes | None:
        """The rows that did not get in, as CSV; None where all did, or where no key opens them any more."""
        try:
            sealed = (self.place(job_id) / "failed").read_bytes()
            return self.keyring.open(sealed, table="plans", row=job_id, column="failed")
        except (FileNotFoundError, SealError):
            return None

    def discard(self, job_id: str) -> None:
        """Takes a job away with all that it kept."""
        if _ID.fullmatch(job_id):
            shutil.rmtree(self.place(job_id), ignore_errors=True)

    def sweep(self, now: float) -> None:
        """Takes away what is older than 24 hours."""
        for place in self.folder.iterdir() if self.folder.is_dir() else ():
            if now - _made(place) >= KEPT_SECONDS:
                self.discard(place.name)


def _made(place: Path) -> float:
    """When the job of a folder was made, by its name; a folder of another name is nothing of ours."""
    try:
        return timegm(time.strptime(place.name[:15], "%Y%m%d-%H%M%S"))
    except ValueError:
        return float("inf")


class Desk:
    """Hands jobs to two worker processes that stay warm: one makes plans, the other runs flows.

    So a plan never waits for an import. A worker that dies takes only its own job along.
    """

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._pools: dict[bool, ProcessPoolExecutor] = {}
        self._lock = Lock()

    def warm(self) -> None:
        """Starts the workers before their first job."""
        from deployments.console.work import warm_up

        for flows in (False, True):
            self._submit(flows, warm_up, flows)

    def hand_over(self, job: Job) -> None:
        """Begins the job in a worker."""
        from deployments.console.work import perform

        def note_death(done: Future[None]) -> None:
            now = self.jobs.read(job.id)
            if (done.cancelled() or done.exception() is not None) and now is not None and not now.over:
                message = "The worker ended before the work did. Look at the history, and try again."
                self.jobs.write(replace(now, status="failed", error=("worker-died", message), finished=time.time()))

        self._submit(job.kind in {"import", "undo"}, perform, job.id).add_done_callback(note_death)

    def close(self) -> None:
        """Ends the workers once they have done what they are doing."""
        with self._lock:
            for pool in self._pools.values():
                pool.shutdown(wait=False, cancel_futures=True)
            self._pools.clear()

    def _submit(self, flows: bool, work: Callable[..., None], *arguments: Any) -> Future[None]:
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
