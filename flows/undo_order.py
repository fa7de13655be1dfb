"""In what order? The steps of an undo: read what the run left behind, plan it backwards, apply that as a run."""

from dataclasses import dataclass, field, replace

from flows.order import ATTEMPTS_AT_A_MOVING_PHONE_SYSTEM, Calling, as_function
from tasks.apply import Applying, apply
from tasks.brakes import plan_checksum, removal_brake
from tasks.errors import StaleError, WrongUseError
from tasks.plan import Plan
from tasks.profile import Brakes
from tasks.report import Report, report
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
    store = job.applying.store
    with store.open() as connection:
        run = find_run(connection, job.target)
        if run is None:
            raise WrongUseError("run-unknown", f"There is no run {job.target}. `rollcall runs` lists them.")
        if run["status"] != "applied" or run["kind"] not in {"import", "undo"}:
            raise WrongUseError(
                "nothing-to-undo",
                f"Run {job.target} is {run['status']}: it wrote nothing that can be taken back. "
                "`rollcall runs` lists the applied ones.",
            )
        history, snapshot = read_history(connection, run), read_snapshot(connection, run["profile"])
    plan = undo_plan(history, snapshot, job.pool_start)
    plan = replace(plan, checksum=plan_checksum(plan, store.keyring), held=removal_brake(plan, job.brakes))
    return plan.same_as(job.approve).released_by(job.approve)


def simulate_undo_of(job: UndoJob) -> Report:
    """The plan of the undo; nothing is written."""
    return as_function(report)(make_undo_plan(job), None)


def run_undo(job: UndoJob, call: Calling) -> Report:
    """Takes the run back; when the phone system moves between plan and apply, the plan is made again."""
    for attempt in range(1, ATTEMPTS_AT_A_MOVING_PHONE_SYSTEM + 1):
        plan = make_undo_plan(job)
        try:
            outcome = call(apply)(plan, job.applying)
        except StaleError:
            if attempt == ATTEMPTS_AT_A_MOVING_PHONE_SYSTEM:
                raise
        else:
            return call(report)(plan, outcome)
    raise AssertionError("unreachable: the last attempt returns or raises")
