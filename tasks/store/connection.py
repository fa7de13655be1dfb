"""One connection to the phone system, by ADBC on SQLite and on PostgreSQL alike.

Decision 34: a process must open a SQLite file through one library only, so ADBC does everything here and SQLAlchemy
merely compiles the SQL. The schema of what comes back is the statement's own, not what the driver infers (an empty
result would be all integers). Writing starts with a write, so that SQLite's lock is taken before anything is read.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote

import polars as pl
import sqlalchemy as sa
from adbc_driver_manager import OperationalError, ProgrammingError
from sqlalchemy.sql.compiler import SQLCompiler

from tasks.errors import StoreBusyError, WrongUseError
from tasks.store.waiting import wait_for_lock

LOCK_TIMEOUT_SECONDS: Final = 60
_PRAGMAS: Final = ("foreign_keys = ON", "cache_size = -262144", "temp_store = MEMORY")
"""With SQLite's own cache of 2 MB, a large import spills its pages again and again; 256 MB is the most it takes."""
_PAGE_BYTES: Final = 16_384
"""A large commit costs half of what it does with SQLite's own 4,096. A file takes it when it is made, and keeps it."""
_LARGE_BATCHES: Final = {"adbc.sqlite.query.batch_rows": "65536"}
"""The driver's own 1,024 makes a hundred pieces of every column, and each join pays for them."""
_ADVISORY_LOCK: Final = 0x726F6C6C63616C6C

Query: TypeAlias = sa.Select[*tuple[Any, ...]] | sa.CompoundSelect[*tuple[Any, ...]]
"""A select of any columns."""

_POLARS_TYPES: Final[dict[type[sa.types.TypeEngine[Any]], type[pl.DataType]]] = {
    sa.Integer: pl.Int64,
    sa.BigInteger: pl.Int64,
    sa.Text: pl.String,
    sa.String: pl.String,
    sa.Boolean: pl.Boolean,
    sa.LargeBinary: pl.Binary,
}


class Connection:
    """Runs SQLAlchemy Core statements in one transaction; frames go in by `stage` and come out by `read`.

    `adbc` is the driver's connection; it carries no types, so it is Any here and nowhere else.
    """

    def __init__(self, adbc: Any, kind: Literal["sqlite", "postgresql"]) -> None:
        self._adbc = adbc
        self.mark = ""
        """What `tasks.store.watch` saw before the transaction began."""
        self.kind: Literal["sqlite", "postgresql"] = kind
        style = "qmark" if kind == "sqlite" else "numeric_dollar"
        self.dialect: sa.Dialect = import_module(f"sqlalchemy.dialects.{kind}").dialect(paramstyle=style)

    def execute(self, statement: sa.Executable | str, parameters: Mapping[str, Any] | None = None) -> None:
        """Runs a statement that gives no rows."""
        with self._adbc.cursor() as cursor, busy_is_told():
            cursor.execute(*self._compile(statement, parameters))

    def read(self, statement: Query) -> pl.DataFrame:
        """The rows of a select as a frame, with the columns' declared types."""
        schema = {column.name: _polars_type(column.type) for column in statement.selected_columns}
        with self._adbc.cursor() as cursor, busy_is_told():
            if self.kind == "sqlite":
                cursor.adbc_statement.set_options(**_LARGE_BATCHES)
            cursor.execute(*self._compile(statement, None))
            frame: pl.DataFrame = cursor.fetch_polars()
        is_declared = frame.schema == pl.Schema(schema)
        return frame if is_declared else frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())

    def stage(self, name: str, frame: pl.DataFrame) -> sa.TableClause:
        """A temporary table of this connection that holds the frame; gone when the connection closes."""
        with self._adbc.cursor() as cursor, busy_is_told():
            cursor.execute(f'DROP TABLE IF EXISTS "{name}"')
            cursor.adbc_ingest(name, frame, mode="create", temporary=True)
        columns: list[sa.ColumnClause[Any]] = [sa.column(column) for column in frame.columns]
        return sa.table(name, *columns)

    def append(self, table: sa.Table, frame: pl.DataFrame) -> None:
        """Appends a frame, whose columns are named as the table's, in bulk."""
        if frame.is_empty():
            return
        with self._adbc.cursor() as cursor, busy_is_told():
            cursor.adbc_ingest(table.name, self._as_declared(table, frame), mode="append")

    def _as_declared(self, table: sa.Table, frame: pl.DataFrame) -> pl.DataFrame:
        """PostgreSQL's binary copy takes a number only in the width of its column."""
        if self.kind == "sqlite":
            return frame
        narrow = [name for name in frame.columns if type(table.c[name].type) is sa.Integer]
        return frame.with_columns(pl.col(name).cast(pl.Int32) for name in narrow)

    def lock_for_writing(self, patience_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        """Waits until this connection is the only writer of the phone system, and says so when it has to.

        It is the first thing of its transaction, which begins anew with each attempt.

        Raises: StoreBusyError when another writer holds it for longer than that.
        """
        wait_for_lock(self._locks_within, patience_seconds)
        self._wait_at_most(LOCK_TIMEOUT_SECONDS)

    def _locks_within(self, seconds: float) -> None:
        """Takes the lock for writing."""
        self._wait_at_most(seconds)
        if self.kind == "sqlite":
            self.execute("UPDATE meta SET value = value WHERE key = 'lock'")
            return
        try:
            # The driver tells the failure of a select only to whoever fetches its rows.
            self.execute(f"DO $$ BEGIN PERFORM pg_advisory_xact_lock({_ADVISORY_LOCK}); END $$")
        except StoreBusyError:
            self.rollback()
            raise

    def _wait_at_most(self, seconds: float) -> None:
        """How long a statement of this transaction waits for a lock."""
        milliseconds = round(seconds * 1000)
        if self.kind == "sqlite":
            self.execute(f"PRAGMA busy_timeout = {milliseconds}")
        else:
            self.execute(f"SET LOCAL lock_timeout = '{milliseconds}ms'")

    def lock_for_migrating(self) -> None:
        """Waits likewise where there may be no table yet.

        Raises: StoreBusyError when another writer holds it for longer than a minute.
        """
        if self.kind == "postgresql":
            self.lock_for_writing()
        else:
            # A pragma that writes takes SQLite's lock for writing before anything is read.
            self.execute("PRAGMA user_version = 0")

    def commit(self) -> None:
        """Makes all that was done visible to others, at once."""
        self.mark = ""
        with busy_is_told():
            self._adbc.adbc_connection.commit()

    def rollback(self) -> None:
        """Takes back all that was done since the last commit."""
        self.mark = ""
        self._adbc.adbc_connection.rollback()

    def close(self) -> None:
        """Ends the connection; what was not committed is lost."""
        self._adbc.close()

    def _compile(
        self, statement: sa.Executable | str, parameters: Mapping[str, Any] | None
    ) -> tuple[str, pl.DataFrame | None]:
        if isinstance(statement, str):
            return statement, None
        # Executable covers everything but DDL, and DDL has the same compile method.
        compiled = statement.compile(dialect=self.dialect, compile_kwargs={"render_postcompile": True})  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(compiled, SQLCompiler):
            return str(compiled), None  # pyright: ignore[reportUnknownArgumentType]
        values = compiled.construct_params(parameters)
        bound = [
            # The drivers know no column of nothing: without a value, its type must be told.
            pl.Series(f"{at}", [value], _polars_type(compiled.binds[name].type) if value is None else None)
            for at, name in enumerate(compiled.positiontup or ())
            for value in [values[name]]
        ]
        return str(compiled), pl.DataFrame(bound) if bound else None


@contextmanager
def open_connection(url: str, registrar: Path | None = None) -> Generator[Connection]:
    """A connection inside a transaction that is rolled back unless it is committed.

    `registrar` is the file that a SQLite connection attaches under that name, so that both are written as one.

    Raises: WrongUseError for a URL that is no phone system; StoreBusyError when the database cannot be reached.
    """
    connection = _connect(url, registrar)
    try:
        yield connection
    finally:
        connection.rollback()
        connection.close()


@contextmanager
def busy_is_told() -> Generator[None]:
    """Turns the driver's word for locked or gone into StoreBusyError, which a caller may retry."""
    try:
        yield
    except (OperationalError, ProgrammingError) as error:
        state = f"{error.sqlstate or ''}"
        text = str(error).lower() if isinstance(error, OperationalError) else ""
        if "locked" in text or "busy" in text or state.startswith(("08", "40", "55", "57")) or "connect" in text:
            raise StoreBusyError(
                "store-busy",
                "The phone system's database is locked or cannot be reached. Nothing was written; try again later, "
                "and see `rollcall doctor`.",
            ) from None
        raise


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite URL; None for another database."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] != "sqlite":
        return None
    return Path(unquote(rest.removeprefix("/")))


def _connect(url: str, registrar: Path | None) -> Connection:
    path = sqlite_path(url)
    if path is not None:
        return _connect_sqlite(path, registrar)
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] not in {"postgresql", "postgres"}:
        raise WrongUseError(
            "database-url-unknown",
            "ROLLCALL_DATABASE_URL names neither SQLite nor PostgreSQL. "
            "Use sqlite:////path/to/file.db or postgresql+psycopg://user:password@host/database.",
        )
    connect = _untyped("adbc_driver_postgresql.dbapi").connect

    with busy_is_told():
        adbc: Any = connect(f"postgresql://{rest}", autocommit=False)
    return Connection(adbc, "postgresql")


def connect_sqlite_plainly(path: Path) -> Any:
    """The driver's connection to a file that is there, outside of any transaction; it waits for locks as others do."""
    with busy_is_told():
        adbc: Any = _untyped("adbc_driver_sqlite.dbapi").connect(str(path), autocommit=True)
        with adbc.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_SECONDS * 1000}")
    return adbc


def _connect_sqlite(path: Path, registrar: Path | None) -> Connection:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        path.touch(mode=0o600)
    adbc = connect_sqlite_plainly(path)
    with busy_is_told():
        with adbc.cursor() as cursor:
            for pragma in (f"page_size = {_PAGE_BYTES}", "journal_mode = WAL", *_PRAGMAS):
                cursor.execute(f"PRAGMA {pragma}")
            if registrar is not None:
                _attach(cursor, registrar)
        # The pragmas do nothing inside a transaction, so it starts only here.
        adbc.adbc_connection.set_autocommit(False)
    return Connection(adbc, "sqlite")


def _attach(cursor: Any, registrar: Path) -> None:
    """Adds the registrar's file, which its group may read.

    It keeps SQLite's own journal: whoever reads a write-ahead log needs to write beside it.
    """
    if not registrar.exists():
        registrar.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        registrar.touch(mode=0o640)
        registrar.chmod(0o640)
    path = str(registrar).replace("'", "''")
    cursor.execute(f"ATTACH DATABASE '{path}' AS registrar")


def _polars_type(type_: sa.types.TypeEngine[Any]) -> type[pl.DataType]:
    for ours, theirs in _POLARS_TYPES.items():
        if isinstance(type_, ours):
            return theirs
    raise TypeError(f"no frame type for {type_!r}")


def _untyped(module: str) -> Any:
    """A driver's module, loaded only where it is needed; the drivers carry no types."""
    return import_module(module)
