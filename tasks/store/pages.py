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


def page_of_users(connection: Connection, cut: Cut) -> Page:
    """Users by login, found by a part of login, name, extension or e-mail address."""
    found = sa.select(users.c.id).order_by(users.c.login)
    if cut.search:
        holds = _Holds(connection, cut.search)
        found = found.where(
            holds(users.c.login, users.c.display_name)
            | users.c.id.in_(sa.select(extensions.c.user_id).where(holds(extensions.c.number)))
            | users.c.id.in_(sa.select(voicemail_boxes.c.user_id).where(holds(voicemail_boxes.c.email)))
        )
    ids, total = _keys(connection, found, cut, sa.select(sa.func.count().label("total")).select_from(users))
    return Page(connection.read(_users().where(users.c.id.in_(ids)).order_by(users.c.login)).to_dicts(), total)


def page_of_phones(connection: Connection, cut: Cut) -> Page:
    """Devices by MAC, found by a part of MAC, address, name or login; `only` is assigned or free."""
    found = sa.select(devices.c.id).order_by(devices.c.mac, devices.c.id)
    every = sa.select(sa.func.count().label("total")).select_from(devices)
    if cut.only in {"assigned", "free"}:
        wanted = devices.c.user_id.is_(None) if cut.only == "free" else devices.c.user_id.is_not(None)
        found, every = found.where(wanted), every.where(wanted)
    if cut.search:
        text = re.sub(r"[^0-9A-Fa-f]", "", cut.search) if _MAC.fullmatch(cut.search) else cut.search
        holds = _Holds(connection, text)
        owners = sa.select(users.c.id).where(holds(users.c.login))
        found = found.where(holds(devices.c.mac, devices.c.ip, devices.c.name) | devices.c.user_id.in_(owners))
    ids, total = _keys(connection, found, cut, every)
    select = sa.select(devices.c.kind, devices.c.mac, devices.c.ip, devices.c.name, users.c.login)
    joined = select.select_from(devices.outerjoin(users, users.c.id == devices.c.user_id))
    rows = connection.read(joined.where(devices.c.id.in_(ids)).order_by(devices.c.mac, devices.c.id))
    return Page(rows.to_dicts(), total)


def page_of_changes(connection: Connection, run_id: str, cut: Cut) -> Page:
    """What a run changed, people before contacts, found by a part of login, name or fields; `only` is an action."""
    changes = _changes_of(run_id).c
    found = sa.select(changes.place).order_by(changes.place)
    every = sa.select(sa.func.count().label("total")).select_from(changes.place.table)
    if cut.only:
        found, every = found.where(changes.action == cut.only), every.where(changes.action == cut.only)
    if cut.search:
        found = found.where(_Holds(connection, cut.search)(changes.login, changes.contact, changes.fields))
    places, total = _keys(connection, found, cut, every)
    rows = connection.read(sa.select(*changes).where(changes.place.in_(places)).order_by(changes.place)).to_dicts()
    phones = _phones_of(connection, run_id, [row["login"] for row in rows if row["login"] is not None])
    return Page([{**row, "phones": phones.get(row["login"], [])} for row in rows], total)


def _changes_of(run_id: str) -> sa.Subquery:
    """A run's changes of people and, after them, of contacts; `place` is their order."""
    people, contacts, absent = run_changes.c, run_contacts.c, sa.cast(sa.null(), sa.Text)
    one = sa.select(
        people.position.label("place"),
        *(people.action, people.login, absent.label("contact"), people.row, people.fields),
    ).where(people.run_id == run_id)
    other = sa.select(
        (contacts.position + _CONTACTS_FROM).label("place"),
        *(contacts.action, absent.label("login"), contacts.contact, contacts.row, contacts.fields),
    ).where(contacts.run_id == run_id)
    return sa.union_all(one, other).subquery("changes")


_CONTACTS_FROM: Final = 1_000_000_000


def page_of_issues(connection: Connection, run_id: str, cut: Cut) -> Page:
    """What a run had to say, in its order; `only` is a code."""
    issues = run_issues.c
    found = sa.select(issues.position).where(issues.run_id == run_id).order_by(issues.position)
    every = sa.select(sa.func.count().label("total")).select_from(run_issues).where(issues.run_id == run_id)
    if cut.only:
        found, every = found.where(issues.code == cut.only), every.where(issues.code == cut.only)
    if cut.search:
        found = found.where(_Holds(connection, cut.search)(issues.message, issues.column))
    positions, total = _keys(connection, found, cut, every)
    columns = (issues.row, issues.line, issues.column, issues.code, issues.severity, issues.message)
    here = (issues.run_id == run_id) & issues.position.in_(positions)
    return Page(connection.read(sa.select(*columns).where(here).order_by(issues.position)).to_dicts(), total)


def page_of_runs(connection: Connection, cut: Cut) -> Page:
    """The history, newest first; `only` is a profile."""
    newest = (runs.c.started.desc(), runs.c.id.desc())
    found = sa.select(runs.c.id).order_by(*newest)
    every = sa.select(sa.func.count().label("total")).select_from(runs)
    if cut.only:
        found, every = found.where(runs.c.profile == cut.only), every.where(runs.c.profile == cut.only)
    if cut.search:
        holds = _Holds(connection, cut.search)
        found = found.where(holds(runs.c.id, runs.c.profile, runs.c.actor, runs.c.status, runs.c.kind))
    ids, total = _keys(connection, found, cut, every)
    columns = (
        *(runs.c.id, runs.c.kind, runs.c.profile, runs.c.started, runs.c.status),
        *(runs.c.summary, runs.c.held, runs.c.actor),
    )
    return Page(connection.read(sa.select(*columns).where(runs.c.id.in_(ids)).order_by(*newest)).to_dicts(), total)


def last_runs(connection: Connection) -> dict[str, dict[str, Any]]:
    """The newest run of each profile."""
    newest = sa.select(runs.c.profile, sa.func.max(runs.c.started, type_=sa.Text).label("started"))
    latest = newest.group_by(runs.c.profile).subquery()
    columns = (runs.c.id, runs.c.profile, runs.c.kind, runs.c.status, runs.c.started, runs.c.summary)
    same = (runs.c.profile == latest.c.profile) & (runs.c.started == latest.c.started)
    found = connection.read(sa.select(*columns).join(latest, same))
    return {row["profile"]: row for row in found.to_dicts()}


def codes_of_run(connection: Connection, run_id: str) -> dict[str, int]:
    """How many issues of each code a run has."""
    codes = sa.select(run_issues.c.code, sa.func.count().label("count")).where(run_issues.c.run_id == run_id)
    return dict(connection.read(codes.group_by(run_issues.c.code).order_by(run_issues.c.code)).rows())


def one_user(connection: Connection, login: str) -> dict[str, Any] | None:
    """A user as `users --json` prints one, read alone; None where there is none."""
    person = connection.read(sa.select(users.c.id).where(users.c.login == login))
    if person.is_empty():
        return None
    user_id = int(person["id"][0])
    entries = sa.select(*(phonebook.c[name] for name in _ENTRY)).where(phonebook.c.user_id == user_id)
    owned = sa.select(devices.c.kind, devices.c.mac, devices.c.ip, devices.c.name).where(devices.c.user_id == user_id)
    named = sa.select(roles.c.name).join(user_roles, roles.c.id == user_roles.c.role_id)
    return {
        **connection.read(_users().where(users.c.id == user_id)).to_dicts()[0],
        "roles": [ROLE_OF_EVERYONE, *connection.read(named.where(user_roles.c.user_id == user_id))["name"].to_list()],
        "phonebook": connection.read(entries.order_by(phonebook.c.position)).to_dicts(),
        "devices": connection.read(owned.order_by(devices.c.kind, devices.c.mac)).to_dicts(),
    }


def _users() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        users.c.login,
        users.c.display_name,
        users.c.enabled,
        extensions.c.number.label("extension"),
        voicemail_boxes.c.email,
        import_records.c.profile,
        import_records.c.adopted,
    ).select_from(
        users.outerjoin(extensions, extensions.c.user_id == users.c.id)
        .outerjoin(voicemail_boxes, voicemail_boxes.c.user_id == users.c.id)
        .outerjoin(import_records, import_records.c.user_id == users.c.id)
    )


def _phones_of(connection: Connection, run_id: str, logins: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What a run did to the phones of some people."""
    names = ("login", "action", "kind", "mac", "before")
    here = (run_phones.c.run_id == run_id) & run_phones.c.login.in_(logins)
    select = sa.select(*(run_phones.c[name] for name in names)).where(here).order_by(run_phones.c.position)
    found: dict[str, list[dict[str, Any]]] = {}
    for phone in connection.read(select).to_dicts():
        found.setdefault(phone["login"], []).append(phone)
    return found


class _Holds:
    """Whether one of some columns contains a text, without regard to case."""

    def __init__(self, connection: Connection, text: str) -> None:
        escaped = re.sub(r"([\\%_])", r"\\\1", text)
        self._pattern = f"%{escaped}%"
        # SQLite's LIKE ignores case by itself; lower() on each of 100,000 rows would cost more than the search.
        self._is_sqlite = connection.kind == "sqlite"

    def __call__(self, *columns: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        compare = "like" if self._is_sqlite else "ilike"
        return sa.or_(*(getattr(column, compare)(self._pattern, escape="\\") for column in columns))


def _keys(connection: Connection, found: Any, cut: Cut, every: Any) -> tuple[list[Any], int]:
    """The keys of the page's rows, and how many there are in all.

    A search reads all keys that it finds, so that it runs once; without one the database counts by `every`.
    """
    if cut.search:
        keys = connection.read(found)
        return keys.slice(cut.offset, cut.limit).to_series().to_list(), keys.height
    page = connection.read(found.limit(cut.limit).offset(cut.offset))
    return page.to_series().to_list(), int(connection.read(every)["total"][0])
