"""What the phone system holds, a page at a time: searched, counted and cut by the database; no secret is read here."""

import re
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tasks.store.connection import Connection
from tasks.store.tables import (
    devices,
    extensions,
    import_records,
    phonebook,
    roles,
    run_changes,
    run_issues,
    run_phones,
    runs,
    user_roles,
    users,
    voicemail_boxes,
)
from tasks.user import PHONEBOOK_FIELDS, ROLE_OF_EVERYONE

_ENTRY: Final = tuple(field.column for field in PHONEBOOK_FIELDS)
_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}([:. -]?[0-9A-Fa-f]{2}){2,5}")


@dataclass(frozen=True)
class Cut:
    """Which rows are wanted: those with `search` in them, `limit` of them after `offset`; `only` narrows by kind."""

    search: str = ""
    only: str = ""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class Page:
    """Some rows of many; `total` counts all that the search found."""

    rows: list[dict[str, Any]]
    total: int


def page_of_users(connection: Connection, cut: Cut, also: Any = None) -> Page:
    """Users by login, found by a part of login, name, extension or e-mail address; `also` is one more condition."""
    found = (sa.true() if also is None else also) & _holds(
        cut.search, users.c.login, users.c.display_name, extensions.c.number, voicemail_boxes.c.email
    )
    select = (
        sa.select(
            users.c.login,
            users.c.display_name,
            users.c.enabled,
            extensions.c.number.label("extension"),
            voicemail_boxes.c.email,
            import_records.c.profile,
            import_records.c.adopted,
        )
        .select_from(
            users.outerjoin(extensions, extensions.c.user_id == users.c.id)
            .outerjoin(voicemail_boxes, voicemail_boxes.c.user_id == users.c.id)
            .outerjoin(import_records, import_records.c.user_id == users.c.id)
        )
        .where(found)
        .order_by(users.c.login)
    )
    # Without a search the joins change no count.
    counted = select if cut.search else sa.select(users.c.id)
    return _page(connection, select, counted, cut)


def page_of_phones(connection: Connection, cut: Cut) -> Page:
    """Devices by kind and MAC, found by a part of MAC, address, name or login; `only` is assigned or free."""
    text = re.sub(r"[^0-9A-Fa-f]", "", cut.search) if _MAC.fullmatch(cut.search) else cut.search
    found = _holds(text, devices.c.mac, devices.c.ip, devices.c.name, users.c.login)
    if cut.only == "assigned":
        found = found & devices.c.user_id.is_not(None)
    elif cut.only == "free":
        found = found & devices.c.user_id.is_(None)
    select = (
        sa.select(devices.c.kind, devices.c.mac, devices.c.ip, devices.c.name, users.c.login)
        .select_from(devices.outerjoin(users, users.c.id == devices.c.user_id))
        .where(found)
        .order_by(devices.c.kind, devices.c.mac, users.c.login)
    )
    return _page(connection, select, select, cut)


def page_of_changes(connection: Connection, run_id: str, cut: Cut) -> Page:
    """What a run changed, in its order, found by a part of the login or the fields; `only` is an action."""
    changes = run_changes.c
    found = (changes.run_id == run_id) & _holds(cut.search, changes.login, changes.fields)
    if cut.only:
        found = found & (changes.action == cut.only)
    columns = (changes.position, changes.action, changes.login, changes.row, changes.fields)
    page = _counted(connection, sa.select(*columns).where(found).order_by(changes.position), cut)
    logins = [row["login"] for row in page.rows]
    phones = sa.select(
        run_phones.c.login, run_phones.c.action, run_phones.c.kind, run_phones.c.mac, run_phones.c.before
    )
    phones = phones.where((run_phones.c.run_id == run_id) & run_phones.c.login.in_(logins))
    moved = connection.read(phones.order_by(run_phones.c.position)).to_dicts() if logins else []
    rows = [{**row, "phones": [phone for phone in moved if phone["login"] == row["login"]]} for row in page.rows]
    return Page(rows, page.total)


def page_of_issues(connection: Connection, run_id: str, cut: Cut) -> Page:
    """What a run had to say, in its order; `only` is a code."""
    issues = run_issues.c
    found = (issues.run_id == run_id) & _holds(cut.search, issues.message, issues.column)
    if cut.only:
        found = found & (issues.code == cut.only)
    columns = (issues.row, issues.line, issues.column, issues.code, issues.severity, issues.message)
    return _counted(connection, sa.select(*columns).where(found).order_by(issues.position), cut)


def page_of_runs(connection: Connection, cut: Cut) -> Page:
    """The history, newest first; `only` is a profile."""
    found = _holds(cut.search, runs.c.id, runs.c.profile, runs.c.actor, runs.c.status, runs.c.kind)
    if cut.only:
        found = found & (runs.c.profile == cut.only)
    columns = (
        *(runs.c.id, runs.c.kind, runs.c.profile, runs.c.mode, runs.c.started, runs.c.finished, runs.c.status),
        *(runs.c.summary, runs.c.checksum, runs.c.held, runs.c.source, runs.c.actor),
    )
    return _counted(connection, sa.select(*columns).where(found).order_by(runs.c.started.desc(), runs.c.id.desc()), cut)


def last_runs(connection: Connection) -> dict[str, dict[str, Any]]:
    """The newest run of each profile."""
    newest = sa.select(runs.c.profile, sa.func.max(runs.c.started, type_=sa.Text).label("started"))
    latest = newest.group_by(runs.c.profile).subquery()
    columns = (runs.c.id, runs.c.profile, runs.c.kind, runs.c.status, runs.c.started, runs.c.summary)
    same = (runs.c.profile == latest.c.profile) & (runs.c.started == latest.c.started)
    found = connection.read(sa.select(*columns).join(latest, same))
    return {row["profile"]: row for row in found.to_dicts()}


def counts_of_run(connection: Connection, run_id: str) -> dict[str, dict[str, int]]:
    """How many changes of each action, and issues of each code, a run has."""
    actions = sa.select(run_changes.c.action, sa.func.count().label("count")).where(run_changes.c.run_id == run_id)
    codes = sa.select(run_issues.c.code, sa.func.count().label("count")).where(run_issues.c.run_id == run_id)
    return {
        "actions": dict(connection.read(actions.group_by(run_changes.c.action)).rows()),
        "codes": dict(connection.read(codes.group_by(run_issues.c.code)).rows()),
    }


def _holds(text: str, *columns: Any) -> Any:
    """Whether one of the columns contains the text, without regard to case."""
    if not text:
        return sa.true()
    return sa.or_(*(column.icontains(text, autoescape=True) for column in columns))


def _counted(connection: Connection, select: Any, cut: Cut) -> Page:
    return _page(connection, select, select, cut)


def _page(connection: Connection, select: Any, counted: Any, cut: Cut) -> Page:
    total = connection.read(sa.select(sa.func.count().label("total")).select_from(counted.order_by(None).subquery()))
    rows = connection.read(select.limit(cut.limit).offset(cut.offset)).to_dicts()
    return Page(rows, int(total["total"][0]))


def one_user(connection: Connection, login: str) -> dict[str, Any] | None:
    """A user as `users --json` prints one, read alone; None where there is none."""
    person = connection.read(sa.select(users.c.id).where(users.c.login == login))
    if person.is_empty():
        return None
    user_id = int(person["id"][0])
    found = page_of_users(connection, Cut(), users.c.id == user_id).rows[0]
    entries = sa.select(*(phonebook.c[name] for name in _ENTRY)).where(phonebook.c.user_id == user_id)
    owned = sa.select(devices.c.kind, devices.c.mac, devices.c.ip, devices.c.name).where(devices.c.user_id == user_id)
    named = sa.select(roles.c.name).join(user_roles, roles.c.id == user_roles.c.role_id)
    return {
        **found,
        "roles": [ROLE_OF_EVERYONE, *connection.read(named.where(user_roles.c.user_id == user_id))["name"].to_list()],
        "phonebook": connection.read(entries.order_by(phonebook.c.position)).to_dicts(),
        "devices": connection.read(owned.order_by(devices.c.kind, devices.c.mac)).to_dicts(),
    }
