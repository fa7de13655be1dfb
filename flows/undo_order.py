"""In what order? The steps of an undo: read what the run left behind, plan it backwards, apply that as a run."""

from dataclasses import dataclass, field, replace
from typing import Any

from flows.order import Calling, as_function
from tasks.apply import Applying, apply
from tasks.brakes import removal_brake
from tasks.checksum import plan_checksum
from tasks.errors import WrongUseError
from tasks.plan import Plan
from tasks.profile import Brakes
from tasks.report import Report, report
from tasks.retry import STORE, call_with_retries
from tasks.snapshot import Snapshot
from tasks.store.connection import Connection
from tasks.store.files import RunFiles
from tasks.store.history import read_history
from tasks.store.read import read_snapshot
from tasks.store.runs import find_run
from tasks.undo import undo_plan


@dataclass(frozen=True, kw_only=True)
class UndoJob:
    """All that one undo needs, made at the edge."""

    target: str
    applying: Applying
    approve: str | None = None
    pool_start: int = 100
    brakes: Brakes = field(default_factory=Brakes)


def make_undo_plan(job: UndoJob) -> Plan:
    """The plan that takes the run back, with its brake and its checksum.

    Raises: WrongUseError when there is nothing to take back; StaleError when another plan was approved.
    """

    def read_and_plan() -> Plan:
        with job.applying.store.open() as connection:
            run = _target(job, connection)
            return _plan_against(read_snapshot(connection, run["profile"]), run, job, connection)

    return call_with_retries(read_and_plan, STORE)


def simulate_undo_of(job: UndoJob) -> Report:
    """The plan of the undo; nothing is written."""
    return as_function(report)(make_undo_plan(job), None)


def run_undo(job: UndoJob, call: Calling) -> Report:
    """Takes the run back; when the phone system moves between plan and apply, apply makes the plan again."""

    def again(connection: Connection, snapshot: Snapshot) -> tuple[Plan, RunFiles]:
        return _plan_against(snapshot, _target(job, connection), job, connection), RunFiles()

    plan = make_undo_plan(job)
    return call(report)(plan, call(apply)(plan, replace(job.applying, again=again)))


def _target(job: UndoJob, connection: Connection) -> dict[str, Any]:
    run = find_run(connection, job.target)
    if run is None:
        raise WrongUseError("run-unknown", f"There is no run {job.target}. `rollcall runs` lists them.")
    if run["kind"] not in {"import", "undo"}:
        raise WrongUseError(
            "nothing-to-undo",
            f"Run {job.target} is of the kind {run['kind']}, which changed no record: only an import or an undo can be "
            "taken back. `rollcall runs` lists them.",
        )
    if run["status"] != "applied":
        raise WrongUseError(
            "nothing-to-undo",
            f"Run {job.target} is {run['status']}: it wrote nothing that can be taken back. "
            "`rollcall runs` lists the applied ones.",
        )
    return run


def _plan_against(snapshot: Snapshot, run: dict[str, Any], job: UndoJob, connection: Connection) -> Plan:
    plan = replace(undo_plan(read_history(connection, run), snapshot, job.pool_start), contents=snapshot.contents)
    checksum = plan_checksum(plan, job.applying.store.keyring)
    plan = replace(plan, checksum=checksum, held=removal_brake(plan, job.brakes))
    return plan.same_as(job.approve).released_by(job.approve)
