"""The schema's history: one small function a step forward, applied in order, each in the transaction that records it.

A migration is never changed once it was released, and what it runs is written down in `tasks.store.frozen`; a new one
is appended.
"""

from collections.abc import Callable
from string import Template
from typing import Final

import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.store import frozen, tables
from tasks.store.connection import Connection

_WORDS: Final = {
    "sqlite": {"serial": "INTEGER", "bytes": "BLOB", "true": "1", "false": "0"},
    "postgresql": {"serial": "SERIAL", "bytes": "BYTEA", "true": "true", "false": "false"},
}
"""What differs in the frozen statements."""


def create_first_tables(connection: Connection) -> None:
    """Everything that the first release held."""
    _run(connection, frozen.FIRST_TABLES)


def add_registrar(connection: Connection) -> None:
    """What SIP registrars read. SQLite's is a file of its own, made whenever it is missing."""
    if connection.kind == "postgresql":
        _run(connection, frozen.REGISTRAR_ON_POSTGRESQL)
        connection.execute(frozen.REGISTRAR_ROLE_ON_POSTGRESQL)


def add_seen_phones(connection: Connection) -> None:
    """The phones that ask for their settings and have no user."""
    _run(connection, frozen.SEEN_PHONES)


def create_upload_tables(connection: Connection) -> None:
    """Uploads wait in the database, so that any worker finds them."""
    _run(connection, frozen.UPLOADS)


def add_contacts(connection: Connection) -> None:
    """Whose the phonebook entries without a user are, and what runs did to them."""
    _run(connection, frozen.CONTACTS)


def keep_devices_apart(connection: Connection) -> None:
    """By which id a run knew a device, which web password it left, and whether who is missing was enabled."""
    if connection.kind == "postgresql":
        _run(connection, frozen.DEVICES_APART_ON_POSTGRESQL)
    else:
        _run(connection, frozen.DEVICES_APART_ON_SQLITE)
    _run(connection, frozen.DEVICES_OF_EARLIER_RUNS)


def _run(connection: Connection, statements: str) -> None:
    for statement in Template(statements).substitute(_WORDS[connection.kind]).split(";\n"):
        connection.execute(statement)


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (
    create_first_tables,
    add_registrar,
    add_seen_phones,
    create_upload_tables,
    add_contacts,
    keep_devices_apart,
)


def migrate(connection: Connection) -> int:
    """Brings the schema up to date and commits; gives the number of steps that were needed.

    Raises: WrongUseError when a newer Rollcall has been here.
    """
    found = schema_version(connection)
    if found > len(MIGRATIONS):
        raise WrongUseError(
            "schema-too-new",
            f"The phone system has schema {found}, this Rollcall knows {len(MIGRATIONS)}. Install the newer Rollcall.",
        )
    if found == len(MIGRATIONS):
        return 0
    # Another process may be at it: wait, and look again.
    connection.rollback()
    connection.lock_for_migrating()
    found = schema_version(connection)
    for number, migration in enumerate(MIGRATIONS[found:], start=found + 1):
        migration(connection)
        connection.execute(sa.update(tables.meta).where(tables.meta.c.key == "schema").values(value=str(number)))
    connection.commit()
    return len(MIGRATIONS) - found


def schema_version(connection: Connection) -> int:
    """How many migrations the phone system has seen; 0 for an empty database."""
    if connection.kind == "sqlite":
        listing = sa.select(sa.column("name", sa.Text)).select_from(sa.table("sqlite_master"))
    else:
        listing = sa.select(sa.column("tablename", sa.Text).label("name")).select_from(sa.table("pg_tables"))
    if "meta" not in connection.read(listing)["name"].to_list():
        return 0
    found = connection.read(sa.select(tables.meta.c.value).where(tables.meta.c.key == "schema"))
    return int(found["value"][0])
