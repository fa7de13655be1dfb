"""Simulations and imports that the console runs: each a folder under ROLLCALL_HOME, done by a worker process.

The folder holds `job.json` (no secret, no cell), the sealed plan and the sealed failed rows, for 24 hours at most; the
upload lies sealed in the database, where any worker finds it. So a restart of the console loses nothing, a large file
never stands in the server's memory, and pages stay quick while a plan is made.

Whoever is to do a job, or does it, holds its lease. Work that is not over and that nobody holds will never be done, and
is told so at once.
"""

import json
import os
import re
import secrets
import shutil
import time
from calendar import timegm
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

from deployments.console.leases import is_held, take_lease
from tasks.keyring import Keyring, SealError

Kind = Literal["simulate", "import", "simulate-undo", "undo"]
Status = Literal["waiting", "running", "done", "failed"]

ENDS: Final = frozenset({"done", "failed"})
NOT_BEGUN: Final = (
    "not-begun",
    "The console ended before this began. Nothing was written; simulate again.",
)
INTERRUPTED: Final = (
    "interrupted",
    "The console ended before the work did. A worker that does it goes on. Look at the history, and try again.",
)
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
        return self.status in ENDS


class Jobs:
    """The folders of all jobs."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        self.keyring = keyring
        self._leases: dict[str, int] = {}

    def new(self, kind: Kind, profile: str, actor: str, **facts: Any) -> Job:
        """A job with an empty folder, and its lease, which is held until `let_go`."""
        created = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(created))
        job = Job(
            id=f"{stamp}-{secrets.token_hex(4)}", kind=kind, profile=profile, actor=actor, created=created, **facts
        )
        self.place(job.id).mkdir(parents=True, mode=0o700)
        self._leases[job.id] = take_lease(self._lease(job.id))
        self.write(job)
        return job

    def let_go(self, job_id: str) -> None:
        """Gives up the lease of a job that was made here."""
        lease = self._leases.pop(job_id, None)
        if lease is not None:
            os.close(lease)

    @contextmanager
    def held(self, job_id: str) -> Generator[None]:
        """Inside, this process does the job: it holds the lease beside whoever made the job."""
        lease = take_lease(self._lease(job_id))
        try:
            yield
        finally:
            os.close(lease)

    def _lease(self, job_id: str) -> Path:
        return self.place(job_id) / "lease"

    def place(self, job_id: str) -> Path:
        """The folder of a job."""
        return self.folder / job_id

    def read(self, job_id: str) -> Job | None:
        """The job; None where there is none (any more), or where its 24 hours are over.

        One that nobody will end has failed, whatever its file says.
        """
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
        if time.time() - job.created >= KEPT_SECONDS:
            return None
        return job if job.over else self._unless_interrupted(job)

    def _unless_interrupted(self, job: Job) -> Job | None:
        try:
            if is_held(self._lease(job.id)):
                return job
            # Whoever did it may have written its end, and let it go, since its file was read.
            content: dict[str, Any] = json.loads((self.place(job.id) / "job.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        if content["status"] in ENDS:
            return self.read(job.id)
        error = NOT_BEGUN if job.status == "waiting" else INTERRUPTED
        heard = max([job.created, *(began for _, began in job.steps)])
        return replace(job, status="failed", error=error, finished=heard)

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
        found = (self.read(path.name) for path in self.folder.iterdir())
        return sorted((job for job in found if job is not None), key=lambda job: job.created, reverse=True)

    def keep_failed_rows(self, job_id: str, rows: bytes) -> None:
        """Seals the rows that did not get in."""
        self.keep(job_id, "failed", self.keyring.seal(rows, table="plans", row=job_id, column="failed"))

    def keep(self, job_id: str, name: str, sealed: bytes) -> None:
        """Keeps something sealed in the job's folder."""
        path = self.place(job_id) / name
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123 - mode
            file.write(sealed)

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
            self.let_go(job_id)
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
