"""Apply: the plan becomes the phone system, in one transaction, or nothing does.

The state that reconcile read is read again under the write lock. If it moved, the plan is made again there, where
nobody can move it any more: so every run ends, however many others write at the same time. The run's id is written in
the same transaction, so that a retry after a lost answer finds its own run instead of guessing.
"""

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeAlias

import polars as pl

from tasks.errors import StaleError
from tasks.keyring import Keyring
from tasks.plan import Plan
from tasks.retry import STORE
from tasks.run import Outcome, Run
from tasks.snapshot import Snapshot
from tasks.step import step
from tasks.store.connection import Connection
from tasks.store.files import RunFiles, keep_files
from tasks.store.read import read_snapshot
from tasks.store.registrar import write_accounts
from tasks.store.runs import find_ended_run, mark_undone, tell_approved, write_run
from tasks.store.store import Store
from tasks.store.write import write_people
from tasks.store.write_contacts import write_contacts
from tasks.store.write_phones import write_phones
from tasks.user import SECRET_FIELDS

PIN_DIGITS: Final = 6

Planning: TypeAlias = Callable[[Connection, Snapshot], tuple[Plan, RunFiles]]
"""Makes the plan, and the files that its run keeps, from the phone system as a connection sees it."""


@dataclass(frozen=True, repr=False)
class Applying:
    """What apply needs besides the plan: whose run it is, where, at what time, and the files that the run keeps.

    `again` makes the plan once more under the lock; without it a plan that is out of date is refused. `keeps_secrets`:
    whether values are sealed, or only their fingerprints are kept (decision 30).
    """

    run: Run
    store: Store
    clock: Callable[[], str]
    files: RunFiles = field(default_factory=RunFiles)
    again: Planning | None = None
    keeps_secrets: bool = True


def apply_plan(plan: Plan, applying: Applying) -> Outcome:
    """What came of the plan: applied, nothing to do, or held.

    Raises: StaleError when the phone system moved and exactly this plan was approved; StoreBusyError when it cannot be
    reached.
    """
    run, store = applying.run, applying.store
    with store.open() as connection:
        store.lock_for_writing(connection)
        done = find_ended_run(connection, run.id)
        if done is not None:
            return _outcome(plan, run, str(done["status"]), str(done["finished"]))
        seen, (plan, files) = plan, _as_it_stands(plan, applying, connection)
        status = "held" if plan.held else "applied" if plan.writes else "nothing"
        now = applying.clock()
        keeps_secrets = applying.keeps_secrets
        with ThreadPoolExecutor(1) as beside:
            # Sealing takes one core and writing the history the other.
            sealing = partial(_people, plan, store.keyring, now, keeps_secrets=keeps_secrets)
            people = beside.submit(sealing) if status == "applied" else None
            write_run(connection, run, plan, status=status, finished=now)
        if people is not None:
            write_people(connection, people.result(), run.id, now)
            write_contacts(connection, plan.contacts, run.id, now)
            phones = plan if keeps_secrets else _without_web_passwords(plan)
            write_phones(connection, phones, store.keyring, run.id)
            write_accounts(connection, store.keyring, store.realm)
            mark_undone(connection, run)
            tell_approved(connection, run, plan.checksum)
        keep_files(connection, run, replace(files, held=status == "held"), store.keyring, now)
        connection.commit()
    return replace(_outcome(plan, run, status, now), remade=None if plan is seen else plan)


def _as_it_stands(plan: Plan, applying: Applying, connection: Connection) -> tuple[Plan, RunFiles]:
    """The plan and its files, made again when the phone system moved under a plan that would write.

    Raises: StaleError when it may not be made again, or is no longer the one that was approved.
    """
    if plan.held or not plan.writes:
        return plan, applying.files
    if plan.mark and applying.store.watch.mark() == plan.mark:
        return plan, applying.files
    snapshot = read_snapshot(connection, plan.profile)
    if snapshot.lineage == plan.state:
        return plan, applying.files
    if applying.again is None:
        raise StaleError("plan-stale", "The phone system has changed since the plan was made. Make the plan again.")
    return applying.again(connection, snapshot)


def _without_web_passwords(plan: Plan) -> Plan:
    """The plan without the values that it would seal; their fingerprints stay."""
    absent = pl.lit(None, dtype=pl.String).alias("web_password")
    return replace(plan, phones=plan.phones.with_columns(absent)) if plan.phones.height else plan


def _people(plan: Plan, keyring: Keyring, now: str, *, keeps_secrets: bool) -> pl.DataFrame:
    """The changes as `write_people` takes them: secrets sealed, random pins drawn; not whose phone alone changes."""
    is_of_phone_alone = (pl.col("action") == "update") & (pl.col("fields") == "{}")
    changes = plan.changes.filter(pl.col("action") != "conflict", ~is_of_phone_alone)
    missing = {name: dtype for name, dtype in _OPTIONAL.items() if name not in changes.columns}
    changes = changes.with_columns(pl.lit(None, dtype=dtype).alias(name) for name, dtype in missing.items())
    action = pl.col("action")
    return _sealed(changes, keyring, keeps_secrets=keeps_secrets).with_columns(
        disown=pl.col("disown").fill_null(False) | (action == "release"),
        enabled=pl.when(action == "disable")
        .then(False)
        .when(action == "enable")
        .then(True)
        .when(action == "create")
        .then(pl.col("enabled").fill_null(True))
        .otherwise("enabled"),
        missing_since=pl.when(action == "disable").then(pl.lit(now)).otherwise("missing_since"),
    )


_OPTIONAL: Final[dict[str, type[pl.DataType]]] = {
    "disown": pl.Boolean,
    "enabled": pl.Boolean,
    "missing_since": pl.String,
    "was_enabled": pl.Boolean,
    "owner": pl.String,
    "adopted": pl.Boolean,
    "number": pl.String,
    "automatic": pl.Boolean,
    "display_name": pl.String,
    "auth_method": pl.String,
    "email": pl.String,
    "roles": pl.String,
    **{f"{field}_changed": pl.Boolean for field in SECRET_FIELDS},
    **{f"{field}_fingerprint": pl.String for field in SECRET_FIELDS},
    **dict.fromkeys(SECRET_FIELDS, pl.String),
}


def _sealed(changes: pl.DataFrame, keyring: Keyring, *, keeps_secrets: bool) -> pl.DataFrame:
    """Plain secrets become sealed ones; an undo brings them sealed already. A new user without a pin gets one.

    Where secrets are not kept, the place of a changed one is emptied, and no pin is drawn: nobody could ever read it.
    """
    changed = {field: pl.col(f"{field}_changed").fill_null(False) for field in SECRET_FIELDS}
    if changes.schema["password"] == pl.Binary:
        return changes.with_columns(expression.alias(f"{field}_changed") for field, expression in changed.items())
    given = changes.select(**{field: pl.when(condition).then(field) for field, condition in changed.items()})
    plain = given.with_columns(pin=_with_drawn_pins(given["pin"], (changes["action"] == "create") & keeps_secrets))
    kept = plain if keeps_secrets else plain.clear(plain.height)
    return changes.with_columns(
        *(keyring.seal_series(kept[field], changes["login"], table="users", column=field) for field in SECRET_FIELDS),
        *(plain[field].is_not_null().alias(f"{field}_changed") for field in SECRET_FIELDS),
        # The fingerprint of what was imported last moves only when something was imported.
        *(
            pl.when(changed[field] | (pl.col("action") == "create"))
            .then(f"{field}_fingerprint")
            .alias(f"{field}_fingerprint")
            for field in SECRET_FIELDS
        ),
    )


def _with_drawn_pins(pins: pl.Series, creates: pl.Series) -> pl.Series:
    """The pins of the file, and a random one for each new user without."""
    places = (pins.is_null() & creates).arg_true()
    drawn = [f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}" for _ in range(places.len())]
    return pins.scatter(places, drawn) if drawn else pins


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


apply = step("apply", version=1, cached=False, retries=STORE)(apply_plan)
