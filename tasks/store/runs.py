"""The history: what every run was, what it changed, what it had to say."""

import json
from dataclasses import asdict
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from tasks.output import SourceFacts
from tasks.plan import Plan, empty_summary
from tasks.run import Run
from tasks.store.connection import Connection
from tasks.store.tables import run_changes, run_issues, runs

FAILED: Final = "failed"


def find_run(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """The run of this id as plain data, None where there is none."""
    found = connection.read(sa.select(runs).where(runs.c.id == run_id))
    return found.to_dicts()[0] if found.height else None


def find_run_ending(connection: Connection, ending: str) -> dict[str, Any] | None:
    """The newest run whose id ends so; see `tasks.run.ending_of_run_id`."""
    query = sa.select(runs).where(runs.c.id.endswith(ending)).order_by(runs.c.started.desc()).limit(1)
    found = connection.read(query).to_dicts()
    return found[0] if found else None


def find_ended_run(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """The run of this id if it came to an end that stays; a failure is none, since it may be tried again."""
    found = find_run(connection, run_id)
    return None if found is None or found["status"] == FAILED else found


def write_run(connection: Connection, run: Run, plan: Plan, *, status: str, finished: str) -> None:
    """Records a run with its changes and issues, in the caller's transaction."""
    told = {"checksum": plan.checksum, "held": plan.held if status == "held" else None, "undoes": run.undoes}
    facts = {"mode": plan.mode, "summary": json.dumps(plan.summary), "source": facts_json(plan.facts)}
    _record(connection, run, {"finished": finished, "status": status, **facts, **told})
    connection.append(run_changes, _changes(run.id, plan))
    issues = plan.issues.select("row", "line", "column", "code", "severity", "message")
    connection.append(run_issues, _numbered(issues.with_columns(run_id=pl.lit(run.id))))


def write_audited_run(connection: Connection, run: Run, finished: str, login: str) -> None:
    """Records what somebody did to one person or phone outside an import: its kind is the action of its one change."""
    _record(connection, run, {"finished": finished, "status": "applied", "summary": json.dumps(empty_summary())})
    if login:
        change = {"run_id": run.id, "position": 1, "login": login, "action": run.kind, "fields": "{}"}
        connection.execute(sa.insert(run_changes).values(**change))


def write_failed_run(connection: Connection, run: Run, finished: str, message: str) -> None:
    """Records a run that ended before there was a plan, with the sentence that said why."""
    _record(connection, run, {"finished": finished, "status": FAILED, "summary": json.dumps({}), "held": message})


def _record(connection: Connection, run: Run, ending: dict[str, str | None]) -> None:
    """The row of a run, in place of a failed attempt's: all attempts of one flow run are one run, and bear its id."""
    connection.execute(sa.delete(runs).where(runs.c.id == run.id, runs.c.status == FAILED))
    names = ("id", "kind", "profile", "mode", "started", "actor", "profile_digest", "version")
    connection.execute(sa.insert(runs).values({**{name: getattr(run, name) for name in names}, **ending}))


def facts_json(facts: SourceFacts) -> str:
    """The facts of a source as the runs table keeps them."""
    return json.dumps(asdict(facts), ensure_ascii=False)


def facts_of_run(connection: Connection, run_id: str) -> SourceFacts:
    """The facts of the source of a recorded run."""
    found = connection.read(sa.select(runs.c.source).where(runs.c.id == run_id))
    return facts_from_json(str(found["source"][0]))


def facts_from_json(text: str) -> SourceFacts:
    """The facts of a source as they stand in the runs table."""
    raw: dict[str, Any] = json.loads(text)
    raw["header"] = tuple(raw.get("header", ()))
    return SourceFacts(**raw)


def mark_undone(connection: Connection, run: Run) -> None:
    """Marks the run that this one takes back; where that is an undo itself, what it took back stands again."""
    target, status = run.undoes, "undone"
    # The history may have forgotten what was taken back first.
    while target is not None and (taken := find_run(connection, target)) is not None:
        connection.execute(sa.update(runs).where(runs.c.id == target).values(status=status))
        target, status = taken["undoes"], "applied" if status == "undone" else "undone"


def tell_approved(connection: Connection, run: Run, checksum: str) -> None:
    """Says of the held run with exactly this plan, if there is one, that this run applied it."""
    held = (runs.c.profile == run.profile, runs.c.status == "held", runs.c.checksum == checksum)
    told = runs.c.held + f" Approved, applied as run {run.id}."
    connection.execute(sa.update(runs).where(*held, runs.c.id != run.id).values(held=told))


def _changes(run_id: str, plan: Plan) -> pl.DataFrame:
    changes = plan.changes.filter(pl.col("action") != "conflict").select("login", "action", "row", "fields")
    return _numbered(changes.with_columns(run_id=pl.lit(run_id)))


def _numbered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("position", offset=1).with_columns(pl.col("position").cast(pl.Int64))
