"""Export: the phone system as the CSV that imports again with no change, or as the JSON that a real pascom reads.

A column is written for each field whose value is exactly one CSV column of the profile: the profile is run once over
probe cells, and only a field in which the probe comes out unaltered can be turned round. Passwords, pins and automatic
extensions are empty cells, which an import leaves as they are.
"""

import csv
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

import polars as pl

from tasks.candidates import LABEL_KEYS
from tasks.contact_rules import key_value
from tasks.errors import WrongUseError
from tasks.mapping import Mapping, mapping_of
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.profile import Profile
from tasks.user import FOLLOW_ME, IDENTITY_FIELDS, PHONEBOOK_FIELDS, ROLE_OF_EVERYONE, ROLE_SEPARATOR, SECRET_FIELDS

_ORDER: Final = {
    f"{field.module}.{field.key}": position for position, field in enumerate((*IDENTITY_FIELDS, *PHONEBOOK_FIELDS))
}
CONTACT_KEY: Final = "contact.#key"
"""Where the value of the profile's `contact_key` stands among the fields of a contact."""

_PROBES: Final = ["Probe-1", "0049 x"]
_PHONE_FIELDS: Final = {
    "071ipp_mac": "mac",
    "071ipp_ip": "ip",
    "071ipp_user": "web_user",
    **FOLLOW_ME,
}


def export_csv(records: list[dict[str, Any]], profile: Profile) -> str:
    """The records as a CSV in the profile's dialect, which imports again with no change.

    `records` as `export_fields` and `contact_fields` give them, one a row.

    Raises: WrongUseError for a value that the dialect cannot hold.
    """
    columns = invertible_columns(profile)
    header = sorted(columns, key=lambda column: _ORDER.get(columns[column][0], 99))
    written = StringIO(newline="")
    writer = csv.writer(written, **_dialect_of(profile))
    try:
        writer.writerow(header)
        writer.writerows([_first(user, columns[column]) for column in header] for user in records)
    except csv.Error:
        raise WrongUseError(
            "export-unenclosed",
            "A value holds a delimiter, a line break or an enclosure, and the profile has no enclosure to hold it. "
            "Give the profile an enclosure, or use --format io-json.",
        ) from None
    return written.getvalue()


def _dialect_of(profile: Profile) -> dict[str, Any]:
    """How Python writes what the profile reads."""
    line_ends = {"windows": "\r\n", "mac": "\r"}
    said: dict[str, Any] = {
        "delimiter": "," if profile.delimiter == "auto" else profile.delimiter,
        "lineterminator": line_ends.get(profile.line_separator, "\n"),
    }
    if profile.escape != "none":
        said |= {"escapechar": profile.escape, "doublequote": False}
    if profile.enclosure == "none":
        return {**said, "quoting": csv.QUOTE_NONE, "quotechar": None}
    return {
        **said,
        "quoting": csv.QUOTE_MINIMAL,
        "quotechar": '"' if profile.enclosure == "auto" else profile.enclosure,
    }


def invertible_columns(profile: Profile) -> dict[str, tuple[str, ...]]:
    """For each CSV column of the profile, the fields ("module.key") that print exactly its cell."""
    mapping = mapping_of(profile)
    found: dict[str, list[str]] = {}
    for field, names in sorted(mapping.structure.printed_reads.items()):
        behind = mapping.columns_behind(names, Names(()))
        if behind is not None and len(behind) == 1 and _prints_the_cell(mapping, field, next(iter(behind))):
            found.setdefault(next(iter(behind)), []).append(field)
    column = _column_of_contact_key(mapping, profile)
    if column is not None:
        found.setdefault(column, []).append(CONTACT_KEY)
    return {column: tuple(fields) for column, fields in found.items()}


def _column_of_contact_key(mapping: Mapping, profile: Profile) -> str | None:
    """The column whose cell, unaltered, is the key of a contact."""
    behind = mapping.columns_behind([profile.contact_key], Names(())) if profile.contact_key else None
    if behind is None or len(behind) != 1:
        return None
    column, name = next(iter(behind)), Names(mapping.variables).find(profile.contact_key)
    frame = pl.DataFrame({ROW: [2, 3], LINE: [2, 3], column: _PROBES})
    unaltered = name is None or mapping.variables[name].evaluate(frame, Names((column,))).values.to_list() == _PROBES
    return column if unaltered else None


def _prints_the_cell(mapping: Mapping, field: str, column: str) -> bool:
    """Whether a probe in the column comes out of the field as it went in."""
    header = Names((column,))
    frame = pl.DataFrame({ROW: [2, 3], LINE: [2, 3], column: _PROBES})
    values = [expression.evaluate(frame, header).values.alias(name) for name, expression in mapping.variables.items()]
    frame = frame.with_columns(values)
    # Blocks around the field are opened, so that only the printing of the cell is tried.
    conditions = {name for name in mapping.structure.reads if name not in mapping.structure.printed_reads[field]}
    frame = frame.with_columns(pl.lit("1").alias(name) for name in sorted(conditions))
    module, _, key = field.partition(".")
    names = Names(name for name in frame.columns if not name.startswith("#"))
    rendered = mapping.structure.render(frame, names).frames.get(module)
    if rendered is None or key not in rendered.columns or rendered.height != len(_PROBES):
        return False
    cells = rendered[key]
    texts = cells.list.first() if cells.dtype == pl.List(pl.String) else cells
    return texts.to_list() == _PROBES


def _first(user: dict[str, Any], fields: tuple[str, ...]) -> str:
    return next((value for value in map(user.get, fields) if value), "")


def export_fields(user: dict[str, Any], phone: dict[str, Any] | None) -> dict[str, Any]:
    """A user of a snapshot by "module.key"; secrets and automatic extensions are empty."""
    roles = user["roles"].replace(ROLE_SEPARATOR, ";")
    found: dict[str, Any] = {"identity.003use_name": user["login"], "identity.user_roles": roles}
    for field in IDENTITY_FIELDS:
        found[f"identity.{field.key}"] = "" if field.name in SECRET_FIELDS else user[field.name]
    if user["automatic"]:
        found["identity.009ext_extension"] = ""
    for field in PHONEBOOK_FIELDS:
        found[f"phonebook.{field.key}"] = user[field.name]
    found |= _one_label(user["phonebook.labels"])
    if phone is not None:
        found |= {f"ipphone.{key}": str(phone[name]) for key, name in _PHONE_FIELDS.items()}
    return {name: value or "" for name, value in found.items()}


def contact_fields(contact: dict[str, Any]) -> dict[str, Any]:
    """A contact of a snapshot by "module.key"."""
    found = {f"contact.{field.key}": contact[field.column] for field in PHONEBOOK_FIELDS}
    return {**found, CONTACT_KEY: key_value(contact["key"]), **_one_label(contact["labels"])}


def _one_label(labels: str | None) -> dict[str, str]:
    """The label of an entry that has one; of several, a CSV could not tell which is which."""
    found = json.loads(labels or "[]")
    if len(found) != 1:
        return {}
    return dict(zip(LABEL_KEYS, (found[0]["name"], found[0]["value"]), strict=True))


def export_io_json(
    users: list[dict[str, Any]], phones: dict[str, list[dict[str, Any]]], contacts: list[dict[str, Any]]
) -> dict[str, Any]:
    """The phone system's own import JSON: identity with post, phonebook and ipphone; contacts at the top level.

    `users` and `contacts` are rows of a snapshot; `password` and `pin` are in clear only where secrets were asked for.
    """
    found: dict[str, Any] = {"identity": [_identity(user, phones.get(user["login"], [])) for user in users]}
    if contacts:
        found["phonebook"] = [_entry({f"phonebook.{name}": value for name, value in row.items()}) for row in contacts]
    return found


def _identity(user: dict[str, Any], phones: list[dict[str, Any]]) -> dict[str, Any]:
    identity: dict[str, Any] = {"003use_name": user["login"]}
    identity |= {field.key: user[field.name] for field in IDENTITY_FIELDS if user.get(field.name)}
    identity["user_roles"] = [ROLE_OF_EVERYONE, *(user["roles"].split(ROLE_SEPARATOR) if user["roles"] else [])]
    post: dict[str, Any] = {}
    if user["phonebook"]:
        post["phonebook"] = [_entry(user)]
    by_kind = {"ip_phone": "ipphone", "softphone": "ipdevice.mdsoftphone", "mobile": "externals"}
    for phone in phones:
        post.setdefault(by_kind[phone["kind"]], []).append(_device(phone))
    return {**identity, "post": post} if post else identity


def _entry(fields: dict[str, Any]) -> dict[str, Any]:
    """A phonebook entry with its labels."""
    entry: dict[str, Any] = dict(_filled(fields))
    labels = json.loads(fields["phonebook.labels"] or "[]")
    if labels:
        keys = [key.partition(".")[2] for key in LABEL_KEYS]
        told = [dict(zip(keys, (label["name"], label["value"]), strict=True)) for label in labels]
        entry["post"] = {"phonebook.phonebooklabel": told}
    return entry


def _filled(user: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for field in PHONEBOOK_FIELDS:
        if user[field.name] and not field.key.startswith("#"):
            yield field.key, user[field.name]


def _device(phone: dict[str, Any]) -> dict[str, str]:
    if phone["kind"] == "ip_phone":
        return {key: str(phone[name]) for key, name in _PHONE_FIELDS.items() if phone[name] not in (None, "")}
    return {"number": phone["number"]} if phone["kind"] == "mobile" else {}
