"""Where a flow meets the run that it is: which attempt this is, and how the run's state names its end."""

from typing import Any, Final, cast

from prefect.context import FlowRunContext
from prefect.states import Completed

from flows.deployed import Occasion
from tasks.errors import RollcallError
from tasks.report import Report
from tasks.retry import STORE, call_with_retries
from tasks.settings import Settings
from tasks.store.runs import find_ended_run
from tasks.store.store import open_store

ATTEMPTS: Final = 3

APPLIED, NOTHING, HELD, SIMULATED, REFUSED = "Applied", "Nothing to do", "Held", "Simulated", "Refused"
END_NAMES: Final = (APPLIED, NOTHING, HELD, SIMULATED, REFUSED)
"""The names of our final states. Prefect's events bear the state's name, so whoever waits for an end must know them."""

_END_OF_STATUS: Final = {"applied": APPLIED, "undone": APPLIED, "nothing": NOTHING, "held": HELD}


def occasion() -> Occasion:
    """The flow run that is going on; the same for every worker that takes it up."""
    run = _current()
    if run is None or run.created is None:
        return Occasion()
    return Occasion(identity=str(run.id), created=run.created, deployed=run.deployment_id is not None)


def earlier_end(here: Occasion, settings: Settings) -> Report | None:
    """The end of an earlier attempt of this flow run that got through, None where there is none.

    A worker can be lost after its commit, before it could tell; and a finished run can be started again by a click.
    A failed one is no end: that click wants the import.
    Raises: RollcallError at the fourth attempt: what lost a worker three times would go on losing workers.
    """
    run = _current()
    if run is None or run.run_count <= 1 or here.created is None:
        return None

    def read() -> dict[str, Any] | None:
        with open_store(settings).open() as connection:
            return find_ended_run(connection, here.run_id())

    done = call_with_retries(read, STORE)
    if done is not None:
        text = f"Run {done['id']} has ended as {done['status']} already; nothing was done again."
        return _state(_END_OF_STATUS[done["status"]], text, None)
    if run.run_count > ATTEMPTS:
        raise RollcallError(
            "attempts-used-up",
            f"The run was taken up {ATTEMPTS} times, and each time it failed or its worker was lost. Nothing was "
            "written. Look at its earlier states and at the workers' memory and logs, then start it as a new run.",
        )
    return None


def concluded(report: Report) -> Report:
    """The report as a final state whose name and message tell the outcome in Prefect's list of runs."""
    return _state(_name(report), report.headline, report)


def _state(name: str, message: str, report: Report | None) -> Report:
    # A flow may return its own state; whoever calls the flow gets the state's data, the report.
    return cast("Report", Completed(name=name, message=message, data=report))


def _name(report: Report) -> str:
    if report.plan.held is not None:
        return HELD
    if report.outcome is None:
        return SIMULATED
    return APPLIED if report.outcome.status == "applied" else NOTHING


def _current() -> Any:
    context = FlowRunContext.get()
    return context.flow_run if context else None
