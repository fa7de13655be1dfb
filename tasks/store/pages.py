"""What the phone system holds, a page at a time: searched, counted and cut by the database; no secret is read here."""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

import sqlalchemy as sa

from tasks.store.connection import Connection
from tasks.store.tables import (
    devices,
    extensions,
    import_records,
    run_changes,
    run_contacts,
    run_issues,
    run_phones,
    runs,
    users,
    voicemail_boxes,
)
from tasks.store.views import phones_select, read_runs, runs_select, users_select

_MAC: Final = re.compile(r"[0-9A-Fa-f]{2}([:. -]?[0-9A-Fa-f]{2}){2,5}")
_LETTER: Final = re.compile("[A-Za-z]")
"""What has one is part of no extension, so none is looked at."""


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
    """Users by login, found by a part of login, name, extension or e-mail address; `only` is a profile."""
    found = sa.select(users.c.id).order_by(users.c.login)
    every = sa.select(sa.func.count().label("total")).select_from(users)
    if cut.only:
        owned = (import_records.c.user_id == users.c.id) & (import_records.c.profile == cut.only)
        found, every = found.where(sa.exists().where(owned)), every.join(import_records, owned)
    if cut.search:
        holds = _Holds(connection, cut.search)
        wanted = holds(users.c.login, users.c.display_name) | users.c.id.in_(
            sa.select(voicemail_boxes.c.user_id).where(holds(voicemail_boxes.c.email))
        )
        if not _LETTER.search(cut.search):
            wanted |= users.c.id.in_(sa.select(extensions.c.user_id).where(holds(extensions.c.number)))
        found = found.where(wanted)
    ids, total = _keys(connection, found, cut, every)
    return Page(connection.read(users_select().where(users.c.id.in_(ids)).order_by(users.c.login)).to_dicts(), total)


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
    rows = connection.read(phones_select().where(devices.c.id.in_(ids)).order_by(devices.c.mac, devices.c.id))
    return Page(rows.to_dicts(), total)


def page_of_changes(connection: Connection, run_id: str, cut: Cut) -> Page:
    """What a run changed, people before contacts, found by a part of login, name or fields; `only` is an action.

    The two are cut one after the other: of a union, SQLite would sort and walk through all.
    """
    people, of_people = _positions(connection, run_changes, run_id, cut)
    further = replace(cut, offset=max(cut.offset - of_people, 0), limit=cut.limit - len(people))
    contacts, of_contacts = _positions(connection, run_contacts, run_id, further)
    rows = _changes_at(connection, run_changes, run_id, people)
    rows += _changes_at(connection, run_contacts, run_id, contacts)
    phones = _phones_of(connection, run_id, [row["login"] for row in rows if row["login"] is not None])
    return Page([{**row, "phones": phones.get(row["login"], [])} for row in rows], of_people + of_contacts)


def _positions(connection: Connection, table: sa.Table, run_id: str, cut: Cut) -> tuple[list[int], int]:
    """Where a run's wanted changes of people, or of contacts, stand, and how many there are in all."""
    changes = table.c
    found = sa.select(changes.position).where(changes.run_id == run_id).order_by(changes.position)
    every = sa.select(sa.func.count().label("total")).where(changes.run_id == run_id)
    if cut.only:
        found, every = found.where(changes.action == cut.only), every.where(changes.action == cut.only)
    if cut.search:
        found = found.where(_Holds(connection, cut.search)(changes[_NAMED[table.name]], changes.fields))
    return _keys(connection, found, cut, every)


def _changes_at(connection: Connection, table: sa.Table, run_id: str, positions: list[int]) -> list[dict[str, Any]]:
    """The changes at these positions; a person has no `contact`, a contact no `login`."""
    if not positions:
        return []
    changes, named = table.c, _NAMED[table.name]
    select = sa.select(changes.position, changes.action, changes[named], changes.row, changes.fields)
    rows = connection.read(select.where(changes.run_id == run_id, changes.position.in_(positions))).sort("position")
    return [{"login": None, "contact": None, **row} for row in rows.to_dicts()]


_NAMED: Final = {run_changes.name: "login", run_contacts.name: "contact"}
"""The column that says whose change it is."""


def page_of_issues(connection: Connection, run_id: str, cut: Cut, *, failed: bool = False) -> Page:
    """What a run had to say, in its order; `only` is a code, `failed` leaves out what is not an error of a row.

    `total` counts what a search found; without one it is 0: `codes_of_run` counts all of them in one go.
    """
    issues = run_issues.c
    found = sa.select(issues.position).where(issues.run_id == run_id).order_by(issues.position)
    if failed:
        found = found.where((issues.severity == "error") & issues.row.is_not(None))
    if cut.only:
        found = found.where(issues.code == cut.only)
    if cut.search:
        found = found.where(_Holds(connection, cut.search)(issues.message, issues.column))
    positions, total = _keys(connection, found, cut, None)
    columns = (issues.position, issues.row, issues.line, issues.column, issues.code, issues.severity, issues.message)
    here = (issues.run_id == run_id) & issues.position.in_(positions)
    return Page(connection.read(sa.select(*columns).where(here)).sort("position").to_dicts(), total)


def page_of_runs(connection: Connection, cut: Cut) -> Page:
    """The history, newest first; `only` is a profile."""
    found = sa.select(runs.c.id).order_by(runs.c.started.desc(), runs.c.id.desc())
    every = sa.select(sa.func.count().label("total")).select_from(runs)
    if cut.only:
        found, every = found.where(runs.c.profile == cut.only), every.where(runs.c.profile == cut.only)
    if cut.search:
        holds = _Holds(connection, cut.search)
        found = found.where(holds(runs.c.id, runs.c.profile, runs.c.actor, runs.c.status, runs.c.kind))
    ids, total = _keys(connection, found, cut, every)
    return Page(read_runs(connection, runs_select().where(runs.c.id.in_(ids))), total)


def last_runs(connection: Connection) -> dict[str, dict[str, Any]]:
    """The newest run of each profile, as the history shows it."""
    newest = sa.select(runs.c.profile, sa.func.max(runs.c.started, type_=sa.Text).label("started"))
    latest = newest.group_by(runs.c.profile).subquery()
    same = (runs.c.profile == latest.c.profile) & (runs.c.started == latest.c.started)
    return {run["profile"]: run for run in read_runs(connection, runs_select().join(latest, same))}


def codes_of_run(connection: Connection, run_id: str) -> dict[str, int]:
    """How many issues of each code a run has."""
    codes = sa.select(run_issues.c.code, sa.func.count().label("count")).where(run_issues.c.run_id == run_id)
    return dict(connection.read(codes.group_by(run_issues.c.code).order_by(run_issues.c.code)).rows())


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

    The rows of these keys are sorted where they are read: asked to order them, SQLite walks through all rows instead.

    A search reads all keys that it finds, so that it runs once; without one the database counts by `every`, if given.
    """
    if cut.search:
        keys = connection.read(found)
        return keys.slice(cut.offset, cut.limit).to_series().to_list(), keys.height
    page = connection.read(found.limit(cut.limit).offset(cut.offset))
    return page.to_series().to_list(), 0 if every is None else int(connection.read(every)["total"][0])
