"""Undo of phones: each goes back to whom it had before, set as it was, unless somebody changed that since.

A phone is known again by its MAC, a softphone or mobile device by its id, under which it also comes back.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from tasks.issue import Issue
from tasks.plan import PHONE_CHANGES_SCHEMA
from tasks.snapshot import Snapshot
from tasks.undo_history import DEVICE_DEFAULTS, DEVICE_VALUES, History, key_of_device, values_changed_since
from tasks.undo_people import UndonePeople

_SCHEMA: Final = pl.Schema(
    {
        **PHONE_CHANGES_SCHEMA,
        **{name: pl.Int64() if name.endswith("_seconds") else pl.String() for name in DEVICE_VALUES},
        "name": pl.String(),
        "web_password": pl.String(),
        "web_password_fingerprint": pl.String(),
        "password_changed": pl.Boolean(),
        "web_password_sealed": pl.Binary(),
        "sip_user": pl.String(),
        "sip_secret": pl.Binary(),
        "former_id": pl.Int64(),
    }
)


def undone_phones(history: History, snapshot: Snapshot, undone: UndonePeople) -> tuple[pl.DataFrame, list[Issue]]:
    """The phone changes that take a run's back, and what could not be taken back."""
    undoing = _Undoing.begin(history, snapshot, undone.people)
    rows: list[dict[str, Any]] = []
    issues: list[Issue] = []
    for phone in history.phones:
        if phone["login"] in undone.untouched:
            continue
        row, kept = _undone(undoing, phone)
        if row is not None:
            rows.append(row)
        if kept:
            text = f"{phone['login']}: the phone {phone['mac'] or phone['kind']} {kept}"
            issues.append(Issue(None, None, None, "undo-phone-kept", text))
    return pl.DataFrame(rows, schema=_SCHEMA).sort("login", "kind", "mac", maintain_order=True), issues


@dataclass(frozen=True)
class _Undoing:
    """What an undo of phones goes by: the devices as they are, and who will be there."""

    devices: dict[Any, dict[str, Any]]
    ids: frozenset[int]
    softphones: frozenset[str]
    there: frozenset[str]
    history: History

    @classmethod
    def begin(cls, history: History, snapshot: Snapshot, people: list[dict[str, Any]]) -> "_Undoing":
        removed = {person["login"] for person in people if person["action"] == "remove"}
        created = {person["login"] for person in people if person["action"] == "create"}
        rows = snapshot.devices.to_dicts()
        return cls(
            devices={key_of_device(row): row for row in rows},
            ids=frozenset(row["device_id"] for row in rows),
            softphones=frozenset(row["login"] for row in rows if row["kind"] == "softphone"),
            there=frozenset({*snapshot.users["login"]} - removed | created),
            history=history,
        )


def _undone(undoing: _Undoing, phone: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The change that takes one back, None where there is none; and what is to be said of what stays."""
    before, login, device = phone["before"], phone["login"], undoing.devices.get(key_of_device(phone))
    if phone["action"] == "release":
        return _given_back(undoing, phone, device)
    if device is None:
        return None, "is gone" if before is not None else ""
    if device["login"] != login:
        return None, "" if device["login"] == before else _whose(device)
    if before is None:
        changed = [] if device["mac"] else values_changed_since(undoing.history, phone, device)
        if changed:
            return None, f"stays, since {', '.join(changed)} changed after the run"
        return _row("release", device, login), ""
    if before not in undoing.there:
        return _row("release", device, login), f"goes to nobody, since {before} is gone"
    return _with_former_values(undoing, phone, device)


def _whose(device: dict[str, Any]) -> str:
    return f"was given to {device['login']} since" if device["login"] else "was taken away since"


def _given_back(
    undoing: _Undoing, phone: dict[str, Any], device: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, str]:
    login = phone["login"]
    if device is not None and device["login"] == login:
        return None, ""
    if login not in undoing.there:
        return None, f"does not come back, since {login} is gone"
    if phone["kind"] == "ip_phone":
        if device is None:
            return None, "is gone"
        return (_row("assign", device, login), "") if device["login"] is None else (None, _whose(device))
    if phone["kind"] == "softphone" and login in undoing.softphones:
        return None, f"does not come back, since {login} has another one"
    return _made_again(undoing, phone), ""


def _made_again(undoing: _Undoing, phone: dict[str, Any]) -> dict[str, Any]:
    """A device that went with its user, under its former id unless another has it: by their ids they are in order."""
    former = {name: pair[0] for name, pair in json.loads(phone["fields"]).items()}
    account = {"sip_user": phone["sip_user"], "sip_secret": phone["sip_secret"], "password_changed": False}
    return {
        "action": "assign",
        "login": phone["login"],
        "kind": phone["kind"],
        "mac": None,
        "before": None,
        "device_id": None,
        "former_id": None if phone["device_id"] in undoing.ids else phone["device_id"],
        **DEVICE_DEFAULTS,
        **former,
        **account,
        "fields": json.dumps({name: [None, value] for name, value in former.items()}, ensure_ascii=False),
    }


def _row(action: str, device: dict[str, Any], login: str) -> dict[str, Any]:
    kept = {name: device[name] for name in ("kind", "mac", "device_id", "name", *DEVICE_VALUES)}
    print_ = device["web_password_fingerprint"]
    return {
        **kept,
        "action": action,
        "login": login,
        "before": device["login"],
        "fields": _given_up(device) if action == "release" else "{}",
        "password_changed": False,
        "web_password_fingerprint": print_,
    }


def _given_up(device: dict[str, Any]) -> str:
    """What a device was set to, so that one which goes with its user can come back when the undo is undone."""
    fields = {name: [device[name], None] for name, default in DEVICE_DEFAULTS.items() if device[name] != default}
    return json.dumps(fields, ensure_ascii=False)


def _with_former_values(
    undoing: _Undoing, phone: dict[str, Any], device: dict[str, Any]
) -> tuple[dict[str, Any] | None, str]:
    """The device back at whom it was before, with the former value where nobody changed it since."""
    fields: dict[str, list[Any]] = json.loads(phone["fields"])
    row = _row("assign" if phone["before"] == device["login"] else "move", device, phone["before"])
    kept = [name for name in values_changed_since(undoing.history, phone, device) if name in fields]
    back: dict[str, list[Any]] = {}
    for name, (before, after) in fields.items():
        if name in kept:
            continue
        if name == "web_password":
            row |= {"web_password_sealed": phone["web_password"], "password_changed": True}
            row["web_password_fingerprint"] = phone["web_password_fingerprint"]
        else:
            row[name] = DEVICE_DEFAULTS[name] if before is None else before
        back[name] = [after, before]
    told = f"stays set as it is in {', '.join(kept)}, which changed after the run" if kept else ""
    if not back and row["action"] == "assign":
        return None, told
    return {**row, "fields": json.dumps(back, ensure_ascii=False)}, told
