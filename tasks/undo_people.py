"""Undo of people: each goes back to what it was, field by field, unless somebody changed it since.

A person whom the run created and somebody changed since stays as a whole, phones included; so does one whom the run
removed and who is there again.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from tasks.issue import Issue
from tasks.plan import phonebook_prefixes, text_fields
from tasks.snapshot import Snapshot
from tasks.undo_history import History, key_of_device, values_changed_since
from tasks.user import ROLE_SEPARATOR, SECRET_FIELDS

_DEFAULTS: Final = {"auth_method": "mobydick"}
_STANDING: Final = ("enabled", "missing_since", "was_enabled")
_SPECIAL: Final = frozenset({"extension", "extension_automatic", "profile", *_STANDING, *SECRET_FIELDS})


@dataclass
class UndonePeople:
    """What an undo does to people as it grows: one dictionary a person who changes, what is to be said of the others.

    `untouched` are the logins that stay as they are as a whole.
    """

    people: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    issues: list[Issue] = field(default_factory=list[Issue])
    untouched: set[str] = field(default_factory=set[str])

    def keep(self, login: str, why: str) -> None:
        """Says why something does not go back."""
        self.issues.append(Issue(None, None, None, "undo-kept", f"{login}: {why}"))


@dataclass(frozen=True)
class _Undoing:
    """What an undo goes by, and what comes of it."""

    history: History
    columns: list[str]
    current: dict[str, dict[str, Any]]
    secrets: dict[tuple[str, str], dict[str, Any]]
    present: dict[str, dict[str, Any]]
    devices: dict[str, dict[Any, dict[str, Any]]]
    undone: UndonePeople = field(default_factory=UndonePeople)

    def keep(self, login: str, why: str) -> None:
        self.undone.keep(login, why)

    def keep_whole(self, login: str, why: str) -> None:
        self.undone.keep(login, why)
        self.undone.untouched.add(login)


def undone_people(history: History, snapshot: Snapshot) -> UndonePeople:
    """The changes of people that take a run's back, and what stays as it is; numbers are settled by the next step."""
    undoing = _begin(history, snapshot)
    for change in history.changes:
        _undo_change(undoing, change, json.loads(change["fields"]))
    return undoing.undone


def _begin(history: History, snapshot: Snapshot) -> _Undoing:
    logins = pl.Series("login", [change["login"] for change in history.changes], dtype=pl.String).to_frame()
    devices: dict[str, dict[Any, dict[str, Any]]] = {}
    for device in snapshot.devices.join(logins, on="login", how="semi").to_dicts():
        devices.setdefault(device["login"], {})[key_of_device(device)] = device
    return _Undoing(
        history=history,
        columns=text_fields(snapshot.users.columns),
        current={row["login"]: row for row in snapshot.users.join(logins, on="login", how="semi").to_dicts()},
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
            _take_back(undoing, change, user, fields)


def _uncreate(undoing: _Undoing, login: str, user: dict[str, Any] | None, fields: dict[str, list[Any]]) -> None:
    if user is None:
        undoing.keep(login, "is gone already")
        return
    changed = list(_changed_since_creation(undoing, login, user, fields))
    if changed:
        undoing.keep_whole(login, f"stays, since {', '.join(changed)} changed after the run")
        return
    undoing.undone.people.append({"action": "remove", "login": login, "user_id": user["user_id"], "is": user})


def _changed_since_creation(
    undoing: _Undoing, login: str, user: dict[str, Any], fields: dict[str, list[Any]]
) -> Iterator[str]:
    for name in undoing.columns:
        if not _same(name, user[name], fields.get(name, [None, _DEFAULTS.get(name, "")])[1]):
            yield name
    for name, default in (("extension", None), ("enabled", True), ("missing_since", None)):
        if user[name] != fields.get(name, [None, default])[1]:
            yield name
    if user["profile"] != undoing.history.profile:
        yield "the owner"
    yield from (name for name in SECRET_FIELDS if _moved(undoing, login, name))
    if _phones_changed(undoing, login):
        yield "a phone"


def _phones_changed(undoing: _Undoing, login: str) -> bool:
    """Whether somebody has other phones than the run gave, or one of them is set otherwise."""
    history, present = undoing.history, undoing.devices.get(login, {})
    given = {
        key_of_device(phone): phone
        for phone in history.phones
        if phone["login"] == login and phone["action"] != "release"
    }
    return present.keys() != given.keys() or any(
        values_changed_since(history, phone, present[key]) for key, phone in given.items()
    )


def _bring_back(undoing: _Undoing, login: str, user: dict[str, Any] | None, fields: dict[str, list[Any]]) -> None:
    if user is not None:
        undoing.keep_whole(login, "is there again, and stays as it is")
        return
    before = {name: pair[0] for name, pair in fields.items()}
    person: dict[str, Any] = {"action": "create", "login": login, "user_id": None, "owner": undoing.history.profile}
    person |= {
        "adopted": False,
        "number": before.get("extension"),
        "automatic": bool(before.get("extension_automatic")),
    }
    standing = {"enabled": True, "missing_since": None, "was_enabled": True}
    person |= {name: before.get(name, default) for name, default in standing.items()}
    texts = {*undoing.columns, *(name for name in before if name not in _SPECIAL)}
    for name in texts:
        person[name] = _value(before.get(name, _DEFAULTS.get(name, "")))
    for prefix in phonebook_prefixes([*texts, *before]) or ["phonebook"]:
        person[prefix] = bool(before.get(prefix, False))
    _put_secrets_back(undoing, person, login)
    person["fields"] = {name: [None, value] for name, value in before.items()}
    undoing.undone.people.append(person)


def _take_back(
    undoing: _Undoing, change: dict[str, Any], user: dict[str, Any] | None, fields: dict[str, list[Any]]
) -> None:
    """An update, a release, a disabling or enabling: field by field, where nobody changed it since."""
    login = change["login"]
    if user is None:
        undoing.keep(login, "is gone, so nothing of it goes back")
        return
    person: dict[str, Any] = {"action": "update", "login": login, "user_id": user["user_id"], "fields": {}}
    person |= {name: user[name] for name in (*undoing.columns, *phonebook_prefixes(list(user)))}
    person |= {"number": user["extension"], "automatic": user["automatic"], "was_enabled": True}
    person["missing_since"] = user["missing_since"]
    kept = [name for name, pair in fields.items() if not _put_back(undoing, person, user, (name, *pair))]
    if change["action"] == "disable" and "enabled" in person["fields"]:
        # Its history does not say since when, which only apply knew.
        person["missing_since"] = None
        if user["missing_since"] is not None:
            person["fields"]["missing_since"] = [user["missing_since"], None]
    if kept:
        undoing.keep(login, f"{', '.join(kept)} changed after the run, and stays")
    if person["fields"]:
        undoing.undone.people.append(person)


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
        _put_owner_back(undoing, person, user, before)
    else:
        column = {"extension_automatic": "automatic"}.get(name, name)
        if not _same(name, user.get(column), after):
            return False
        person[{"extension": "number"}.get(column, column)] = _value(before)
        if name == "missing_since":
            # Both are written together; whoever was missing before was as enabled as he is now that he is back.
            person |= {"was_enabled": user["enabled"]} if before is not None else {}
            person.setdefault("enabled", user["enabled"])
    person["fields"][name] = [after, before]
    return True


def _put_owner_back(undoing: _Undoing, person: dict[str, Any], user: dict[str, Any], before: str | None) -> None:
    if before is None:
        person["disown"] = True
        return
    # Taking over from another profile leaves `adopted` as it is; only adopted people are ever released.
    person |= {"owner": before, "adopted": user["adopted"] if user["profile"] else True}
    for name in SECRET_FIELDS:
        kept = undoing.secrets.get((user["login"], name))
        if kept is not None:
            person[f"{name}_fingerprint"] = kept["fingerprint_before"]


def _put_secrets_back(undoing: _Undoing, person: dict[str, Any], login: str) -> None:
    for name in SECRET_FIELDS:
        kept = undoing.secrets.get((login, name), {"before": None, "fingerprint_before": ""})
        person |= {name: kept["before"], f"{name}_changed": True, f"{name}_fingerprint": kept["fingerprint_before"]}


def _moved(undoing: _Undoing, login: str, name: str) -> bool:
    kept = undoing.secrets.get((login, name))
    return kept is not None and undoing.present.get(login, {}).get(name) != kept["after"]


def _value(value: Any) -> Any:
    return ROLE_SEPARATOR.join(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType]


def _same(name: str, one: Any, other: Any) -> bool:
    """Whether two values of a field are one; roles carry the spelling of whoever named them first."""
    one, other = _text(one), _text(other)
    return one.lower() == other.lower() if name == "roles" else one == other


def _text(value: Any) -> Any:
    """Values as they compare: a list as its text, nothing as the empty text."""
    return _value(value) if value not in (None, False) else ""
