"""What a worker process of the console does: one job at a time, its progress written as it goes."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from multiprocessing import parent_process
from threading import Lock, Thread
from typing import Any, Final

import polars as pl

from deployments.console.jobs import Job, Jobs
from deployments.console.sealed_file import SealedWriter
from deployments.imports import request_for, run_flow, run_undo_flow, simulate_undo
from flows.order import as_function, simulate_import, watcher
from flows.request import UndoRequest, open_job
from tasks.errors import RollcallError
from tasks.failed_rows import failed_rows_csv
from tasks.output import Table
from tasks.profile import Profile
from tasks.redact import safe
from tasks.report import Report
from tasks.sealed import seal_result
from tasks.settings import Settings
from tasks.step import Step
from tasks.store.store import open_store

PLAN_NAME: Final = "plan"


def end_with_console() -> None:
    """Ends this worker when the console is gone, even by `kill -9`, as soon as it has done what it is doing."""
    console = parent_process()

    def wait() -> None:
        if console is not None:
            console.join()
            with _working:
                os._exit(0)

    Thread(target=wait, daemon=True).start()


_working: Final = Lock()


def warm_up(flows: bool) -> None:
    """Loads what the first job would wait for; where flows run, the server that records them as well."""
    if not flows:
        return
    import_module("flows.import_users")
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        client.hello()


def perform(job_id: str) -> None:
    """Does the job; whatever becomes of it stands in the job's folder afterwards."""
    settings = Settings()
    jobs = Jobs(settings.home / "console" / "jobs", open_store(settings).keyring)
    job = jobs.read(job_id)
    if job is None or job.over:
        return
    with _working:
        _perform(job, jobs, settings)


def _perform(job: Job, jobs: Jobs, settings: Settings) -> None:
    job = jobs.write(replace(job, status="running"))
    try:
        done = safe(_KINDS[job.kind])(job, jobs, settings)
    except RollcallError as error:
        known = jobs.read(job.id) or job
        done = replace(known, status="failed", error=(error.code, error.message))
    jobs.write(replace(done, finished=time.time()))


def _simulate(job: Job, jobs: Jobs, settings: Settings) -> Job:
    watched = _Watched(job, jobs)
    work = open_job(request_for(job.profile, jobs.upload(job), settings), settings)
    report = simulate_import(work, watched.call)
    keep_plan(report, job.id, jobs)
    if watched.table is not None and report.plan.issues.filter(pl.col("severity") == "error").height:
        _keep_failed_rows(watched.table, report, work.profile, jobs, job.id)
    return _told(watched.job, report)


def _import(job: Job, jobs: Jobs, settings: Settings) -> Job:
    watched = _Watched(job, jobs)
    request = request_for(job.profile, jobs.upload(job), settings).model_copy(
        update={"expected": job.expected or None, "approve": job.approve or None, "actor": job.actor}
    )
    with watched.flow():
        report = run_flow(request)
    if report.outcome is not None and report.outcome.applied and job.of:
        jobs.upload_path(job.of).unlink(missing_ok=True)
    return _told(watched.job, report)


def _simulate_undo(job: Job, jobs: Jobs, settings: Settings) -> Job:
    report = simulate_undo(job.undoes, settings)
    keep_plan(report, job.id, jobs)
    return _told(job, report)


def _undo(job: Job, jobs: Jobs, settings: Settings) -> Job:
    del settings
    watched = _Watched(job, jobs)
    with watched.flow():
        report = run_undo_flow(UndoRequest(run=job.undoes, approve=job.approve, actor=job.actor))
    return _told(watched.job, report)


_KINDS: Final[dict[str, Callable[[Job, Jobs, Settings], Job]]] = {
    "simulate": _simulate,
    "import": _import,
    "simulate-undo": _simulate_undo,
    "undo": _undo,
}


class _Watched:
    """Notes each step of a job as it begins; catches the parsed rows, which failed rows are made of."""

    def __init__(self, job: Job, jobs: Jobs) -> None:
        self.job = job
        self.jobs = jobs
        self.table: Table | None = None

    def tell(self, step: str) -> None:
        self.job = self.jobs.write(replace(self.job, steps=[*self.job.steps, (step, time.time())]))

    @contextmanager
    def flow(self) -> Generator[None]:
        """Hears of the steps of the flow that runs inside."""
        token = watcher.set(self.tell_flow)
        try:
            yield
        finally:
            watcher.reset(token)

    def tell_flow(self, step: str) -> None:
        if not self.job.flow_run:
            from prefect.runtime import flow_run

            self.job = replace(self.job, flow_run=str(flow_run.id or ""))
        self.tell(step)

    def call(self, step: Step[Any, Any], /) -> Callable[..., Any]:
        function = as_function(step)

        def run(*args: Any, **kwargs: Any) -> Any:
            self.tell(step.name)
            output = function(*args, **kwargs)
            if step.name == "parse":
                self.table = output
            return output

        return run


def keep_plan(report: Report, job_id: str, jobs: Jobs) -> None:
    """Seals what the plan's pages show: no value that is not shown."""
    plan = report.plan
    shown = {
        "headline": report.headline,
        "checksum": plan.checksum,
        "held": plan.held,
        "mode": plan.mode,
        "owned": plan.owned,
        "clean": plan.clean,
        "summary": plan.summary,
        "facts": {"rows": plan.facts.rows, "encoding": plan.facts.encoding, "size_bytes": plan.facts.size_bytes},
        "changes": plan.told,
        "phones": plan.phones.select("action", "login", "kind", "mac", "before", "row"),
        "issues": plan.issues.select("row", "line", "column", "code", "severity", "message").sort(
            "severity", "row", nulls_last=False, maintain_order=True
        ),
    }
    (jobs.place(job_id) / "plan").write_bytes(seal_result(shown, PLAN_NAME + job_id, jobs.keyring))


def _told(job: Job, report: Report) -> Job:
    outcome = report.outcome
    status = outcome.status if outcome else "held" if report.plan.held else "planned"
    return replace(
        job, status="done", headline=report.headline, outcome=status, run=outcome.run if outcome else "", error=None
    )


def _keep_failed_rows(table: Table, report: Report, profile: Profile, jobs: Jobs, job_id: str) -> None:
    writer = SealedWriter(jobs.place(job_id) / "failed", jobs.keyring)
    writer.write(failed_rows_csv(table, report.plan.issues, profile))
    writer.close()
