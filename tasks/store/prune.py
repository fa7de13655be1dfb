"""What the history no longer keeps: counted first, removed only by a command that says so.

A run goes whole, with its changes and sealed values, when it is older than the installation's retention. Whatever their
age, the newest import of each profile stays, and those with whose file the brakes compare the next one; so does a held
one that can still be approved. A number that was freed longer ago than a run can be undone may be given out again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.counts import number_of
from tasks.run import timestamp
from tasks.store.connection import Connection
from tasks.store.earlier_files import compared_runs
from tasks.store.tables import (
    resting_extensions,
    run_changes,
    run_contacts,
    run_files,
    run_issues,
    run_phones,
    run_secrets,
    runs,
)

_DETAILS: Final = (run_changes, run_secrets, run_phones, run_contacts, run_issues, run_files)
_IMPORTED: Final = ("applied", "nothing", "undone")


@dataclass(frozen=True)
class Prunable:
    """How many runs are past their time, how many kept files have expired, how many freed numbers may be used again."""

    runs: int
    files: int
    numbers: int

    def __bool__(self) -> bool:
        return any((self.runs, self.files, self.numbers))

    @property
    def sentence(self) -> str:
        """The counts in words."""
        return (
            f"{number_of(self.runs, 'run')} past the time kept, "
            f"{number_of(self.files, 'expired file')} (rejected rows, held imports), "
            f"{number_of(self.numbers, 'freed number')} that may be given out again"
        )


def prunable(connection: Connection, now: datetime, history_days: int) -> Prunable:
    """What a pruning would remove now; `history_days` 0 keeps every run for good."""
    return Prunable(
        runs=_past(connection, now, history_days).height,
        files=connection.read(sa.select(run_files.c.run_id).where(run_files.c.expires < timestamp(now))).height,
        numbers=connection.read(sa.select(resting_extensions.c.number).where(_rested(now, history_days))).height,
    )


def prune(connection: Connection, now: datetime, history_days: int) -> Prunable:
    """Removes it, in the caller's transaction; gives what went."""
    going = prunable(connection, now, history_days)
    connection.execute(sa.delete(run_files).where(run_files.c.expires < timestamp(now)))
    connection.execute(sa.delete(resting_extensions).where(_rested(now, history_days)))
    past = _past(connection, now, history_days)
    if past.height:
        ids = sa.select(connection.stage("stage_past_runs", past).c.id)
        for table in _DETAILS:
            connection.execute(sa.delete(table).where(table.c.run_id.in_(ids)))
        connection.execute(sa.delete(runs).where(runs.c.id.in_(ids)))
    return going


def _past(connection: Connection, now: datetime, history_days: int) -> pl.DataFrame:
    """The ids of the runs that go."""
    newest = (
        sa.select(sa.func.max(runs.c.started))
        .where(runs.c.kind == "import", runs.c.status.in_(_IMPORTED))
        .group_by(runs.c.profile)
    )
    waiting = sa.select(run_files.c.run_id).where(run_files.c.kind == "source", run_files.c.expires >= timestamp(now))
    old = sa.select(runs.c.id).where(
        runs.c.started < _limit(now, history_days), runs.c.started.not_in(newest), runs.c.id.not_in(waiting)
    )
    return connection.read(old).join(compared_runs(connection), on="id", how="anti")


def _rested(now: datetime, history_days: int) -> sa.ColumnElement[bool]:
    return resting_extensions.c.freed < _limit(now, history_days)


def _limit(now: datetime, history_days: int) -> str:
    return timestamp(now - timedelta(days=history_days)) if history_days else ""
