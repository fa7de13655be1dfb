"""The schema's history: one small function a step forward, applied in order, each in the transaction that records it.

A migration is never changed once it was released; a new one is appended.
"""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from tasks.errors import WrongUseError
from tasks.store import tables, upload_tables
from tasks.store.connection import Connection
from tasks.store.registrar_schema import create_registrar
from tasks.store.seen import seen_phones


def create_first_tables(connection: Connection) -> None:
    """Everything that the first release holds."""
    for table in tables.METADATA.sorted_tables:
        connection.execute(CreateTable(table))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            connection.execute(CreateIndex(index))
    connection.execute(sa.insert(tables.meta).values(key="lock", value=""))
    connection.execute(sa.insert(tables.meta).values(key="schema", value="0"))


def add_registrar(connection: Connection) -> None:
    """What SIP registrars read. SQLite's is a file of its own, made whenever it is missing."""
    if connection.kind == "postgresql":
        create_registrar(connection)


def add_seen_phones(connection: Connection) -> None:
    """The phones that ask for their settings and have no user."""
    connection.execute(CreateTable(seen_phones))


def create_upload_tables(connection: Connection) -> None:
    """Uploads wait in the database, so that any worker finds them."""
    for table in upload_tables.METADATA.sorted_tables:
        connection.execute(CreateTable(table))


MIGRATIONS: Final[tuple[Callable[[Connection], None], ...]] = (
    create_first_tables,
    add_registrar,
    add_seen_phones,
    create_upload_tables,
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
