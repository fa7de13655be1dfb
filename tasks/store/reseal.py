"""Seals every value of the phone system anew under another key, in the caller's transaction.

Fingerprints are keyed too, and a key that is given up must not let anybody guess pins from them: so they are made
anew from the values that the phone system and its history hold. Where nobody holds the value any more, the old
fingerprint stays and is counted: the next import takes the file's value for a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.store.connection import Connection
from tasks.store.tables import devices, import_records, run_files, run_phones, run_secrets, users
from tasks.store.upload_tables import upload_pieces
from tasks.user import SECRET_FIELDS

_BATCH_OF_FILES: Final = 16


@dataclass(frozen=True)
class Resealed:
    """How many values and fingerprints were made anew, and how many fingerprints could not be."""

    values: int
    fingerprints: int
    lost_fingerprints: int


@dataclass(frozen=True)
class _Column:
    """A sealed column: its table, how a row of it is found, and the place under which its values were sealed."""

    table: sa.Table
    name: str
    row: Any
    sealed_as: tuple[str, Any]

    @property
    def keys(self) -> list[sa.Column[Any]]:
        return list(self.table.primary_key.columns)


def reseal(connection: Connection, old: Keyring, new: Keyring) -> Resealed:
    """Seals all that lies under the old key with the new one, which also opens what is older.

    Raises: SealError when a value does not open; nothing is lost then, since the caller does not commit.
    """
    if connection.kind == "postgresql":
        # Uploads are written without the lock of writers.
        connection.execute("LOCK TABLE upload_pieces IN EXCLUSIVE MODE")
    prints = dict(_fingerprints(connection, old, new))
    # Undo knows a value that nobody changed by its bytes: what is one value now stays one.
    anew: dict[bytes, bytes] = {}
    values = sum(_reseal_column(connection, column, new, anew) for column in _COLUMNS)
    values += sum(_reseal_files(connection, column, new) for column in _FILES)
    carried, lost = _carry_fingerprints(connection, prints)
    return Resealed(values, carried, lost)


def _of_users(field: str) -> _Column:
    return _Column(users, field, users.c.login, ("users", sa.literal(field)))


_NO_MAC: Final = sa.literal("")
_COLUMNS: Final = (
    *(_of_users(field) for field in SECRET_FIELDS),
    *(_Column(run_secrets, name, run_secrets.c.login, ("users", run_secrets.c.field)) for name in ("before", "after")),
    *(
        _Column(table, name, sa.func.coalesce(table.c[row], _NO_MAC, type_=sa.Text), ("devices", sa.literal(name)))
        for table in (devices, run_phones)
        for name, row in (("sip_secret", "sip_user"), ("web_password", "mac"))
    ),
    _Column(
        run_phones,
        "web_password_after",
        sa.func.coalesce(run_phones.c.mac, _NO_MAC, type_=sa.Text),
        ("devices", sa.literal("web_password")),
    ),
)
_FILES: Final = (
    _Column(run_files, "content", run_files.c.run_id, ("run_files", run_files.c.kind)),
    _Column(
        upload_pieces,
        "content",
        upload_pieces.c.upload_id + "/" + sa.cast(upload_pieces.c.position, sa.Text),
        ("upload_pieces", sa.literal("content")),
    ),
)
"""These may be large: they are read a few at a time."""


def _select(column: _Column) -> sa.Select[*tuple[Any, ...]]:
    place = (column.row.label("#place"), column.sealed_as[1].label("#column"))
    sealed = column.table.c[column.name]
    return sa.select(*column.keys, *place, sealed.label("#sealed")).where(sealed.is_not(None))


def _reseal_column(connection: Connection, column: _Column, new: Keyring, anew: dict[bytes, bytes]) -> int:
    found = connection.read(_select(column))
    for part in found.partition_by("#column", maintain_order=True):
        once = part.unique("#sealed", maintain_order=True)
        fresh = once.filter(pl.Series([value not in anew for value in once["#sealed"].to_list()], dtype=pl.Boolean))
        if fresh.height:
            anew |= zip(fresh["#sealed"].to_list(), _sealed_anew(column, fresh, new)["#sealed"].to_list(), strict=True)
        values = pl.Series("#sealed", [anew[value] for value in part["#sealed"].to_list()], dtype=pl.Binary)
        _write(connection, column, part.with_columns(values))
    return found.height


def _reseal_files(connection: Connection, column: _Column, new: Keyring) -> int:
    ordered = _select(column).order_by(*column.keys)
    count = 0
    while True:
        found = connection.read(ordered.limit(_BATCH_OF_FILES).offset(count))
        for part in found.partition_by("#column", maintain_order=True):
            _write(connection, column, _sealed_anew(column, part, new))
        count += found.height
        if found.height < _BATCH_OF_FILES:
            return count


def _sealed_anew(column: _Column, part: pl.DataFrame, new: Keyring) -> pl.DataFrame:
    """The rows with `#sealed` under the new key."""
    table, name = column.sealed_as[0], str(part["#column"][0])
    plain = [
        new.open(sealed, table=table, row=row, column=name)
        for sealed, row in zip(part["#sealed"].to_list(), part["#place"].to_list(), strict=True)
    ]
    values = pl.Series("#sealed", plain, dtype=pl.Binary)
    return part.with_columns(new.seal_series(values, part["#place"], table=table, column=name))


def _write(connection: Connection, column: _Column, part: pl.DataFrame) -> None:
    staged = connection.stage("stage_resealed", part.drop("#place", "#column").rename({"#sealed": "sealed"}))
    here = [key == staged.c[key.name] for key in column.keys]
    connection.execute(sa.update(column.table).where(*here).values({column.name: staged.c.sealed}))


def _fingerprints(connection: Connection, old: Keyring, new: Keyring) -> Iterator[tuple[str, str]]:
    """Old fingerprint to new one, for every value that is held anywhere."""
    for column in (*(_of_users(field) for field in SECRET_FIELDS), *_COLUMNS[2:4]):
        found = connection.read(_select(column))
        for part in found.partition_by("#column", maintain_order=True):
            field = str(part["#column"][0])
            plain = new.open_series(part["#sealed"], part["#place"], table="users", column=field)
            yield from _pairs(part["#place"], field, plain, (old, new))
    owners = _owners_of_phones(connection)
    for column in (column for column in _COLUMNS if column.name.startswith("web_password")):
        found = connection.read(_select(column)).unique("#sealed")
        plain = new.open_series(found["#sealed"], found["#place"], table="devices", column="web_password")
        known = found.select(mac="#place").with_columns(plain.alias("plain")).join(owners, on="mac")
        yield from _pairs(known["login"], "web_password", known["plain"], (old, new))


def _pairs(
    logins: pl.Series, field: str, plain: pl.Series, rings: tuple[Keyring, Keyring]
) -> Iterator[tuple[str, str]]:
    one, other = (ring.fingerprint_series(logins, field, plain).bin.encode("hex").to_list() for ring in rings)
    yield from zip(one, other, strict=True)


def _owners_of_phones(connection: Connection) -> pl.DataFrame:
    """Whoever has or had a phone: one of them is who its password was imported for. Shape: `mac`, `login`, unique."""
    now = sa.select(devices.c.mac, users.c.login).join(users, users.c.id == devices.c.user_id)
    then = sa.select(run_phones.c.mac, run_phones.c.login)
    return pl.concat([connection.read(select) for select in (now, then)]).drop_nulls().unique()


def _carry_fingerprints(connection: Connection, prints: dict[str, str]) -> tuple[int, int]:
    """Puts the new fingerprints in the place of the old ones; how many, and how many living ones had to stay."""
    carried = lost = 0
    for table, name in _PRINTS:
        keys = list(table.primary_key.columns)
        found = connection.read(sa.select(*keys, table.c[name].label("print")).where(table.c[name] != ""))
        anew = found.with_columns(print=pl.col("print").replace_strict(prints, default=None, return_dtype=pl.String))
        known = anew.drop_nulls("print")
        staged = connection.stage("stage_prints", known)
        here = [key == staged.c[key.name] for key in keys]
        connection.execute(sa.update(table).where(*here).values({name: staged.c["print"]}))
        carried += known.height
        lost += anew.height - known.height if table in (import_records, devices) else 0
    return carried, lost


_PRINTS: Final = (
    *((import_records, f"{field}_fingerprint") for field in SECRET_FIELDS),
    *((run_secrets, f"fingerprint_{when}") for when in ("before", "after")),
    (devices, "web_password_fingerprint"),
    *((run_phones, f"web_password_fingerprint{when}") for when in ("", "_after")),
)
