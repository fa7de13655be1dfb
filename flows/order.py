"""In what order? The steps of an import, once, for the flow (as tasks) and for simulate (as plain functions)."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import polars as pl

from tasks.apply import Applying, apply
from tasks.decode import decode
from tasks.errors import SourceError
from tasks.failed_rows import failed_rows_csv, without_secrets
from tasks.fetch import FetchRequest, fetch, fetch_with_retries
from tasks.output import Source, Table
from tasks.parse import parse
from tasks.phones import assign_phones
from tasks.plan import Plan
from tasks.prefilter import prefilter
from tasks.profile import Profile
from tasks.reconcile import reconcile
from tasks.records import Records
from tasks.report import Report, report
from tasks.retry import STORE, call_with_retries
from tasks.run import Run
from tasks.snapshot import Circumstances, Snapshot
from tasks.step import P, R, Step
from tasks.store.connection import Connection
from tasks.store.files import RunFiles
from tasks.store.read import read_snapshot
from tasks.store.runs import write_failed_run
from tasks.store.store import Store
from tasks.structure import render_structure
from tasks.validate import validate
from tasks.variables import map_variables


class Calling(Protocol):
    """How a step is called: as the task that it is, or as its plain function."""

    def __call__(self, step: Step[P, R], /) -> Callable[P, R]: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """All that one import needs, made at the edge.

    Units: `failed_days` and `held_days` are how long the run's rejected rows and its held source are kept.
    """

    profile: Profile
    request: FetchRequest
    store: Store
    run: Run
    clock: Callable[[], str]
    circumstances: Circumstances = field(default_factory=Circumstances)
    fetching: Callable[[FetchRequest], Source] | None = None
    approve: str | None = None
    expected: str | None = None
    failed_days: float = 30
    held_days: float = 7


@dataclass(frozen=True)
class Intake:
    """What came of the first seven steps: the source, its rows as they were read, the records."""

    source: Source
    table: Table
    records: Records


def _nobody(step: str) -> None:
    """Watches no step."""


watcher: ContextVar[Callable[[str], None]] = ContextVar("watcher", default=_nobody)
"""Who is told the name of each step before it runs."""


def as_task(step: Step[P, R], /) -> Callable[P, R]:
    """The step as a Prefect task of the current flow run."""
    watcher.get()(step.name)
    return step


def as_function(step: Step[P, R], /) -> Callable[P, R]:
    """The step as its plain function, without an orchestrator."""
    watcher.get()(step.name)
    return step.function


def take_in(job: Job, call: Calling) -> Intake:
    """From the source to the records that the file wants."""
    source = (job.fetching or call(fetch))(job.request)
    text = call(decode)(source, job.profile)
    table = call(parse)(text, job.profile)
    kept = call(prefilter)(table, job.profile)
    mapped = call(map_variables)(kept, job.profile)
    modules = call(render_structure)(mapped, job.profile)
    return Intake(source, table, call(validate)(modules, job.profile, job.store.keyring))


def make_plan(records: Records, job: Job, call: Calling) -> Plan:
    """From the records to the plan, against the phone system as it is now."""

    def read() -> Snapshot:
        with job.store.open() as connection:
            return read_snapshot(connection, job.profile.name)

    return plan_against(call_with_retries(read, STORE), records, job, call)


def plan_against(snapshot: Snapshot, records: Records, job: Job, call: Calling) -> Plan:
    """From the records to the plan, against the phone system as it was read.

    Raises: StaleError when it is not the one that was approved.
    """
    plan = call(reconcile)(records, snapshot, job.profile, job.circumstances)
    plan = call(assign_phones)(plan, records, snapshot, job.profile, job.store.keyring)
    return plan.same_as(job.expected or job.approve).released_by(job.approve)


def simulate_import(job: Job, call: Calling = as_function) -> Report:
    """The plan, made by the same functions that an import runs; nothing is written."""
    if call is not as_task:
        watcher.get()(fetch.name)
        job = replace(job, fetching=job.fetching or fetch_with_retries)
    plan = make_plan(take_in(job, call).records, job, call)
    return call(report)(plan, None)


def run_import(job: Job, call: Calling) -> Report:
    """The whole way; when the phone system moves between plan and apply, apply makes the plan again.

    Raises: StaleError when an approved plan is no longer the one that was seen; SourceError when there is nothing to
    plan from: that run stands in the history as failed.
    """
    try:
        intake = take_in(job, call)
    except SourceError as error:
        call_with_retries(partial(_write_failure, job, error.message), STORE)
        raise

    def again(_: Connection, snapshot: Snapshot) -> tuple[Plan, RunFiles]:
        plan = plan_against(snapshot, intake.records, job, as_function)
        return plan, _files(intake, plan, job)

    plan = make_plan(intake.records, job, call)
    files, keeps_secrets = _files(intake, plan, job), job.profile.secrets == "sealed"
    applying = Applying(job.run, job.store, job.clock, files, again, keeps_secrets=keeps_secrets)
    return call(report)(plan, call(apply)(plan, applying))


def _write_failure(job: Job, message: str) -> None:
    with job.store.open() as connection:
        write_failed_run(connection, job.run, job.clock(), message)
        connection.commit()


def _files(intake: Intake, plan: Plan, job: Job) -> RunFiles:
    """What the run keeps: its rejected rows, and the source where it is needed again and may hold secrets."""
    errors = plan.issues.filter(pl.col("severity") == "error", pl.col("row").is_not_null())
    facts, keeps = intake.source.facts, job.profile.secrets == "sealed"
    table = intake.table if keeps else without_secrets(intake.table, job.profile)
    return RunFiles(
        source=intake.source.data if keeps else None,
        failed=None if errors.is_empty() else failed_rows_csv(table, plan.issues, job.profile),
        held_days=job.held_days,
        failed_days=job.failed_days,
        versioned=bool(facts.etag or facts.last_modified),
    )
