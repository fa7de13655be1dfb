"""Undo: a recorded run backwards, as a plan like any other.

What the run created is removed, what it updated gets its values back, what it removed comes back with extension,
roles, secrets and phones. Whatever a person or a later run changed since is kept, and named (decision 27).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from tasks.comparison import existing_fields_json
from tasks.extensions import next_free_numbers
from tasks.issue import Issue, issue_frame
from tasks.output import SourceFacts
from tasks.ownership import owned_records
from tasks.plan import Plan, empty_summary, phonebook_prefixes, text_fields
from tasks.snapshot import Snapshot
from tasks.undo_contacts import undone_contacts
from tasks.undo_phones import undone_phones
from tasks.user import MASK, SECRET_FIELDS

_DEFAULTS: Final = {"auth_method": "mobydick"}
_SPECIAL: Final = frozenset({"extension", "extension_automatic", "profile", "enabled", "missing_since", *SECRET_FIELDS})


@dataclass(frozen=True)
class History:
    """What a run left behind.

    Shape: `changes` rows of run_changes with `fields` as text, `secrets` rows of run_secrets, `phones` of run_phones,
    `contacts` of run_contacts, `present` the sealed secrets as they lie now (`login`, `password`, `pin`).
    """

    run: str
    profile: str
    changes: list[dict[str, Any]]
    secrets: list[dict[str, Any]]
    phones: list[dict[str, Any]]
    contacts: list[dict[str, Any]]
    present: list[dict[str, Any]]


@dataclass
class _Undoing:
    """The plan as it grows: one dictionary a person."""

    history: History
    snapshot: Snapshot
    columns: list[str]
    current: dict[str, dict[str, Any]]
    secrets: dict[tuple[str, str], dict[str, Any]]
    present: dict[str, dict[str, Any]]
    devices: dict[str, set[str]]
    people: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    issues: list[Issue] = field(default_factory=list[Issue])

    def keep(self, login: str, why: str) -> None:
        self.issues.append(Issue(None, None, None, "undo-kept", f"{login}: {why}"))


def undo_plan(history: History, snapshot: Snapshot, pool_start: int) -> Plan:
    """The plan that takes a run back, against the phone system as it is now."""
    undoing = _start(history, snapshot)
    for change in history.changes:
        _undo_change(undoing, change, json.loads(change["fields"]))
    _give_numbers(undoing, pool_start)
    phones, phone_issues = undone_phones(history.phones, snapshot, undoing.people)
    contacts, contact_issues = undone_contacts(history.contacts, snapshot, history.profile)
    changes = _frame(undoing)
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
        issues=issue_frame([*undoing.issues, *phone_issues, *contact_issues]),
    )


def _start(history: History, snapshot: Snapshot) -> _Undoing:
    logins = pl.Series("login", [change["login"] for change in history.changes], dtype=pl.String).to_frame()
    known = snapshot.users.join(logins, on="login", how="semi")
    devices: dict[str, set[str]] = {}
    for login, kind, mac in snapshot.devices.drop_nulls("login").select("login", "kind", "mac").iter_rows():
        devices.setdefault(login, set()).add(mac or kind)
    return _Undoing(
        history=history,
        snapshot=snapshot,
        columns=text_fields(snapshot.users.columns),
        current={row["login"]: row for row in known.to_dicts()},
        secrets={(row["login"], row["field"]): row for row in history.secrets},
        present={row["login"]: row for row in history.present},
        devices=devices,
    )


def _undo_change(undoing: _Undoing, change: dict[str, Any], fields: dict[str, list[Any]]) -> None:
    login, user = change["login"], undoing.current.get(change["login"])
    match change["action"]:
        case "create":
            _uncreate(undoing, login, user, fields)
        case "remove":
            _bring_back(undoing, login, user, fields)
        case _:
            _take_back(undoing, login, user, fields)


def _uncreate(undoing: _Undoing, login: str, user: dict[str, Any] | None, fields: dict[str, list[Any]]) -> None:
    if user is None:
        undoing.keep(login, "is gone already")
        return
    changed = list(_changed_since_creation(undoing, login, user, fields))
    if changed:
        undoing.keep(login, f"stays, since {', '.join(changed)} changed after the run")
        return
    undoing.people.append({"action": "remove", "login": login, "user_id": user["user_id"], "is": user})


def _changed_since_creation(
    undoing: _Undoing, login: str, user: dict[str, Any], fields: dict[str, list[Any]]
) -> Iterator[str]:
    for name in undoing.columns:
        if not _same(name, user[name], fields.get(name, [None, _DEFAULTS.get(name, "")])[1]):
            yield name
    if user["extension"] != fields.get("extension", [None, None])[1]:
        yield "extension"
    if user["profile"] != undoing.history.profile:
        yield "the owner"
    yield from (name for name in SECRET_FIELDS if _moved(undoing, login, name))
    given = {
        phone["mac"] or phone["kind"]
        for phone in undoing.history.phones
        if phone["login"] == login and phone["action"] != "release"
    }
    if undoing.devices.get(login, set()) != given:
        yield "a phone"


def _bring_back(undoing: _Undoing, login: str, user: dict[str, Any] | None, fields: dict[str, list[Any]]) -> None:
    if user is not None:
        undoing.keep(login, "is there again, and stays as it is")
        return
    before = {name: pair[0] for name, pair in fields.items()}
    person: dict[str, Any] = {"action": "create", "login": login, "user_id": None, "owner": undoing.history.profile}
    person |= {
        "adopted": False,
        "number": before.get("extension"),
        "automatic": bool(before.get("extension_automatic")),
    }
    person |= {"enabled": before.get("enabled", True), "missing_since": before.get("missing_since")}
    texts = {*undoing.columns, *(name for name in before if name not in _SPECIAL)}
    for name in texts:
        person[name] = _value(before.get(name, _DEFAULTS.get(name, "")))
    for prefix in phonebook_prefixes([*texts, *before]) or ["phonebook"]:
        person[prefix] = bool(before.get(prefix, False))
    _put_secrets_back(undoing, person, login)
    person["fields"] = {name: [None, value] for name, value in before.items()}
    undoing.people.append(person)


def _take_back(undoing: _Undoing, login: str, user: dict[str, Any] | None, fields: dict[str, list[Any]]) -> None:
    """An update, a release, a disabling or enabling: field by field, where nobody changed it since."""
    if user is None:
        undoing.keep(login, "is gone, so nothing of it goes back")
        return
    person: dict[str, Any] = {"action": "update", "login": login, "user_id": user["user_id"], "fields": {}}
    person |= {name: user[name] for name in (*undoing.columns, *phonebook_prefixes(list(user)))}
    person |= {"number": user["extension"], "automatic": user["automatic"]}
    kept = [name for name, pair in fields.items() if not _put_back(undoing, person, user, (name, *pair))]
    if kept:
        undoing.keep(login, f"{', '.join(kept)} changed after the run, and stays")
    if person["fields"]:
        undoing.people.append(person)


def _put_back(undoing: _Undoing, person: dict[str, Any], user: dict[str, Any], change: tuple[str, Any, Any]) -> bool:
    """Puts one field back; False where it is not as the run left it."""
    name, before, after = change
    if name in SECRET_FIELDS:
        if _moved(undoing, user["login"], name):
            return False
        kept = undoing.secrets[user["login"], name]
        person |= {name: kept["before"], f"{name}_changed": True, f"{name}_fingerprint": kept["fingerprint_before"]}
    elif name == "profile":
        if user["profile"] != after:
            return False
        _put_owner_back(undoing, person, user["login"], before)
    else:
        column = {"extension_automatic": "automatic"}.get(name, name)
        if not _same(name, user.get(column), after):
            return False
        target = {"extension": "number"}.get(column, column)
        person[target] = _value(before)
        if name == "enabled":
            person.setdefault("missing_since", None if before else user["missing_since"])
            if before and user["missing_since"] is not None:
                person["fields"]["missing_since"] = [user["missing_since"], None]
    person["fields"][name] = [after, before]
    return True


def _put_owner_back(undoing: _Undoing, person: dict[str, Any], login: str, before: str | None) -> None:
    if before is None:
        person["disown"] = True
        return
    person |= {"owner": before, "adopted": True}
    for name in SECRET_FIELDS:
        kept = undoing.secrets.get((login, name))
        if kept is not None:
            person[f"{name}_fingerprint"] = kept["fingerprint_before"]


def _put_secrets_back(undoing: _Undoing, person: dict[str, Any], login: str) -> None:
    for name in SECRET_FIELDS:
        kept = undoing.secrets.get((login, name), {"before": None, "fingerprint_before": ""})
        person |= {name: kept["before"], f"{name}_changed": True, f"{name}_fingerprint": kept["fingerprint_before"]}


def _moved(undoing: _Undoing, login: str, name: str) -> bool:
    kept = undoing.secrets.get((login, name))
    return kept is not None and undoing.present.get(login, {}).get(name) != kept["after"]


def _give_numbers(undoing: _Undoing, start: int) -> None:
    """Everybody gets the former number back, or the next free one where it was taken since."""
    going = {person["login"] for person in undoing.people}
    owners = dict(undoing.snapshot.users.select("user_id", "login").iter_rows())
    taken = {
        number
        for number, user_id in undoing.snapshot.extensions.select("number", "user_id").iter_rows()
        if owners.get(user_id) not in going
    }
    for person in undoing.people:
        number = person.get("number")
        if person["action"] == "remove" or number is None:
            continue
        if number in taken:
            known = [*taken, *undoing.snapshot.resting["number"].to_list()]
            known += [other["number"] for other in undoing.people if other.get("number")]
            person["number"] = next_free_numbers(1, start, pl.Series(known, dtype=pl.String))[0]
            person["automatic"] = True
            text = f"{person['login']}: {number} was taken since, gets {person['number']}"
            undoing.issues.append(Issue(None, None, None, "undo-other-number", text))
            if "extension" in person["fields"]:
                person["fields"]["extension"][1] = person["number"]
        taken.add(person["number"])


def _frame(undoing: _Undoing) -> pl.DataFrame:
    """The people as `Plan.changes`."""
    removed = [person for person in undoing.people if person["action"] == "remove"]
    others = [person for person in undoing.people if person["action"] != "remove"]
    frames = [pl.DataFrame(schema=_SCHEMA)]
    if removed:
        existing = pl.DataFrame([person["is"] for person in removed], schema=undoing.snapshot.users.schema)
        gone = existing.select("login", "user_id", action=pl.lit("remove"), fields=existing_fields_json(existing))
        frames.append(gone)
    if others:
        rows = [{**person, "fields": json.dumps(_masked(person["fields"]), ensure_ascii=False)} for person in others]
        names = dict.fromkeys(name for row in rows for name in row)
        frames.append(pl.DataFrame(rows, schema={name: _dtype(name) for name in names}))
    return pl.concat(frames, how="diagonal").sort("action", "login")


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
    flags = ("automatic", "enabled", "adopted", "disown", "password_changed", "pin_changed")
    return pl.Boolean if name in flags or phonebook_prefixes([name]) else pl.String


def _masked(fields: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {
        name: [value and MASK for value in pair] if name in SECRET_FIELDS else pair for name, pair in fields.items()
    }


def _value(value: Any) -> Any:
    return ";".join(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType]


def _same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a field are one; roles carry the spelling of whoever named them first."""
    one, other = _text(one), _text(other)
    return one.lower() == other.lower() if name == "roles" else one == other


def _text(value: Any) -> Any:
    """Values as they compare: a list as its text, nothing as the empty text."""
    return _value(value) if value not in (None, False) else ""
