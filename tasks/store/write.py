"""Writes a plan's users, set-based: what changes is staged once, then a fixed number of statements brings it in.

The order matters to the unique constraints: what goes, goes first (users, numbers), then come the new users, then
everything that hangs on them. All of it runs in the caller's transaction.
"""

from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.plan import Plan, phonebook_prefixes
from tasks.store.connection import Connection
from tasks.store.tables import (
    extensions,
    import_records,
    phonebook,
    resting_extensions,
    roles,
    user_roles,
    users,
    voicemail_boxes,
)
from tasks.user import PHONEBOOK_FIELDS, SECRET_FIELDS

_ENTRY_COLUMNS: Final = tuple(field.column for field in PHONEBOOK_FIELDS)


def write_users(connection: Connection, plan: Plan, keyring: Keyring, pins: pl.Series, now: str) -> None:
    """Brings creates, updates, removals and releases of users into the phone system.

    `pins` are the random ones for new users, one a change, null where none is needed.
    """
    changes = plan.changes
    if changes.is_empty():
        return
    _remove(connection, changes, now)
    people = _with_secrets(changes.filter(pl.col("action").is_in(["create", "update"])), plan, keyring, pins)
    if people.is_empty():
        return
    columns = [name for name in people.columns if name not in {"fields", "password_plain", "pin_plain"}]
    staged = connection.stage(
        "stage_people", people.select(columns).with_columns(pl.col("^.*_changed$").fill_null(False))
    )
    _free_numbers(connection, staged, now)
    _create(connection, staged)
    connection.execute(
        sa.update(staged).where(staged.c.user_id.is_(None), users.c.login == staged.c.login).values(user_id=users.c.id)
    )
    _update(connection, staged)
    _write_numbers(connection, staged)
    _write_voicemail(connection, staged)
    _write_phonebook(connection, people, staged)
    _write_roles(connection, people)
    _write_import_records(connection, staged, plan.profile)


def random_pins(changes: pl.DataFrame, draw: list[str]) -> pl.Series:
    """The pin of each new user whose row names none, from as many drawn ones as there are changes."""
    needed = (pl.col("action") == "create") & ~pl.col("pin_changed").fill_null(False)
    return changes.select(pin=pl.when(needed).then(pl.Series(draw, dtype=pl.String)))["pin"]


def _with_secrets(people: pl.DataFrame, plan: Plan, keyring: Keyring, pins: pl.Series) -> pl.DataFrame:
    drawn = plan.changes.select("login", drawn_pin=pins)
    people = people.join(drawn, on="login", how="left", maintain_order="left")
    plain = {
        "password": people.select(x=pl.when(pl.col("password_changed")).then("password"))["x"],
        "pin": people.select(x=pl.when(pl.col("pin_changed")).then("pin").otherwise("drawn_pin"))["x"],
    }
    sealed = [
        keyring.seal_series(plain[field], people["login"], table="users", column=field).alias(field)
        for field in SECRET_FIELDS
    ]
    flags = [plain[field].is_not_null().alias(f"{field}_changed") for field in SECRET_FIELDS]
    return people.drop("drawn_pin").with_columns(*sealed, *flags)


def _remove(connection: Connection, changes: pl.DataFrame, now: str) -> None:
    gone = changes.filter(pl.col("action") == "remove").select("user_id")
    if gone.height:
        staged = connection.stage("stage_gone", gone)
        ids = sa.select(staged.c.user_id)
        _rest(connection, ids, now)
        connection.execute(sa.delete(users).where(users.c.id.in_(ids)))
    released = changes.filter(pl.col("action") == "release").select("user_id")
    if released.height:
        staged = connection.stage("stage_released", released)
        connection.execute(sa.delete(import_records).where(import_records.c.user_id.in_(sa.select(staged.c.user_id))))


def _rest(connection: Connection, ids: sa.Select[tuple[int]], now: str) -> None:
    """Remembers the numbers that these users give up, so that the pool does not hand them to strangers."""
    source = (
        sa.select(extensions.c.number, users.c.login, sa.literal(now))
        .join(users, users.c.id == extensions.c.user_id)
        .where(extensions.c.user_id.in_(ids), extensions.c.number.not_in(sa.select(resting_extensions.c.number)))
    )
    connection.execute(sa.insert(resting_extensions).from_select(["number", "login", "freed"], source))


def _free_numbers(connection: Connection, staged: sa.TableClause, now: str) -> None:
    """Users whose number changes let the present one go, before anybody gets a new one."""
    changing = (
        sa.select(extensions.c.user_id)
        .join(staged, staged.c.user_id == extensions.c.user_id)
        .where(sa.or_(extensions.c.number != staged.c.number, extensions.c.automatic != staged.c.automatic))
    )
    moving = (
        sa.select(extensions.c.user_id)
        .join(staged, staged.c.user_id == extensions.c.user_id)
        .where(extensions.c.number != staged.c.number)
    )
    _rest(connection, moving, now)
    connection.execute(sa.delete(extensions).where(extensions.c.user_id.in_(changing)))


def _create(connection: Connection, staged: sa.TableClause) -> None:
    columns = ["login", "display_name", "auth_method", "password", "pin"]
    source = sa.select(*(staged.c[name] for name in columns)).where(staged.c.action == "create")
    connection.execute(sa.insert(users).from_select(columns, source))


def _update(connection: Connection, staged: sa.TableClause) -> None:
    updated = (users.c.id == staged.c.user_id, staged.c.action == "update", staged.c.display_name.is_not(None))
    connection.execute(
        sa.update(users).where(*updated).values(display_name=staged.c.display_name, auth_method=staged.c.auth_method)
    )
    for field in SECRET_FIELDS:
        changed = (*updated, staged.c[f"{field}_changed"] == sa.true())
        connection.execute(sa.update(users).where(*changed).values({field: staged.c[field]}))


def _write_numbers(connection: Connection, staged: sa.TableClause) -> None:
    held = sa.select(extensions.c.user_id).where(extensions.c.user_id.is_not(None))
    source = sa.select(staged.c.number, staged.c.user_id, sa.literal("user"), staged.c.automatic).where(
        staged.c.number.is_not(None), staged.c.user_id.not_in(held)
    )
    connection.execute(sa.insert(extensions).from_select(["number", "user_id", "kind", "automatic"], source))
    given = sa.select(extensions.c.number)
    connection.execute(sa.delete(resting_extensions).where(resting_extensions.c.number.in_(given)))


def _write_voicemail(connection: Connection, staged: sa.TableClause) -> None:
    connection.execute(
        sa.update(voicemail_boxes)
        .where(voicemail_boxes.c.user_id == staged.c.user_id, staged.c.email.is_not(None))
        .values(email=staged.c.email)
    )
    present = sa.select(voicemail_boxes.c.user_id)
    source = sa.select(staged.c.user_id, staged.c.email).where(
        staged.c.email.is_not(None), staged.c.user_id.not_in(present)
    )
    connection.execute(sa.insert(voicemail_boxes).from_select(["user_id", "email"], source))


def _write_phonebook(connection: Connection, people: pl.DataFrame, staged_people: sa.TableClause) -> None:
    """The entries, one row a user and position: altered in place, added, or removed where no longer rendered."""
    prefixes = phonebook_prefixes(people.columns)
    entries = [
        people.filter(pl.col(prefix).is_not_null()).select(
            "login",
            position=pl.lit(1 if prefix == "phonebook" else int(prefix[10:]), dtype=pl.Int64),
            present=pl.col(prefix),
            **{column: pl.col(f"{prefix}.{column}").fill_null("") for column in _ENTRY_COLUMNS},
        )
        for prefix in prefixes
    ]
    if not entries:
        return
    staged = connection.stage("stage_entries", pl.concat(entries))
    owner = sa.select(staged_people.c.user_id).where(staged_people.c.login == staged.c.login).scalar_subquery()
    here = (phonebook.c.user_id == staged_people.c.user_id, staged_people.c.login == staged.c.login)
    same = (*here, phonebook.c.position == staged.c.position)
    updated = staged_people.c.action == "update"
    values = {column: staged.c[column] for column in _ENTRY_COLUMNS}
    connection.execute(sa.update(phonebook).where(*same, updated, staged.c.present == sa.true()).values(values))
    unwanted = sa.select(phonebook.c.id).where(*same, updated, staged.c.present == sa.false())
    connection.execute(sa.delete(phonebook).where(phonebook.c.id.in_(unwanted)))
    exists = sa.exists().where(*same)
    source = sa.select(owner, staged.c.position, *values.values()).where(staged.c.present == sa.true(), ~exists)
    connection.execute(sa.insert(phonebook).from_select(["user_id", "position", *_ENTRY_COLUMNS], source))


def _write_roles(connection: Connection, people: pl.DataFrame) -> None:
    """Roles are replaced by the list; unknown ones are created, known ones are found without regard to case."""
    present = connection.read(sa.select(user_roles.c.user_id).limit(1)).height > 0
    listed = people.select("login", name=pl.col("roles").str.split(";")).explode("name", empty_as_null=True)
    listed = listed.filter(pl.col("name") != "").with_columns(folded=pl.col("name").str.to_lowercase())
    known = connection.read(sa.select(roles.c.id, roles.c.name)).with_columns(folded=pl.col("name").str.to_lowercase())
    new = listed.join(known, on="folded", how="anti").unique("folded", maintain_order=True).select("name")
    connection.append(roles, new)
    if present:
        staged = connection.stage("stage_roles_of", people.filter(pl.col("action") == "update").select("login"))
        ids = sa.select(users.c.id).join(staged, staged.c.login == users.c.login)
        connection.execute(sa.delete(user_roles).where(user_roles.c.user_id.in_(ids)))
    if listed.is_empty():
        return
    known = connection.read(sa.select(roles.c.id, roles.c.name)).with_columns(folded=pl.col("name").str.to_lowercase())
    pairs = listed.join(known, on="folded", how="inner").select("login", role_id="id").unique()
    staged = connection.stage("stage_roles", pairs)
    source = sa.select(users.c.id, staged.c.role_id).join(users, users.c.login == staged.c.login)
    connection.execute(sa.insert(user_roles).from_select(["user_id", "role_id"], source))


def _write_import_records(connection: Connection, staged: sa.TableClause, profile: str) -> None:
    """Ownership, and the fingerprints of what was imported last."""
    for field in SECRET_FIELDS:
        named = staged.c[f"{field}_fingerprint"]
        column = f"{field}_fingerprint"
        connection.execute(
            sa.update(import_records)
            .where(import_records.c.user_id == staged.c.user_id, named.is_not(None), named != "")
            .values({column: named})
        )
    recorded = sa.select(import_records.c.user_id)
    source = sa.select(
        staged.c.user_id,
        sa.literal(profile),
        staged.c.action == "update",
        sa.func.coalesce(staged.c.password_fingerprint, ""),
        sa.func.coalesce(staged.c.pin_fingerprint, ""),
    ).where(staged.c.user_id.not_in(recorded), staged.c.row.is_not(None))
    columns = ["user_id", "profile", "adopted", "password_fingerprint", "pin_fingerprint"]
    connection.execute(sa.insert(import_records).from_select(columns, source))
