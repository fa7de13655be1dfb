"""What the phone system holds, for people and scripts: users, phones, runs; no secret is ever read here."""

import json
from typing import Any, Final, TypeAlias

import polars as pl
import sqlalchemy as sa

from tasks.store.connection import Connection
from tasks.store.tables import (
    contact_records,
    devices,
    extensions,
    import_records,
    phonebook,
    roles,
    run_changes,
    run_contacts,
    run_issues,
    run_phones,
    runs,
    user_roles,
    users,
    voicemail_boxes,
)
from tasks.user import PHONEBOOK_FIELDS, ROLE_OF_EVERYONE

_ENTRY: Final = tuple(field.column for field in PHONEBOOK_FIELDS)
_RUN: Final = (
    *("id", "kind", "profile", "mode", "started", "finished"),
    *("status", "summary", "checksum", "held", "source", "actor"),
)
Select: TypeAlias = sa.Select[*tuple[Any, ...]]


def list_users(connection: Connection) -> list[dict[str, Any]]:
    """Every user as `users --json` prints him, by login."""
    return _whole_users(connection, users_select().order_by(users.c.login), sa.true())


def find_user(connection: Connection, login: str) -> dict[str, Any] | None:
    """One user as `users --json` prints him; None where there is none."""
    ids = connection.read(sa.select(users.c.id).where(users.c.login == login))
    if ids.is_empty():
        return None
    user_id = int(ids["id"][0])
    return _whole_users(connection, users_select().where(users.c.id == user_id), sa.column("user_id") == user_id)[0]


def owned_counts(connection: Connection) -> dict[str, tuple[int, int]]:
    """How many people and contacts each profile owns, whether or not there still is such a profile."""
    found: dict[str, tuple[int, int]] = {}
    for at, table in enumerate((import_records, contact_records)):
        counted = sa.select(table.c.profile, sa.func.count().label("count")).group_by(table.c.profile)
        for profile, count in connection.read(counted).iter_rows():
            people, contacts = found.get(profile, (0, 0))
            found[profile] = (count, contacts) if at == 0 else (people, count)
    return found


def list_contacts(connection: Connection) -> list[dict[str, Any]]:
    """Every contact as `contacts --json` prints it, by name."""
    record = contact_records.c
    select = (
        sa.select(
            *(phonebook.c[name] for name in (*_ENTRY, "labels")), record.profile, record.adopted, record.missing_since
        )
        .select_from(phonebook.outerjoin(contact_records, record.entry_id == phonebook.c.id))
        .where(phonebook.c.user_id.is_(None))
        .order_by(phonebook.c.display_name, phonebook.c.phone, phonebook.c.id)
    )
    return [
        {
            **_entry(row, None),
            "profile": row["profile"],
            "adopted": bool(row["adopted"]),
            "enabled": row["missing_since"] is None,
        }
        for row in connection.read(select).to_dicts()
    ]


def list_phones(connection: Connection) -> list[dict[str, Any]]:
    """Every device as `phones --json` prints it, assigned or free."""
    select = phones_select().order_by(devices.c.kind, devices.c.mac, users.c.login)
    return connection.read(select).to_dicts()


def list_runs(connection: Connection, limit: int = 1000) -> list[dict[str, Any]]:
    """The runs as `runs --json` prints them, newest first."""
    return read_runs(connection, runs_select().limit(limit))


def show_run(connection: Connection, run_id: str) -> dict[str, Any] | None:
    """One run, change by change; None where there is no such run."""
    found = connection.read(sa.select(runs).where(runs.c.id == run_id))
    if found.is_empty():
        return None
    changes = connection.read(
        sa.select(
            run_changes.c.run_id, run_changes.c.action, run_changes.c.login, run_changes.c.row, run_changes.c.fields
        )
        .where(run_changes.c.run_id == run_id)
        .order_by(run_changes.c.position)
    )
    story = _changes(connection, changes, _phones_of_runs().where(run_phones.c.run_id == run_id))
    issues = connection.read(
        sa.select(*(run_issues.c[name] for name in ("row", "line", "column", "code", "severity", "message")))
        .where(run_issues.c.run_id == run_id)
        .order_by(run_issues.c.position)
    )
    contacts = sa.select(*(run_contacts.c[name] for name in ("run_id", "action", "contact", "row", "fields")))
    further = connection.read(contacts.where(run_contacts.c.run_id == run_id).order_by(run_contacts.c.position))
    story += [
        {**row, "login": None, "fields": json.loads(row["fields"]), "phones": list[Any]()} for row in further.to_dicts()
    ]
    return {**_run(found.to_dicts()[0]), "changes": story, "issues": issues.to_dicts()}


def show_login(connection: Connection, login: str) -> list[dict[str, Any]]:
    """One person's story over all runs, oldest first; a phone that moved away is told as an update without a field."""
    of_run = (runs.c.started, runs.c.profile, runs.c.status, runs.c.actor)
    of_change = (run_changes.c.action, run_changes.c.login, run_changes.c.row, run_changes.c.fields)
    own = run_changes.c.login == login
    changes = connection.read(
        sa.select(run_changes.c.run_id, *of_run, *of_change).join(runs, runs.c.id == run_changes.c.run_id).where(own)
    )
    gone = sa.and_(run_phones.c.before == login, run_phones.c.action == "move")
    lost = connection.read(
        sa.select(run_phones.c.run_id, *of_run).join(runs, runs.c.id == run_phones.c.run_id).where(gone).distinct()
    )
    told = {"action": "update", "login": login, "row": None, "fields": "{}"}
    further = lost.join(changes, on="run_id", how="anti").with_columns(
        pl.lit(value, dtype=changes.schema[name]).alias(name) for name, value in told.items()
    )
    story = pl.concat([changes, further.select(changes.columns)]).sort("started", "run_id")
    phones = _phones_of_runs().where(sa.or_(run_phones.c.login == login, gone))
    return _changes(connection, story, phones, login)


def users_select() -> Select:
    """The users in one row each, with what belongs to them once."""
    columns = (
        *(users.c.id, users.c.login, users.c.display_name, extensions.c.number.label("extension")),
        *(sa.func.coalesce(voicemail_boxes.c.email, "", type_=sa.Text).label("email"), users.c.auth_method),
        *(users.c.enabled, import_records.c.profile, import_records.c.adopted),
    )
    return sa.select(*columns).select_from(
        users.outerjoin(extensions, extensions.c.user_id == users.c.id)
        .outerjoin(voicemail_boxes, voicemail_boxes.c.user_id == users.c.id)
        .outerjoin(import_records, import_records.c.user_id == users.c.id)
    )


def phones_select() -> Select:
    """The devices with the login of their owner."""
    columns = (devices.c.kind, devices.c.mac, devices.c.ip, devices.c.name, users.c.login)
    return sa.select(*columns).select_from(devices.outerjoin(users, users.c.id == devices.c.user_id))


def runs_select() -> Select:
    """The runs, newest first."""
    return sa.select(*(runs.c[name] for name in _RUN)).order_by(runs.c.started.desc(), runs.c.id.desc())


def read_runs(connection: Connection, select: Select) -> list[dict[str, Any]]:
    """Runs as `runs --json` prints them."""
    return [_run(row) for row in connection.read(select).to_dicts()]


def _whole_users(connection: Connection, people: Select, whose: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    entries = _grouped(connection.read(_entries_select().where(whose)), "user_id")
    owned = _grouped(connection.read(_devices_of_users().where(whose)), "user_id")
    named = _grouped(connection.read(_roles_of_users().where(whose)), "user_id")
    found: list[dict[str, Any]] = []
    for person in connection.read(people).to_dicts():
        user_id = person.pop("id")
        profile, adopted = person.pop("profile"), person.pop("adopted")
        person["roles"] = [ROLE_OF_EVERYONE, *(row["name"] for row in named.get(user_id, []))]
        person["phonebook"] = [_entry(row, person["extension"]) for row in entries.get(user_id, [])]
        person["devices"] = [{key: row[key] for key in ("kind", "mac", "ip", "name")} for row in owned.get(user_id, [])]
        found.append({**person, "profile": profile, "adopted": bool(adopted)})
    return found


def _changes(
    connection: Connection, frame: pl.DataFrame, phones: Select, login: str | None = None
) -> list[dict[str, Any]]:
    """The changes with the phones of each person; `login`: all are told as this person's."""
    by_person: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for phone in connection.read(phones).to_dicts():
        whose = phone["login"] if login is None else login
        by_person.setdefault((phone["run_id"], whose), []).append(_phone(phone, whose))
    return [
        {**row, "fields": json.loads(row["fields"]), "phones": by_person.get((row["run_id"], row["login"]), [])}
        for row in frame.to_dicts()
    ]


def _phone(phone: dict[str, Any], whose: str) -> dict[str, Any]:
    """A change of phone; one that somebody else got says to whom it went."""
    names = ("action", "kind", "mac", "before")
    went = {} if phone["login"] == whose else {"login": phone["login"]}
    return {**{name: phone[name] for name in names}, **went, "fields": json.loads(phone["fields"])}


def _phones_of_runs() -> Select:
    names = ("run_id", "login", "action", "kind", "mac", "before", "fields")
    return sa.select(*(run_phones.c[name] for name in names)).order_by(run_phones.c.position)


def _run(row: dict[str, Any]) -> dict[str, Any]:
    source = json.loads(row["source"])
    plain = {key: row[key] for key in ("kind", "profile", "mode", "started", "finished", "status")}
    return {
        "run": row["id"],
        **plain,
        "summary": json.loads(row["summary"]),
        "checksum": row["checksum"],
        "held": row["held"],
        "source": source,
        "actor": row["actor"],
    }


def _entry(row: dict[str, Any], extension: str | None) -> dict[str, Any]:
    """An entry that names no phone of its own is reached at its user's extension."""
    entry = {key: row[key] for key in _ENTRY}
    return {**entry, "phone": entry["phone"] or extension or "", "labels": json.loads(row["labels"] or "[]")}


def _grouped(frame: pl.DataFrame, key: str) -> dict[int, list[dict[str, Any]]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in frame.to_dicts():
        groups.setdefault(row[key], []).append(row)
    return groups


def _entries_select() -> Select:
    columns = (phonebook.c[name] for name in (*_ENTRY, "labels"))
    return (
        sa.select(phonebook.c.user_id, *columns)
        .where(phonebook.c.user_id.is_not(None))
        .order_by(phonebook.c.user_id, phonebook.c.position)
    )


def _devices_of_users() -> Select:
    columns = (devices.c[name] for name in ("user_id", "kind", "mac", "ip", "name"))
    return sa.select(*columns).where(devices.c.user_id.is_not(None)).order_by(devices.c.kind, devices.c.mac)


def _roles_of_users() -> Select:
    return (
        sa.select(user_roles.c.user_id, roles.c.name)
        .join(roles, roles.c.id == user_roles.c.role_id)
        .order_by(roles.c.name)
    )
