"""What a worker process of the console does: one job at a time, its progress written as it goes."""

import csv
import io
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import polars as pl

from deployments.console.jobs import Job, Jobs
from deployments.console.sealed_file import SealedWriter
from deployments.imports import request_for, run_flow
from flows.order import as_function, simulate_import, watcher
from flows.request import open_job
from tasks.errors import RollcallError
from tasks.output import LINE, ROW, Table
from tasks.profile import Profile
from tasks.redact import safe
from tasks.report import Report
from tasks.sealed import seal_result
from tasks.settings import Settings
from tasks.step import Step
from tasks.store.store import open_store

PLAN_NAME: Final = "plan"


def warm_up() -> None:
    """Imports what the first job would wait for."""
    import flows.import_users

    del flows.import_users


def perform(job_id: str) -> None:
    """Does the job; whatever becomes of it stands in the job's folder afterwards."""
    settings = Settings()
    jobs = Jobs(settings.home / "console" / "jobs", open_store(settings).keyring)
    job = jobs.read(job_id)
    if job is None or job.over:
        return
    job = jobs.write(replace(job, status="running"))
    try:
        done = safe(_KINDS[job.kind])(job, jobs, settings)
    except RollcallError as error:
        known = jobs.read(job_id) or job
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
    token = watcher.set(watched.tell_flow)
    try:
        report = run_flow(request)
    finally:
        watcher.reset(token)
    if report.outcome is not None and report.outcome.applied and job.of:
        jobs.upload_path(job.of).unlink(missing_ok=True)
    return _told(watched.job, report)


_KINDS: Final[dict[str, Callable[[Job, Jobs, Settings], Job]]] = {"simulate": _simulate, "import": _import}


class _Watched:
    """Notes each step of a job as it begins; catches the parsed rows, which failed rows are made of."""

    def __init__(self, job: Job, jobs: Jobs) -> None:
        self.job = job
        self.jobs = jobs
        self.table: Table | None = None

    def tell(self, step: str) -> None:
        self.job = self.jobs.write(replace(self.job, steps=[*self.job.steps, (step, time.time())]))

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
        "changes": plan.changes.select("action", "login", "row", "fields"),
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
    writer.write(failed_rows(table, report.plan.issues, profile).encode())
    writer.close()


def failed_rows(table: Table, issues: pl.DataFrame, profile: Profile) -> str:
    """The rows with errors as CSV of the profile's dialect, with `row`, `code`, `message` at the end, ready to mend."""
    said = (
        issues.filter((pl.col("severity") == "error") & pl.col("row").is_not_null())
        .group_by("row")
        .agg(pl.col("code").unique(maintain_order=True).str.join(" "), pl.col("message").str.join(" "))
        .sort("row")
    )
    rows = said.join(table.frame.drop(LINE), left_on="row", right_on=ROW, how="inner", maintain_order="left")
    raw = said.join(table.malformed.drop(LINE), left_on="row", right_on=ROW, how="inner", maintain_order="left")
    header = list(table.facts.header)
    dialect = _dialect(profile)
    lines = [(row["row"], [row[name] for name in header], row) for row in rows.to_dicts()]
    lines += [(row["row"], _cells(row["raw"], len(header), dialect), row) for row in raw.to_dicts()]
    out = io.StringIO()
    writer = csv.writer(out, **dialect, lineterminator="\n")
    writer.writerow([*header, "row", "code", "message"])
    for _, cells, row in sorted(lines, key=lambda line: line[0]):
        writer.writerow([*cells, row["row"], row["code"], row["message"]])
    return out.getvalue()


def _dialect(profile: Profile) -> dict[str, Any]:
    delimiter = "," if profile.delimiter == "auto" else profile.delimiter
    enclosure = '"' if profile.enclosure in {"auto", "none"} else profile.enclosure
    return {"delimiter": delimiter, "quotechar": enclosure, "quoting": csv.QUOTE_ALL}


def _cells(raw: str, count: int, dialect: dict[str, Any]) -> list[str]:
    """A malformed line as so many cells as the header has; what is too much stays visible in the last one."""
    reader = csv.reader(io.StringIO(raw.rstrip("\r\n")), delimiter=dialect["delimiter"], quotechar=dialect["quotechar"])
    cells = next(iter(reader), [])
    if len(cells) > count:
        cells = [*cells[: count - 1], dialect["delimiter"].join(cells[count - 1 :])]
    return cells + [""] * (count - len(cells))
