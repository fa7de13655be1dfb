"""Simulations and imports that the console runs: each a folder under ROLLCALL_HOME, done by a worker process.

The folder holds `job.json` (no secret, no cell), the sealed upload, the sealed plan and the sealed failed rows, for 24
hours at most. So a restart of the console loses nothing, a large file never stands in the server's memory, and pages
stay quick while a plan is made.
"""

import json
import os
import re
import secrets
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from deployments.console.sealed_file import SealedFile
from tasks.keyring import Keyring

Kind = Literal["simulate", "import", "undo-plan", "undo"]
Status = Literal["waiting", "running", "done", "failed"]

KEPT_SECONDS: Final = 24 * 3600
WORKERS: Final = 2
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
    of: str = ""
    expected: str = ""
    approve: str = ""
    run: str = ""
    flow_run: str = ""
    headline: str = ""
    outcome: str = ""
    error: tuple[str, str] | None = None
    steps: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    finished: float = 0.0

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
        """The job; None where there is none (any more)."""
        if not _ID.fullmatch(job_id):
            return None
        try:
            content = json.loads((self.place(job_id) / "job.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        content["steps"] = [(name, at) for name, at in content["steps"]]
        return Job(**{**content, "error": tuple(content["error"]) if content["error"] else None})

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

    def upload_path(self, job_id: str) -> Path:
        """Where the sealed upload of a job lies."""
        return self.place(job_id) / "upload"

    def upload(self, job: Job) -> SealedFile | None:
        """The upload of a job, or of the job whose plan it applies; None for a profile that fetches."""
        if not job.file:
            return None
        return SealedFile(self.upload_path(job.of or job.id), job.file, self.keyring)

    def discard(self, job_id: str) -> None:
        """Takes a job away with all that it kept."""
        if _ID.fullmatch(job_id):
            shutil.rmtree(self.place(job_id), ignore_errors=True)

    def sweep(self, now: float) -> None:
        """Takes away what is older than 24 hours."""
        for job in self.all():
            if now - job.created > KEPT_SECONDS:
                self.discard(job.id)


class Desk:
    """Hands jobs to worker processes, which stay warm; a worker that dies takes only its own job along."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def warm(self) -> None:
        """Starts a worker before the first job needs it."""
        from deployments.console.work import warm_up

        self._submit(warm_up)

    def hand_over(self, job: Job) -> Job:
        """Begins the job in a worker."""
        from deployments.console.work import perform

        self.jobs.sweep(time.time())
        future = self._submit(perform, job.id)

        def note_death(done: Any) -> None:
            now = self.jobs.read(job.id)
            if done.exception() is not None and now is not None and not now.over:
                message = "The worker ended before the work did. Nothing was written. Try again."
                self.jobs.write(replace(now, status="failed", error=("worker-died", message), finished=time.time()))

        future.add_done_callback(note_death)
        return job

    def close(self) -> None:
        """Ends the workers."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None

    def _submit(self, work: Any, *arguments: str) -> Any:
        with self._lock:
            try:
                return self._workers().submit(work, *arguments)
            except BrokenProcessPool:
                self._pool = None
                return self._workers().submit(work, *arguments)

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"))
        return self._pool
