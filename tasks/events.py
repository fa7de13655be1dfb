"""Tells Prefect what came of an import, so that automations can tell people.

An event carries counts, the checksum and the brake's sentence: what the report's headline says, no cell of a CSV.
"""

from typing import Final, Literal

from prefect.events import emit_event

from tasks.errors import RollcallError
from tasks.report import Report

PREFIX: Final = "rollcall.import"
Ending = Literal["applied", "held", "failed", "undone"]


def announce(report: Report) -> None:
    """Emits `rollcall.import.applied` or `.held`; a simulation is no news."""
    _announce(report, "applied")


def announce_failure(profile: str, error: RollcallError) -> None:
    """Emits `rollcall.import.failed`; the texts of our errors hold no cell."""
    _emit("failed", profile, {"code": error.code, "message": error.message, "counts": {}})


def announce_undo(report: Report) -> None:
    """Emits `rollcall.import.undone`, or `.held` for an undo that a brake holds."""
    _announce(report, "undone")


def _announce(report: Report, done: Ending) -> None:
    outcome, plan = report.outcome, report.plan
    if outcome is None:
        return
    facts = {"run": outcome.run, "checksum": plan.checksum, "message": report.headline}
    _emit(done if outcome.applied else "held", plan.profile, {**facts, "counts": plan.summary})


def _emit(ending: Ending, profile: str, payload: dict[str, object]) -> None:
    resource = {"prefect.resource.id": f"rollcall.profile.{profile}", "prefect.resource.name": profile}
    emit_event(f"{PREFIX}.{ending}", resource, payload={"profile": profile, **payload})
