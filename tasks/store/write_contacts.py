"""Writes a plan's contacts, set-based, in the caller's transaction, and leaves behind what undo needs."""

from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.records import CONTACT_COLUMNS
from tasks.store.connection import Connection
from tasks.store.tables import contact_records, phonebook, run_contacts
from tasks.store.write_new import new_ids

_RECORD: Final = ("entry_id", "profile", "key", "adopted", "missing_since")


def write_contacts(connection: Connection, contacts: pl.DataFrame, run_id: str, now: str) -> None:
    """Brings contacts into the phone system. Shape: `contacts` as `Plan.contacts`."""
    written = contacts.filter(pl.col("action") != "conflict")
    if written.is_empty():
        return
    _keep_history(connection, written, run_id)
    gone = written.filter(pl.col("action") == "remove")
    if gone.height:
        ids = sa.select(connection.stage("stage_contacts_gone", gone.select("entry_id")).c.entry_id)
        connection.execute(sa.delete(contact_records).where(contact_records.c.entry_id.in_(ids)))
        connection.execute(sa.delete(phonebook).where(phonebook.c.id.in_(ids)))
    missing = pl.when(pl.col("action") == "disable").then(pl.coalesce("missing_since", pl.lit(now)))
    kept = written.filter(pl.col("action") != "remove").with_columns(missing_since=missing.otherwise("missing_since"))
    _alter(connection, kept.filter(pl.col("action") != "create"))
    _create(connection, kept.filter(pl.col("action") == "create"))


def _keep_history(connection: Connection, written: pl.DataFrame, run_id: str) -> None:
    numbered = written.with_row_index("position", offset=1).with_columns(
        pl.col("position").cast(pl.Int64), run_id=pl.lit(run_id)
    )
    connection.append(run_contacts, numbered.select(column.name for column in run_contacts.columns))


def _create(connection: Connection, new: pl.DataFrame) -> None:
    new = new.with_columns(entry_id=new_ids(connection, phonebook, new.height))
    connection.append(phonebook, new.select(pl.col("entry_id").alias("id"), *CONTACT_COLUMNS))
    owned = new.filter(pl.col("owner").is_not_null()).rename({"owner": "profile"})
    connection.append(contact_records, owned.select(_RECORD))


def _alter(connection: Connection, known: pl.DataFrame) -> None:
    """Fields in place; the record of a taken one is written anew, that of a released one goes."""
    if known.is_empty():
        return
    columns = ("entry_id", "action", "key", "owner", "adopted", "disown", "missing_since", *CONTACT_COLUMNS)
    staged = connection.stage("stage_contacts", known.select(columns))
    values = {name: sa.func.coalesce(staged.c[name], phonebook.c[name]) for name in CONTACT_COLUMNS}
    connection.execute(sa.update(phonebook).where(phonebook.c.id == staged.c.entry_id).values(values))
    here = contact_records.c.entry_id == staged.c.entry_id
    dated = staged.c.action.in_(["enable", "disable"])
    connection.execute(sa.update(contact_records).where(here, dated).values(missing_since=staged.c.missing_since))
    anew = sa.or_(staged.c.disown == sa.true(), staged.c.owner.is_not(None))
    connection.execute(
        sa.delete(contact_records).where(contact_records.c.entry_id.in_(sa.select(staged.c.entry_id).where(anew)))
    )
    owned = known.filter(pl.col("owner").is_not_null()).rename({"owner": "profile"})
    connection.append(contact_records, owned.select(_RECORD))
