"""Undo: a recorded run backwards, as a plan like any other.

What the run created is removed, what it updated gets its values back, what it removed comes back with extension,
roles, secrets and phones. Whatever a person or a later run changed since is kept, and named (decision 27).
"""

import json
from typing import Any, Final

import polars as pl

from tasks.comparison import existing_fields_json
from tasks.issue import issue_frame
from tasks.output import SourceFacts
from tasks.ownership import owned_records
from tasks.plan import Plan, empty_summary, phonebook_prefixes
from tasks.snapshot import Snapshot
from tasks.undo_contacts import undone_contacts
from tasks.undo_history import History
from tasks.undo_numbers import give_numbers
from tasks.undo_people import undone_people
from tasks.undo_phones import undone_phones
from tasks.user import MASK, SECRET_FIELDS


def undo_plan(history: History, snapshot: Snapshot, pool_start: int) -> Plan:
    """The plan that takes a run back, against the phone system as it is now."""
    undone = undone_people(history, snapshot)
    number_issues = give_numbers(undone.people, snapshot, pool_start)
    phones, phone_issues = undone_phones(history, snapshot, undone)
    contacts, contact_issues = undone_contacts(history.contacts, snapshot, history.profile)
    changes = _frame(undone.people, snapshot)
    changes = pl.concat([changes, _of_phone_alone(phones, changes, snapshot)], how="diagonal").sort("action", "login")
    told = pl.concat([changes.select("action"), contacts.select("action")])
    summary = {**empty_summary(), **dict(told.group_by("action").len().iter_rows())}
    return Plan(
        profile=history.profile,
        mode="undo",
        changes=changes,
        phones=phones,
        contacts=contacts,
        summary=summary,
        facts=SourceFacts(
            name=f"undo of {history.run}", digest=history.run, rows=len(history.changes) + len(history.contacts)
        ),
        owned=owned_records(snapshot, history.profile),
        state=snapshot.lineage,
        mark=snapshot.mark,
        issues=issue_frame([*undone.issues, *number_issues, *phone_issues, *contact_issues]),
    )


def _frame(people: list[dict[str, Any]], snapshot: Snapshot) -> pl.DataFrame:
    """The people as `Plan.changes`."""
    removed = [person for person in people if person["action"] == "remove"]
    others = [person for person in people if person["action"] != "remove"]
    frames = [pl.DataFrame(schema=_SCHEMA)]
    if removed:
        existing = pl.DataFrame([person["is"] for person in removed], schema=snapshot.users.schema)
        gone = existing.select("login", "user_id", action=pl.lit("remove"), fields=existing_fields_json(existing))
        frames.append(gone)
    if others:
        rows = [{**person, "fields": json.dumps(_masked(person["fields"]), ensure_ascii=False)} for person in others]
        names = dict.fromkeys(name for row in rows for name in row)
        frames.append(pl.DataFrame(rows, schema={name: _dtype(name) for name in names}))
    return pl.concat(frames, how="diagonal")


def _of_phone_alone(phones: pl.DataFrame, changes: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """A change of phone alone counts as an update of its user."""
    others = phones.select("login").unique().join(changes.select("login"), on="login", how="anti")
    known = others.join(snapshot.users.select("login", "user_id"), on="login")
    return known.with_columns(action=pl.lit("update"), fields=pl.lit("{}"))


_SCHEMA: Final = pl.Schema(
    {
        "action": pl.String,
        "login": pl.String,
        "row": pl.Int64,
        "user_id": pl.Int64,
        "fields": pl.String,
        "password": pl.Binary,
        "pin": pl.Binary,
    }
)


def _dtype(name: str) -> pl.DataType | type[pl.DataType]:
    if name in _SCHEMA:
        return _SCHEMA[name]
    flags = ("automatic", "enabled", "was_enabled", "adopted", "disown", "password_changed", "pin_changed")
    return pl.Boolean if name in flags or phonebook_prefixes([name]) else pl.String


def _masked(fields: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        name: [value and MASK for value in pair] if name in SECRET_FIELDS else pair for name, pair in fields.items()
    }
