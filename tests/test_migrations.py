"""Every schema that ever was reaches the newest one, and is then like a fresh one, with what it held.

`tests/schemas/VERSION-sqlite.sql` and `VERSION-postgresql.sql` are what an installation of that version looked like,
with one person in it. A new migration brings its two files: `python -m tests.schemas.dump` writes those of the newest.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.store import tables
from tasks.store.connection import Connection, open_connection
from tasks.store.migrations import MIGRATIONS, migrate, schema_version

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = range(1, len(MIGRATIONS) + 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """A connection to an empty database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'older.db'}"
    else:
        url = request.getfixturevalue("postgresql").new_database()
    with open_connection(url) as connection:
        yield connection


def columns_of(connection: Connection) -> list[tuple[str, ...]]:
    """Table, column, type, nullability and default of everything, and the indexes."""
    text = sa.Text
    if connection.kind == "sqlite":
        found = connection.read(
            sa.select(sa.column("name", text), sa.column("sql", text))
            .select_from(sa.table("sqlite_master"))
            .where(sa.column("sql", text).is_not(None))
        )
        return sorted((name, " ".join(sql.split())) for name, sql in found.iter_rows())
    names = ("table_name", "column_name", "data_type", "is_nullable", "column_default")
    columns = connection.read(
        sa.select(*(sa.cast(sa.column(name), text).label(name) for name in names))
        .select_from(sa.table("columns", schema="information_schema"))
        .where(sa.column("table_schema", text) == "public")
    )
    indexes = connection.read(
        sa.select(sa.cast(sa.column("indexdef"), text).label("indexdef"))
        .select_from(sa.table("pg_indexes"))
        .where(sa.column("schemaname") == "public")
    )
    return sorted(tuple(str(cell) for cell in row) for row in (*columns.iter_rows(), *indexes.iter_rows()))


def play(connection: Connection, version: int) -> None:
    """Makes the schema of that version, with one person in it."""
    for statement in (SCHEMAS / f"{version}-{connection.kind}.sql").read_text().split(";\n\n"):
        if statement.strip():
            connection.execute(statement)
    connection.commit()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_earlier_schema_becomes_like_a_fresh_one_and_keeps_what_it_held(
    empty: Connection, version: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    play(empty, version)
    assert migrate(empty) == len(MIGRATIONS) - version

    kept = empty.read(sa.select(tables.users.c.login))["login"].to_list()
    fresh_url = (
        f"sqlite:///{tmp_path / 'fresh.db'}"
        if empty.kind == "sqlite"
        else request.getfixturevalue("postgresql").new_database()
    )
    with open_connection(fresh_url) as fresh:
        migrate(fresh)
        assert columns_of(empty) == columns_of(fresh)
    assert kept == ["kept"] and schema_version(empty) == len(MIGRATIONS)


def test_every_schema_has_its_dump_on_both_databases() -> None:
    wanted = {f"{version}-{kind}.sql" for version in VERSIONS for kind in ("sqlite", "postgresql")}
    assert {path.name for path in SCHEMAS.glob("*.sql")} == wanted
