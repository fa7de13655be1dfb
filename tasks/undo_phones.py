"""Undo of phones: each goes back to whom it had before, unless somebody else got it since."""

import json
from typing import Any, Final

import polars as pl

from tasks.issue import Issue
from tasks.plan import PHONE_CHANGES_SCHEMA
from tasks.snapshot import Snapshot
from tasks.user import FOLLOW_ME, FOLLOW_ME_DEFAULTS

_VALUES: Final = ("ip", "number", "web_user", *FOLLOW_ME.values())
_SCHEMA: Final = pl.Schema(
    {
        **PHONE_CHANGES_SCHEMA,
        **{name: pl.Int64() if name.endswith("_seconds") else pl.String() for name in _VALUES},
        "name": pl.String(),
        "web_password": pl.String(),
        "web_password_fingerprint": pl.String(),
        "password_changed": pl.Boolean(),
        "web_password_sealed": pl.Binary(),
        "sip_user": pl.String(),
        "sip_secret": pl.Binary(),
    }
)


def undone_phones(
    phones: list[dict[str, Any]], snapshot: Snapshot, people: list[dict[str, Any]]
) -> tuple[pl.DataFrame, list[Issue]]:
    """The phone changes that take a run's back, and what could not be taken back."""
    removed = {person["login"] for person in people if person["action"] == "remove"}
    created = {person["login"] for person in people if person["action"] == "create"}
    there = ({*snapshot.users["login"].to_list()} - removed) | created
    devices = _by_key(snapshot)
    rows: list[dict[str, Any]] = []
    issues: list[Issue] = []
    seen: set[int] = set()
    for phone in phones:
        device = devices.get(phone["mac"] or (phone["kind"], phone["login"]))
        row = _undone(phone, device, there)
        if row is not None:
            rows.append(row)
            seen.add(row["device_id"] or -1)
        elif not _is_so_already(phone, device, removed):
            text = f"{phone['login']}: the phone {phone['mac'] or phone['kind']} was given to somebody else since"
            issues.append(Issue(None, None, None, "undo-phone-kept", text))
    rows += [
        _row("release", device, device["login"])
        for device in devices.values()
        if device["login"] in removed and device["device_id"] not in seen
    ]
    return pl.DataFrame(rows, schema=_SCHEMA).sort("login", "kind", "mac"), issues


def _by_key(snapshot: Snapshot) -> dict[Any, dict[str, Any]]:
    return {row["mac"] or (row["kind"], row["login"]): row for row in snapshot.devices.to_dicts()}


def _undone(phone: dict[str, Any], device: dict[str, Any] | None, there: set[str]) -> dict[str, Any] | None:
    """The change that takes one back; None where the phone is not as the run left it, or there is nobody to get it."""
    before, login = phone["before"], phone["login"]
    if phone["action"] == "release":
        return _given_back(phone, device) if login in there else None
    if device is None or device["login"] != login:
        return None
    if before is None or before not in there:
        return _row("release", device, login)
    return _with_former_values(_row("move" if before != login else "assign", device, before), phone, device)


def _given_back(phone: dict[str, Any], device: dict[str, Any] | None) -> dict[str, Any] | None:
    login = phone["login"]
    if device is not None and device["kind"] == "ip_phone":
        return _row("assign", device, login) if device["login"] is None else None
    if device is not None or phone["kind"] == "ip_phone":
        return None
    values: dict[str, Any] = {name: FOLLOW_ME_DEFAULTS.get(name, "") for name in (*_VALUES, "name")}
    values |= {name: pair[0] for name, pair in json.loads(phone["fields"]).items()}
    made = {"action": "assign", "login": login, "kind": phone["kind"], "mac": None, "device_id": None, "before": None}
    account = {"sip_user": phone["sip_user"], "sip_secret": phone["sip_secret"], "password_changed": False}
    return {**made, **values, **account, "fields": "{}"}


def _row(action: str, device: dict[str, Any], login: str) -> dict[str, Any]:
    kept = {name: device[name] for name in ("kind", "mac", "device_id", "name", *_VALUES)}
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
    defaults = {name: FOLLOW_ME_DEFAULTS.get(name, "") for name in (*_VALUES, "name")}
    fields = {name: [device[name], None] for name, default in defaults.items() if device[name] != default}
    return json.dumps(fields, ensure_ascii=False)


def _with_former_values(row: dict[str, Any], phone: dict[str, Any], device: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, list[Any]] = json.loads(phone["fields"])
    back: dict[str, list[Any]] = {}
    for name, (before, after) in fields.items():
        if name == "web_password":
            row |= {"web_password_sealed": phone["web_password"], "password_changed": True}
            row["web_password_fingerprint"] = phone["web_password_fingerprint"]
            back[name] = ["•••", "•••"]
        elif device[name] == after:
            row[name] = before if before is not None else ("" if isinstance(after, str) else after)
            back[name] = [after, before]
    return {**row, "fields": json.dumps(back, ensure_ascii=False)}


def _is_so_already(phone: dict[str, Any], device: dict[str, Any] | None, removed: set[str]) -> bool:
    """Nothing is lost: the device went with its user, or is where it was before."""
    if phone["login"] in removed or device is None:
        return True
    return device["login"] == phone["before"]
