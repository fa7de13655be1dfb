"""Reads the phone system: the snapshot that reconcile compares with, in a handful of set-based selects."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.snapshot import CONTACTS_SCHEMA, DEVICE_SCHEMA, USER_SCHEMA, Snapshot, digest_of_frames
from tasks.store.connection import Connection, Query
from tasks.store.earlier_files import last_applied_facts, undone_digests
from tasks.store.tables import (
    contact_records,
    devices,
    extensions,
    import_records,
    phonebook,
    resting_extensions,
    roles,
    user_roles,
    users,
    voicemail_boxes,
)
from tasks.user import FOLLOW_ME, PHONEBOOK_FIELDS, ROLE_SEPARATOR


def read_snapshot(connection: Connection, profile: str) -> Snapshot:
    """All that a plan for this profile depends on, read in the connection's transaction."""
    mark = connection.mark
    numbers = connection.read(sa.select(extensions))
    people = _users(connection, numbers)
    phones = connection.read(_devices_select()).select(DEVICE_SCHEMA.names())
    numbers = numbers.select("number", "user_id", "kind")
    contacts = connection.read(_contacts_select()).select(CONTACTS_SCHEMA.names())
    resting = connection.read(sa.select(resting_extensions.c.number))
    names = tuple(sorted(connection.read(sa.select(roles.c.name))["name"].to_list()))
    last = last_applied_facts(connection, profile)
    undone = undone_digests(connection, profile)
    contents = digest_of_frames((people, phones, numbers, resting, contacts), names)
    return Snapshot(
        users=people,
        devices=phones,
        extensions=numbers,
        resting=resting,
        contacts=contacts,
        roles=names,
        last=last,
        undone_digests=undone,
        contents=contents,
        mark=mark,
        lineage=digest_of_frames((), contents, last, undone),
    )


def _users(connection: Connection, numbers: pl.DataFrame) -> pl.DataFrame:
    """One row a user. Tables are read one by one and joined here, which costs half of what a join in SQLite does."""
    entries = connection.read(_phonebook_select())
    people = connection.read(_users_select())
    for further in (
        numbers.select("user_id", "automatic", extension="number").filter(pl.col("user_id").is_not_null()),
        connection.read(sa.select(voicemail_boxes.c.user_id, voicemail_boxes.c.email)),
        connection.read(sa.select(import_records)),
        _named_roles(connection),
    ):
        people = people.join(further, on="user_id", how="left", maintain_order="left")
    people = _with_entry(people, entries, 1)
    for position in sorted(entries.filter(pl.col("position") > 1)["position"].unique().to_list()):
        people = _with_entry(people, entries, position)
    texts = ("email", "roles", "password_fingerprint", "pin_fingerprint")
    columns = [
        *USER_SCHEMA.names(),
        *(name for name in people.columns if name.count(".") == 2 or name[10:].isdecimal()),
    ]
    return people.with_columns(pl.col(name).fill_null("") for name in texts).select(columns)


def _with_entry(people: pl.DataFrame, entries: pl.DataFrame, position: int) -> pl.DataFrame:
    prefix = "phonebook" if position == 1 else f"phonebook.{position}"
    part = entries.filter(pl.col("position") == position).select(
        "user_id",
        pl.lit(True).alias(prefix),
        *(pl.col(field.column).alias(f"{prefix}.{field.column}") for field in PHONEBOOK_FIELDS),
    )
    joined = people.join(part, on="user_id", how="left", maintain_order="left")
    return joined.with_columns(pl.col(prefix).fill_null(False))


def _named_roles(connection: Connection) -> pl.DataFrame:
    by_user = connection.read(sa.select(user_roles))
    names = connection.read(sa.select(roles.c.id.label("role_id"), roles.c.name))
    # Few names are sorted, not those of everybody, and a list is joined five times as fast as a group's texts.
    ranked = names.sort(pl.col("name").str.to_lowercase()).with_row_index("rank")
    named = by_user.join(ranked, on="role_id").sort("user_id", "rank")
    listed = named.group_by("user_id", maintain_order=True).agg(roles="name")
    return listed.with_columns(pl.col("roles").list.join(ROLE_SEPARATOR))


def _users_select() -> Query:
    return sa.select(
        users.c.id.label("user_id"),
        users.c.login,
        users.c.display_name,
        users.c.auth_method,
        users.c.enabled,
        users.c.password.is_not(None).label("has_password"),
        users.c.pin.is_not(None).label("has_pin"),
    )


def _phonebook_select() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        phonebook.c.user_id,
        phonebook.c.position,
        *(phonebook.c[field.column] for field in PHONEBOOK_FIELDS),
    ).where(phonebook.c.user_id.is_not(None))


def _contacts_select() -> Query:
    """The phonebook entries without a user."""
    owned = phonebook.outerjoin(contact_records, contact_records.c.entry_id == phonebook.c.id)
    return (
        sa.select(
            phonebook.c.id.label("entry_id"),
            *(contact_records.c[name] for name in ("key", "profile", "adopted", "missing_since")),
            *(phonebook.c[field.column] for field in PHONEBOOK_FIELDS),
        )
        .select_from(owned)
        .where(phonebook.c.user_id.is_(None))
    )


def _devices_select() -> Query:
    return sa.select(
        devices.c.id.label("device_id"),
        devices.c.kind,
        devices.c.mac,
        devices.c.user_id,
        devices.c.ip,
        devices.c.name,
        devices.c.number,
        devices.c.web_user,
        devices.c.web_password_fingerprint,
        *(devices.c[name] for name in FOLLOW_ME.values()),
        users.c.login,
        import_records.c.profile,
    ).select_from(
        devices.outerjoin(users, users.c.id == devices.c.user_id).outerjoin(
            import_records, import_records.c.user_id == devices.c.user_id
        )
    )
