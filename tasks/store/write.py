"""Writes people, set-based: new ones in bulk appends, changed ones staged once and brought in by a few statements.

The order matters to the unique constraints: what goes, goes first (users, numbers), then come the new users, then
everything that hangs on them. All of it runs in the caller's transaction, and leaves behind what undo needs.
"""

from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from tasks.plan import phonebook_prefixes
from tasks.store.connection import Connection
from tasks.store.history import keep_secrets_of_gone, keep_secrets_of_updated
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
from tasks.store.write_new import ENTRY_COLUMNS, create_people, entries_of
from tasks.user import ROLE_SEPARATOR, SECRET_FIELDS


def write_people(connection: Connection, people: pl.DataFrame, run_id: str, now: str) -> None:
    """Brings people into the phone system.

    Shape: `people` has `action`, `login`, `row`, `user_id` (null for a create), `number`, `automatic`, `enabled`, the
    text fields and phonebook entries with their final values (null = leave it), `password` and `pin` sealed with
    `password_changed` and `pin_changed`, their fingerprints (null = leave it), `missing_since` and `was_enabled`,
    `owner` and `adopted` (null = leave it), `disown`.
    """
    gone = people.filter(pl.col("action") == "remove")
    if gone.height:
        staged = connection.stage("stage_gone", gone.select("user_id", "login"))
        keep_secrets_of_gone(connection, staged, run_id)
        _rest(connection, sa.select(staged.c.user_id), now)
        connection.execute(sa.delete(users).where(users.c.id.in_(sa.select(staged.c.user_id))))
    known = people.filter(~pl.col("action").is_in(["remove", "create"]))
    new = people.filter(pl.col("action") == "create")
    given = people.filter(pl.col("action") != "remove")["number"].drop_nulls()
    if known.height:
        staged = connection.stage("stage_people", known.select(_STAGED))
        keep_secrets_of_updated(connection, staged, run_id)
        _free_numbers(connection, staged, now)
        _update(connection, known, staged)
    if new.height:
        new = create_people(connection, new, run_id)
    _give(connection, given)
    _write_roles(connection, pl.concat([frame.select("action", "user_id", "roles") for frame in (known, new)]))


def _update(connection: Connection, known: pl.DataFrame, staged: sa.TableClause) -> None:
    _write_users(connection, staged)
    _write_numbers(connection, staged)
    _write_voicemail(connection, staged)
    _write_phonebook(connection, known)
    _write_import_records(connection, staged)


_STAGED: Final = (
    "action",
    "login",
    "user_id",
    "display_name",
    "auth_method",
    "enabled",
    "missing_since",
    "was_enabled",
    "number",
    "automatic",
    "email",
    "owner",
    "adopted",
    "disown",
    *SECRET_FIELDS,
    *(f"{field}_changed" for field in SECRET_FIELDS),
    *(f"{field}_fingerprint" for field in SECRET_FIELDS),
)


def _rest(connection: Connection, ids: sa.Select[tuple[Any]], now: str) -> None:
    """Remembers the numbers that these users give up, so that the pool does not hand them to strangers."""
    rests = sa.exists().where(resting_extensions.c.number == extensions.c.number)
    source = (
        sa.select(extensions.c.number, users.c.login, sa.literal(now))
        .join(users, users.c.id == extensions.c.user_id)
        .where(extensions.c.user_id.in_(ids), ~rests)
    )
    connection.execute(sa.insert(resting_extensions).from_select(["number", "login", "freed"], source))


def _free_numbers(connection: Connection, staged: sa.TableClause, now: str) -> None:
    """Users whose number changes let the present one go, before anybody gets a new one."""
    held = sa.select(extensions.c.user_id).join(staged, staged.c.user_id == extensions.c.user_id)
    moving = held.where(extensions.c.number != staged.c.number)
    _rest(connection, moving, now)
    changing = held.where(sa.or_(extensions.c.number != staged.c.number, extensions.c.automatic != staged.c.automatic))
    connection.execute(sa.delete(extensions).where(extensions.c.user_id.in_(changing)))


def _write_users(connection: Connection, staged: sa.TableClause) -> None:
    known = (users.c.id == staged.c.user_id,)
    for names in (("display_name", "auth_method"), ("enabled",)):
        values = {name: staged.c[name] for name in names}
        connection.execute(sa.update(users).where(*known, staged.c[names[0]].is_not(None)).values(values))
    for field in SECRET_FIELDS:
        changed = (*known, staged.c[f"{field}_changed"] == sa.true())
        connection.execute(sa.update(users).where(*changed).values({field: staged.c[field]}))


def _write_numbers(connection: Connection, staged: sa.TableClause) -> None:
    has_one = sa.exists().where(extensions.c.user_id == staged.c.user_id)
    source = sa.select(staged.c.number, staged.c.user_id, sa.literal("user"), staged.c.automatic).where(
        staged.c.number.is_not(None), ~has_one
    )
    connection.execute(sa.insert(extensions).from_select(["number", "user_id", "kind", "automatic"], source))


def _give(connection: Connection, numbers: pl.Series) -> None:
    """A number that somebody has rests no more."""
    if (
        numbers.is_empty()
        or connection.read(sa.select(sa.func.count(resting_extensions.c.number).label("n")))["n"][0] == 0
    ):
        return
    staged = connection.stage("stage_given", numbers.alias("number").to_frame())
    given = resting_extensions.c.number.in_(sa.select(staged.c.number))
    connection.execute(sa.delete(resting_extensions).where(given))


def _write_voicemail(connection: Connection, staged: sa.TableClause) -> None:
    own, given = voicemail_boxes.c.user_id == staged.c.user_id, staged.c.email.is_not(None)
    connection.execute(sa.update(voicemail_boxes).where(own, given).values(email=staged.c.email))
    source = sa.select(staged.c.user_id, staged.c.email).where(given, ~sa.exists().where(own))
    connection.execute(sa.insert(voicemail_boxes).from_select(["user_id", "email"], source))


def _write_phonebook(connection: Connection, known: pl.DataFrame) -> None:
    """The entries, one row a user and position: altered in place, added, or removed where no longer wanted."""
    entries = [entries_of(known, prefix) for prefix in phonebook_prefixes(known.columns)]
    if not entries:
        return
    staged = connection.stage("stage_entries", pl.concat(entries))
    same = (phonebook.c.user_id == staged.c.user_id, phonebook.c.position == staged.c.position)
    values = {column: staged.c[column] for column in ENTRY_COLUMNS}
    connection.execute(sa.update(phonebook).where(*same, staged.c.present == sa.true()).values(values))
    unwanted = sa.select(phonebook.c.id).join(staged, sa.and_(*same)).where(staged.c.present == sa.false())
    connection.execute(sa.delete(phonebook).where(phonebook.c.id.in_(unwanted)))
    source = sa.select(staged.c.user_id, staged.c.position, *values.values()).where(
        staged.c.present == sa.true(), ~sa.exists().where(*same)
    )
    connection.execute(sa.insert(phonebook).from_select(["user_id", "position", *ENTRY_COLUMNS], source))


def _write_roles(connection: Connection, people: pl.DataFrame) -> None:
    """Roles are replaced by the list; unknown ones are created, known ones are found without regard to case."""
    named = people.filter(pl.col("roles").is_not_null())
    listed = named.select("user_id", name=pl.col("roles").str.split(ROLE_SEPARATOR)).explode("name", empty_as_null=True)
    listed = listed.filter(pl.col("name") != "").with_columns(folded=pl.col("name").str.to_lowercase())
    known = named.filter(pl.col("action") != "create").select("user_id")
    if known.height:
        staged = connection.stage("stage_roles_of", known)
        connection.execute(sa.delete(user_roles).where(user_roles.c.user_id.in_(sa.select(staged.c.user_id))))
    if listed.is_empty():
        return
    new = listed.join(_known_roles(connection), on="folded", how="anti").unique("folded", maintain_order=True)
    connection.append(roles, new.select("name"))
    pairs = listed.join(_known_roles(connection), on="folded", how="inner", maintain_order="left")
    connection.append(user_roles, pairs.select("user_id", role_id="id").unique(maintain_order=True))


def _known_roles(connection: Connection) -> pl.DataFrame:
    known = connection.read(sa.select(roles.c.id, roles.c.name))
    return known.with_columns(folded=pl.col("name").str.to_lowercase())


def _write_import_records(connection: Connection, staged: sa.TableClause) -> None:
    """Ownership, since when somebody is missing, and the fingerprints of what was imported last."""
    disowned = sa.select(staged.c.user_id).where(staged.c.disown == sa.true())
    connection.execute(sa.delete(import_records).where(import_records.c.user_id.in_(disowned)))
    here = import_records.c.user_id == staged.c.user_id
    for field in SECRET_FIELDS:
        print_ = staged.c[f"{field}_fingerprint"]
        changed = sa.update(import_records).where(here, print_.is_not(None))
        connection.execute(changed.values({f"{field}_fingerprint": print_}))
    present = sa.update(import_records).where(here, staged.c.enabled.is_not(None))
    was_enabled = sa.func.coalesce(staged.c.was_enabled, sa.true())
    connection.execute(present.values(missing_since=staged.c.missing_since, was_enabled=was_enabled))
    owned = sa.update(import_records).where(here, staged.c.owner.is_not(None))
    connection.execute(owned.values(profile=staged.c.owner, adopted=staged.c.adopted))
    prints = [f"{field}_fingerprint" for field in SECRET_FIELDS]
    source = sa.select(
        staged.c.user_id,
        staged.c.owner,
        staged.c.adopted,
        *(sa.func.coalesce(staged.c[name], "") for name in prints),
        staged.c.missing_since,
        was_enabled,
    ).where(staged.c.owner.is_not(None), ~sa.exists().where(here))
    columns = ["user_id", "profile", "adopted", *prints, "missing_since", "was_enabled"]
    connection.execute(sa.insert(import_records).from_select(columns, source))
