"""What became of a plan and of the work on it, as the jobs and the history tell, never as a missing file suggests."""

from dataclasses import dataclass
from typing import Any, Final

from deployments.console.jobs import INTERRUPTED, Job
from tasks.run import ending_of_run_id
from tasks.store.runs import find_run, find_run_ending
from tasks.store.store import Store

UNSURE: Final = frozenset({"worker-died", "run-failed", INTERRUPTED[0]})
"""Errors that do not tell how far the work had come."""


@dataclass(frozen=True)
class Stopped:
    """Work that failed: its run in the history, if it came that far, and whether nothing is known to be written."""

    run: dict[str, Any] | None
    wrote_nothing: bool


def work_on_plans(jobs: list[Job]) -> dict[str, Job]:
    """The imports and undos by the plan that they apply: one that is done, or else one that is not over."""
    found: dict[str, Job] = {}
    for job in jobs:
        applied = job.status == "done" and job.outcome in {"applied", "nothing"}
        if job.of and (applied or (not job.over and job.of not in found)):
            found[job.of] = job
    return found


def stopped(job: Job, store: Store) -> Stopped:
    """How a failed piece of work ended."""
    run = _run_of(job, store)
    if job.kind in {"simulate", "simulate-undo"}:
        return Stopped(run, wrote_nothing=True)
    if run is not None:
        return Stopped(run, wrote_nothing=run["status"] in {"failed", "held", "nothing"})
    begun = {name for name, _ in job.steps}
    sure = job.error is not None and job.error[0] not in UNSURE
    return Stopped(None, wrote_nothing=sure and "apply" not in begun)


def _run_of(job: Job, store: Store) -> dict[str, Any] | None:
    if not job.run and not job.flow_run:
        return None
    with store.open() as connection:
        if job.run:
            return find_run(connection, job.run)
        return find_run_ending(connection, ending_of_run_id(job.flow_run))
