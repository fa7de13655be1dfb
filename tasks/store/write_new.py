"""Writes new people: their ids are drawn first, so that every table is filled by one bulk append and no join."""

from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from tasks.plan import phonebook_prefixes
from tasks.store.connection import Connection
from tasks.store.tables import extensions, import_records, phonebook, run_secrets, users, voicemail_boxes
from tasks.user import PHONEBOOK_FIELDS, SECRET_FIELDS

ENTRY_COLUMNS: Final = tuple(field.column for field in PHONEBOOK_FIELDS)
_USER_COLUMNS: Final = ("login", "display_name", "auth_method", "enabled", "password", "pin")


def create_people(connection: Connection, people: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """Brings new people into the phone system, roles excepted; gives them back with their `user_id`.

    Shape: `people` as `write_people` takes them, creates only.
    """
    new = people.with_columns(user_id=new_ids(connection, users, people.height))
    connection.append(users, new.select(pl.col("user_id").alias("id"), *_USER_COLUMNS))
    numbered = new.filter(pl.col("number").is_not_null())
    connection.append(
        extensions,
        numbered.select("number", "user_id", kind=pl.lit("user"), automatic=pl.col("automatic").fill_null(False)),
    )
    connection.append(voicemail_boxes, new.filter(pl.col("email").is_not_null()).select("user_id", "email"))
    for prefix in phonebook_prefixes(new.columns):
        present = entries_of(new, prefix).filter("present").drop("present")
        connection.append(phonebook, present)
    _own(connection, new)
    _keep_secrets(connection, new, run_id)
    return new


def entries_of(people: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """One phonebook entry of each person. Shape: `user_id`, `position`, `present`, the columns of an entry."""
    return people.filter(pl.col(prefix).is_not_null()).select(
        "user_id",
        position=pl.lit(1 if prefix == "phonebook" else int(prefix[10:]), dtype=pl.Int64),
        present=pl.col(prefix),
        **{column: pl.col(f"{prefix}.{column}").fill_null("") for column in ENTRY_COLUMNS},
    )


def new_ids(
    connection: Connection, table: sa.Table, count: int, beyond: sa.ColumnElement[Any] | None = None
) -> pl.Series:
    """Ids that nothing in the table has, nor the column `beyond`, which remembers those that are gone.

    SQLite goes on from the highest, which the write lock keeps from moving; PostgreSQL never gives an id twice.
    """
    if connection.kind == "sqlite":
        columns = [column for column in (table.c.id, beyond) if column is not None]
        highest = max(
            connection.read(sa.select(sa.func.coalesce(sa.func.max(column), 0).label("id")))["id"][0]
            for column in columns
        )
        return pl.int_range(highest + 1, highest + 1 + count, dtype=pl.Int64, eager=True).alias("id")
    # The name is a str of SQLAlchemy's own kind, which polars takes for a list of letters.
    sequence: Any = sa.func.pg_get_serial_sequence(str(table.name), "id")
    drawn = sa.func.nextval(sequence, type_=sa.BigInteger).label("id")
    return connection.read(sa.select(drawn).select_from(sa.func.generate_series(1, count)))["id"]


def _own(connection: Connection, new: pl.DataFrame) -> None:
    owned = new.filter(pl.col("owner").is_not_null())
    connection.append(
        import_records,
        owned.select(
            "user_id",
            pl.col("owner").alias("profile"),
            pl.col("adopted").fill_null(False),
            *(pl.col(f"{field}_fingerprint").fill_null("") for field in SECRET_FIELDS),
            "missing_since",
            pl.col("was_enabled").fill_null(True),
        ),
    )


def _keep_secrets(connection: Connection, new: pl.DataFrame, run_id: str) -> None:
    """What the run wrote, so that its undo sees what a person changed since."""
    for field in SECRET_FIELDS:
        connection.append(
            run_secrets,
            new.select(
                "login",
                run_id=pl.lit(run_id),
                field=pl.lit(field),
                before=pl.lit(None, dtype=pl.Binary),
                after=pl.col(field),
            ),
        )
