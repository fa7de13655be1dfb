"""Undo of contacts: each goes back to what it was, field by field, unless somebody changed it since."""

import json
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from tasks.contacts import existing_contact_json
from tasks.issue import Issue
from tasks.plan import CONTACT_CHANGES_SCHEMA
from tasks.records import CONTACT_COLUMNS
from tasks.snapshot import Snapshot


def undone_contacts(
    contacts: list[dict[str, Any]], snapshot: Snapshot, profile: str
) -> tuple[pl.DataFrame, list[Issue]]:
    """The changes of contacts that take a run's back, and what stays as it is. `contacts` are rows of run_contacts."""
    existing = snapshot.contacts.to_dicts()
    by_key = {row["key"]: row for row in existing if row["profile"] == profile}
    by_hand = {row["entry_id"]: row for row in existing if row["profile"] is None}
    rows: list[dict[str, Any]] = []
    issues: list[Issue] = []
    for change in contacts:
        entry = by_key.get(change["key"]) or by_hand.get(change["entry_id"])
        row, kept = _undone(change, entry, profile)
        if row is not None:
            rows.append({"key": change["key"], "contact": change["contact"], "disown": False, **row})
        if kept:
            issues.append(Issue(None, None, None, "undo-kept", f"contact {change['contact'][:40]}: {kept}"))
    return pl.DataFrame(rows, schema=CONTACT_CHANGES_SCHEMA).sort("action", "key"), issues


def _undone(change: dict[str, Any], entry: dict[str, Any] | None, profile: str) -> tuple[dict[str, Any] | None, str]:
    """The change that takes one back, and what is to be said of what stays."""
    fields: dict[str, list[Any]] = json.loads(change["fields"])
    if change["action"] == "remove":
        return (_brought_back(fields, profile), "") if entry is None else (None, "is there again, and stays as it is")
    if entry is None or (entry["profile"] is None and entry["display_name"] != change["contact"]):
        return None, "is gone, so nothing of it goes back"
    if change["action"] == "create":
        changed = list(_changed_since(entry, fields, profile))
        if changed:
            return None, f"stays, since {', '.join(changed)} changed after the run"
        return _row("remove", entry, existing_contact_json(pl.DataFrame([entry], schema_overrides=_TEXTS))[0]), ""
    return _taken_back(change["key"], fields, entry)


_TEXTS: Final = dict.fromkeys((*CONTACT_COLUMNS, "missing_since"), pl.String)


def _changed_since(entry: dict[str, Any], fields: dict[str, list[Any]], profile: str) -> Iterator[str]:
    yield from (name for name in CONTACT_COLUMNS if entry[name] != fields.get(name, [None, ""])[1])
    if entry["profile"] != profile:
        yield "the owner"


def _brought_back(fields: dict[str, list[Any]], profile: str) -> dict[str, Any]:
    before = {name: pair[0] for name, pair in fields.items()}
    values = {name: before.get(name, "") for name in CONTACT_COLUMNS}
    record = {"owner": profile, "adopted": False, "missing_since": before.get("missing_since")}
    told = json.dumps({name: [None, value] for name, value in before.items()}, ensure_ascii=False)
    return {"action": "create", **values, **record, "fields": told}


def _taken_back(key: str, fields: dict[str, list[Any]], entry: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Field by field, where nobody changed it since."""
    back: dict[str, list[Any]] = {}
    row = _row("update", entry, "")
    for name, (before, after) in fields.items():
        is_now = entry["missing_since"] is None if name == "enabled" else entry.get(name)
        if is_now != after:
            continue
        back[name] = [after, before]
        if name in CONTACT_COLUMNS:
            row[name] = before
        elif name == "enabled":
            row["action"] = "enable" if before else "disable"
            if before and entry["missing_since"] is not None:
                # Since when it was missing is what an undo of this undo needs.
                back["missing_since"] = [entry["missing_since"], None]
        elif name == "missing_since":
            row["missing_since"] = before
        elif name == "profile":
            row |= {
                "owner": before,
                "adopted": entry["adopted"] if entry["profile"] else True,
                "disown": before is None,
            }
            row["key"] = fields["key"][0] if before is not None and "key" in fields else key
    kept = [name for name in fields if name not in back]
    told = f"{', '.join(kept)} changed after the run, and stays" if kept else ""
    return ({**row, "fields": json.dumps(back, ensure_ascii=False)} if back else None), told


def _row(action: str, entry: dict[str, Any], fields: str) -> dict[str, Any]:
    return {"action": action, "entry_id": entry["entry_id"], "fields": fields}
