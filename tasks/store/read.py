"""Reads the phone system: the snapshot that reconcile compares with, in a handful of set-based selects."""

import json
from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.output import SourceFacts
from tasks.snapshot import DEVICE_SCHEMA, USER_SCHEMA, Snapshot, digest_of_frames
from tasks.store.connection import Connection, Query
from tasks.store.tables import (
    devices,
    extensions,
    import_records,
    phonebook,
    resting_extensions,
    roles,
    runs,
    user_roles,
    users,
    voicemail_boxes,
)
from tasks.user import FOLLOW_ME, PHONEBOOK_FIELDS


def read_snapshot(connection: Connection, profile: str) -> Snapshot:
    """All that a plan for this profile depends on, read in the connection's transaction."""
    people = _users(connection)
    phones = connection.read(_devices_select()).select(DEVICE_SCHEMA.names())
    numbers = connection.read(sa.select(extensions.c.number, extensions.c.user_id, extensions.c.kind))
    resting = connection.read(sa.select(resting_extensions.c.number))
    names = tuple(sorted(connection.read(sa.select(roles.c.name))["name"].to_list()))
    last = last_applied_facts(connection, profile)
    undone = undone_digests(connection, profile)
    return Snapshot(
        users=people,
        devices=phones,
        extensions=numbers,
        resting=resting,
        roles=names,
        last=last,
        undone_digests=undone,
        lineage=digest_of_frames((people, phones, numbers, resting), names, last, undone),
    )


def last_applied_facts(connection: Connection, profile: str) -> SourceFacts | None:
    """The facts of the file that this profile applied last; a mended file of failed rows does not count."""
    found = _import_runs(connection, profile, ("applied", "nothing"))
    for text in found["source"].to_list():
        facts = facts_from_json(text)
        if not facts.mended:
            return facts
    return None


def undone_digests(connection: Connection, profile: str) -> tuple[str, ...]:
    """The digest of the last applied file, when its import was undone: it is held until approved."""
    latest = _import_runs(connection, profile, ("applied", "nothing", "undone")).head(1)
    return tuple(facts_from_json(text).digest for text in latest.filter(pl.col("status") == "undone")["source"])


def facts_of_run(connection: Connection, run_id: str) -> SourceFacts:
    """The facts of the source of a recorded run."""
    found = connection.read(sa.select(runs.c.source).where(runs.c.id == run_id))
    return facts_from_json(str(found["source"][0]))


def facts_from_json(text: str) -> SourceFacts:
    """The facts of a source as they stand in the runs table."""
    raw: dict[str, Any] = json.loads(text)
    raw["header"] = tuple(raw.get("header", ()))
    return SourceFacts(**raw)


def _import_runs(connection: Connection, profile: str, statuses: tuple[str, ...]) -> pl.DataFrame:
    return connection.read(
        sa.select(runs.c.source, runs.c.status)
        .where(runs.c.profile == profile, runs.c.kind == "import", runs.c.status.in_(statuses))
        .order_by(runs.c.started.desc(), runs.c.id.desc())
        .limit(20)
    )


def _users(connection: Connection) -> pl.DataFrame:
    people = connection.read(_users_select())
    by_user = connection.read(
        sa.select(user_roles.c.user_id, roles.c.name).join(roles, roles.c.id == user_roles.c.role_id)
    )
    joined = (
        by_user.sort(pl.col("name").str.to_lowercase())
        .group_by("user_id", maintain_order=True)
        .agg(roles=pl.col("name").str.join(";"))
    )
    people = people.join(joined, on="user_id", how="left").with_columns(pl.col("roles").fill_null(""))
    further = connection.read(_phonebook_select().where(phonebook.c.position > 1))
    columns = list(USER_SCHEMA.names())
    for position in sorted(further["position"].unique().to_list()):
        prefix = f"phonebook.{position}"
        part = further.filter(pl.col("position") == position).drop("position").with_columns(pl.lit(True).alias(prefix))
        part = part.rename({field.name: f"{prefix}.{field.column}" for field in PHONEBOOK_FIELDS})
        people = people.join(part, on="user_id", how="left").with_columns(pl.col(prefix).fill_null(False))
        columns += [column for column in part.columns if column != "user_id"]
    return people.select(columns)


def _users_select() -> Query:
    entry = phonebook.alias("entry")
    return sa.select(
        users.c.id.label("user_id"),
        users.c.login,
        users.c.display_name,
        users.c.auth_method,
        users.c.enabled,
        users.c.password.is_not(None).label("has_password"),
        users.c.pin.is_not(None).label("has_pin"),
        extensions.c.number.label("extension"),
        extensions.c.automatic,
        sa.func.coalesce(voicemail_boxes.c.email, "", type_=sa.Text).label("email"),
        import_records.c.profile,
        import_records.c.adopted,
        sa.func.coalesce(import_records.c.password_fingerprint, "", type_=sa.Text).label("password_fingerprint"),
        sa.func.coalesce(import_records.c.pin_fingerprint, "", type_=sa.Text).label("pin_fingerprint"),
        import_records.c.missing_since,
        entry.c.id.is_not(None).label("phonebook"),
        *(entry.c[field.column].label(field.name) for field in PHONEBOOK_FIELDS),
    ).select_from(
        users.outerjoin(extensions, extensions.c.user_id == users.c.id)
        .outerjoin(voicemail_boxes, voicemail_boxes.c.user_id == users.c.id)
        .outerjoin(import_records, import_records.c.user_id == users.c.id)
        .outerjoin(entry, sa.and_(entry.c.user_id == users.c.id, entry.c.position == 1))
    )


def _phonebook_select() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        phonebook.c.user_id,
        phonebook.c.position,
        *(phonebook.c[field.column].label(field.name) for field in PHONEBOOK_FIELDS),
    ).where(phonebook.c.user_id.is_not(None))


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
