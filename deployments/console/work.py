"""What a worker process of the console does: one job at a time, its progress written as it goes."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import parent_process
from threading import Lock, Thread
from typing import Any, Final

import polars as pl

from deployments.console.jobs import Job, Jobs
from deployments.console.server_link import CLIENT, server_there, talking_to, workers_online
from deployments.imports import run_flow, run_undo_flow, simulate_undo
from flows.order import as_function, simulate_import, watcher
from flows.request import ImportRequest, UndoRequest, open_job
from tasks.errors import RollcallError
from tasks.failed_rows import failed_rows_csv
from tasks.output import Table
from tasks.prefect_server import start_server
from tasks.redact import safe
from tasks.report import Report
from tasks.sealed import seal_result
from tasks.settings import Settings
from tasks.step import Step
from tasks.store.runs import find_run
from tasks.store.store import open_store
from tasks.uploads import forget_expired_uploads

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


def warm_up(flows: bool) -> dict[str, str]:
    """Loads what the first job would wait for; where flows run, the server that records them as well.

    Gives what a client of that server needs.
    """
    if not flows:
        return {}
    os.environ |= server_there(Settings()) or {}
    server_is_ready = start_server()
    for flow in ("flows.import_users", "flows.undo_import", "deployments.console.on_worker"):
        import_module(flow)
    server_is_ready()
    return {name: os.environ[name] for name in CLIENT if name in os.environ}


def perform(job_id: str) -> None:
    """Does the job; whatever becomes of it stands in the job's folder afterwards."""
    settings = Settings()
    store = open_store(settings)
    forget_expired_uploads(store, datetime.now(UTC))
    jobs = Jobs(settings.home / "console" / "jobs", store.keyring)
    job = jobs.read(job_id)
    if job is None or job.over:
        return
    with _working, jobs.held(job_id):
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
    work = open_job(ImportRequest(profile=job.profile, upload=job.upload or None), settings)
    report = simulate_import(work, watched.call)
    keep_plan(report, job.id, jobs)
    if watched.table is not None and report.plan.issues.filter(pl.col("severity") == "error").height:
        rows = failed_rows_csv(watched.table, report.plan.issues, work.profile)
        jobs.keep_failed_rows(job.id, rows)
    return _told(watched.job, report)


def _import(job: Job, jobs: Jobs, settings: Settings) -> Job:
    asked: dict[str, Any] = {"profile": job.profile, "upload": job.upload or None, "approve": job.approve or None}
    watched = _Watched(job, jobs)
    with _server(settings) as has_worker:
        if has_worker:
            from deployments.console.on_worker import deployment_of

            # A worker takes no word for who asked, nor for what was expected: the plan's checksum says it all.
            request = asked | {"approve": job.approve or job.expected}
            return watched.on_worker(deployment_of(job.profile), request, settings)
        with watched.flow():
            report = run_flow(ImportRequest(**asked, expected=job.expected or None, actor=job.actor))
    return _told(watched.job, report)


def _simulate_undo(job: Job, jobs: Jobs, settings: Settings) -> Job:
    report = simulate_undo(job.undoes, settings)
    keep_plan(report, job.id, jobs)
    return _told(job, report)


def _undo(job: Job, jobs: Jobs, settings: Settings) -> Job:
    watched = _Watched(job, jobs)
    with _server(settings) as has_worker:
        if has_worker:
            return watched.on_worker("undo-import/undo", {"run": job.undoes, "approve": job.approve}, settings)
        with watched.flow():
            report = run_undo_flow(UndoRequest(run=job.undoes, approve=job.approve, actor=job.actor))
    return _told(watched.job, report)


_KINDS: Final[dict[str, Callable[[Job, Jobs, Settings], Job]]] = {
    "simulate": _simulate,
    "import": _import,
    "simulate-undo": _simulate_undo,
    "undo": _undo,
}


@contextmanager
def _server(settings: Settings) -> Generator[bool]:
    """Whether a worker of the installation's server takes the run; inside, Prefect talks to that server."""
    server = server_there(settings)
    if server is None:
        yield False
        return
    with talking_to(server):
        yield workers_online() > 0


class _Watched:
    """Notes each step of a job as it begins; catches the parsed rows, which failed rows are made of."""

    def __init__(self, job: Job, jobs: Jobs) -> None:
        self.job = job
        self.jobs = jobs
        self.table: Table | None = None

    def tell(self, step: str, began: float = 0.0) -> None:
        self.job = self.jobs.write(replace(self.job, steps=[*self.job.steps, (step, began or time.time())]))

    def on_worker(self, deployment: str, request: dict[str, Any], settings: Settings) -> Job:
        """Has a worker do it, and tells what became of it as the history does."""
        from deployments.console.on_worker import run_on_worker

        ended = run_on_worker(deployment, request, self.tell_of_worker)
        with open_store(settings).open() as connection:
            run = find_run(connection, ended.run)
        if ended.failed or run is None:
            return replace(self.job, status="failed", error=("run-failed", ended.message), run=ended.run if run else "")
        return replace(self.job, status="done", headline=ended.message, outcome=str(run["status"]), run=ended.run)

    def tell_of_worker(self, flow_run: str, step: str, began: float) -> None:
        """Notes a step of a flow run elsewhere."""
        self.job = replace(self.job, flow_run=flow_run)
        if step:
            self.tell(step, began)
        else:
            self.jobs.write(self.job)

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
    jobs.keep(job_id, PLAN_NAME, seal_result(shown, PLAN_NAME + job_id, jobs.keyring))


def _told(job: Job, report: Report) -> Job:
    outcome = report.outcome
    status = outcome.status if outcome else "held" if report.plan.held else "planned"
    return replace(
        job, status="done", headline=report.headline, outcome=status, run=outcome.run if outcome else "", error=None
    )
