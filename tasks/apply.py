"""Apply: the plan becomes the phone system, in one transaction, or nothing does.

The state that reconcile read is read again under the write lock; if it moved, the plan is stale. The run's id is
written in the same transaction, so that a retry after a lost answer finds its own run instead of guessing.
"""

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

from tasks.errors import StaleError
from tasks.plan import Plan
from tasks.retry import STORE
from tasks.run import Outcome, Run
from tasks.step import step
from tasks.store.connection import Connection
from tasks.store.read import read_snapshot
from tasks.store.runs import find_run, write_run
from tasks.store.store import Store
from tasks.store.write import random_pins, write_users
from tasks.store.write_phones import write_phones

PIN_DIGITS: Final = 6


def apply_plan(plan: Plan, run: Run, store: Store, clock: Callable[[], str]) -> Outcome:
    """What came of the plan: applied, nothing to do, or held.

    Raises: StaleError when the phone system is no longer as it was; StoreBusyError when it cannot be reached.
    """
    with store.open() as connection:
        connection.lock_for_writing()
        done = find_run(connection, run.id)
        if done is not None:
            return _outcome(plan, run, str(done["status"]), str(done["finished"]))
        status = "held" if plan.held else "applied" if plan.writes else "nothing"
        now = clock()
        if status == "applied":
            _write(connection, plan, store, now)
        write_run(connection, run, plan, status=status, finished=now)
        connection.commit()
    return _outcome(plan, run, status, now)


def _write(connection: Connection, plan: Plan, store: Store, now: str) -> None:
    if read_snapshot(connection, plan.profile).lineage != plan.state:
        raise StaleError("plan-stale", "The phone system has changed since the plan was made. Make the plan again.")
    drawn = [f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}" for _ in range(plan.changes.height)]
    write_users(connection, plan, store.keyring, random_pins(plan.changes, drawn), now)
    write_phones(connection, plan, store.keyring)


def _outcome(plan: Plan, run: Run, status: str, finished: str) -> Outcome:
    return Outcome(
        run=run.id,
        status=status,
        finished=finished,
        summary=plan.summary,
        held=plan.held if status == "held" else None,
        checksum=plan.checksum,
        issues=plan.issues,
        aside=plan.aside,
    )


def summary_of(run: dict[str, Any]) -> dict[str, int]:
    """The counts of a recorded run."""
    return json.loads(run["summary"])


apply = step("apply", version=1, cached=False, retries=STORE)(apply_plan)
