"""Every schema that ever was reaches the newest one, and is then like a fresh one, with what it held.

`tests/schemas/VERSION-sqlite.sql` and `VERSION-postgresql.sql` are what an installation of that version looked like,
with one person in it. A new migration brings its two files: `python -m tests.schemas.dump` writes those of the newest.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from tasks.store import registrar_schema, seen, tables, upload_tables
from tasks.store.connection import Connection, open_connection
from tasks.store.migrations import MIGRATIONS, migrate, schema_version

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = range(1, len(MIGRATIONS) + 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Where an empty database is, by a name."""
    if request.param == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}.db"
    server = request.getfixturevalue("postgresql")
    return lambda _: server.new_database()


@pytest.fixture
def empty(new_url: Callable[[str], str]) -> Iterator[Connection]:
    """A connection to an empty database."""
    with open_connection(new_url("older")) as connection:
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
        return sorted((name, re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.split()))) for name, sql in found.iter_rows())
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
    rules = connection.read(
        sa.select(
            sa.cast(sa.column("conname"), text).label("conname"),
            sa.func.pg_get_constraintdef(sa.column("oid"), type_=text).label("rule"),
        )
        .select_from(sa.table("pg_constraint"))
        .where(sa.column("contype").in_(["p", "u", "f", "c"]))
    )
    views = connection.read(
        sa.select(sa.cast(sa.column("viewname"), text).label("name"), sa.column("definition", text))
        .select_from(sa.table("pg_views"))
        .where(sa.column("schemaname") == "public")
    )
    found = (*columns.iter_rows(), *indexes.iter_rows(), *rules.iter_rows(), *views.iter_rows())
    return sorted(tuple(str(cell) for cell in row) for row in found)


def play(connection: Connection, version: int) -> None:
    """Makes the schema of that version, with one person in it."""
    for statement in (SCHEMAS / f"{version}-{connection.kind}.sql").read_text().split(";\n\n"):
        if statement.strip():
            connection.execute(statement)
    connection.commit()


def make_what_the_code_says(connection: Connection) -> None:
    """The schema as today's tables define it, without any migration."""
    kinds = [tables.METADATA, upload_tables.METADATA, seen.seen_phones.metadata]
    if connection.kind == "postgresql":
        kinds.append(registrar_schema.TABLES)
    for table in (table for kind in kinds for table in kind.sorted_tables):
        connection.execute(CreateTable(table))
        for index in table.indexes:
            connection.execute(CreateIndex(index))
    if connection.kind == "postgresql":
        for name, query in registrar_schema.VIEWS.items():
            connection.execute(f"CREATE VIEW {name} AS {query}")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_earlier_schema_becomes_what_the_code_says_and_keeps_what_it_held(
    empty: Connection, version: int, new_url: Callable[[str], str]
) -> None:
    play(empty, version)
    assert migrate(empty) == len(MIGRATIONS) - version

    kept = empty.read(sa.select(tables.users.c.login))["login"].to_list()
    with open_connection(new_url("today")) as today:
        make_what_the_code_says(today)
        assert columns_of(empty) == columns_of(today)
    assert kept == ["kept"] and schema_version(empty) == len(MIGRATIONS)


def test_an_empty_database_becomes_what_the_code_says(empty: Connection, new_url: Callable[[str], str]) -> None:
    assert migrate(empty) == len(MIGRATIONS)

    with open_connection(new_url("today")) as today:
        make_what_the_code_says(today)
        assert columns_of(empty) == columns_of(today)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migration_does_today_what_it_did_when_it_was_released(
    empty: Connection, version: int, new_url: Callable[[str], str]
) -> None:
    for migration in MIGRATIONS[:version]:
        migration(empty)

    with open_connection(new_url("released")) as released:
        play(released, version)
        assert columns_of(empty) == columns_of(released)


def test_an_earlier_run_learns_which_device_was_whose(empty: Connection) -> None:
    play(empty, 5)
    for statement in (
        "INSERT INTO runs (id, kind, profile, mode, started, status, summary) "
        "VALUES ('run', 'import', 'users', 'sync', '2026', 'applied', '{}')",
        "INSERT INTO devices (id, kind, mac, user_id) VALUES "
        "(7, 'mobile', NULL, 1000), (8, 'ip_phone', '000413a3016f', NULL), (9, 'mobile', NULL, 1000)",
        "INSERT INTO run_phones (run_id, position, login, action, kind, mac, fields) VALUES "
        "('run', 1, 'kept', 'assign', 'mobile', NULL, '{}'), ('run', 2, 'kept', 'assign', 'mobile', NULL, '{}'), "
        "('run', 3, 'kept', 'assign', 'ip_phone', '000413a3016f', '{}'), "
        "('run', 4, 'gone', 'assign', 'mobile', NULL, '{}'), ('run', 5, 'kept', 'release', 'softphone', NULL, '{}')",
    ):
        empty.execute(statement)
    empty.commit()

    migrate(empty)

    kept = empty.read(sa.select(tables.run_phones.c.device_id).order_by(tables.run_phones.c.position))
    assert kept["device_id"].to_list() == [7, 9, 8, None, None]


def test_every_schema_has_its_dump_on_both_databases() -> None:
    wanted = {f"{version}-{kind}.sql" for version in VERSIONS for kind in ("sqlite", "postgresql")}
    assert {path.name for path in SCHEMAS.glob("*.sql")} == wanted
