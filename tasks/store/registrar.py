"""What a SIP registrar reads: one row an account that may register, under the names that Kamailio and Asterisk know.

HA1 is as good as the secret (decision 31), so it lies where only the registrar reads: on SQLite in a file of its own
(mode 0640) that every connection attaches, on PostgreSQL in a table that only the role `rollcall_registrar` may read
through its views. The rows are written in the transaction of the change itself, and made again whenever file and
phone system turn out to be out of step: another realm, a lost file, a crash between the two commits.
"""

import hashlib
import secrets
from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.store.connection import Connection
from tasks.store.registrar_schema import ATTACHED, SCHEMA, create_registrar, sip_accounts, sip_facts
from tasks.store.tables import devices, extensions, meta, users

_SEALED_HEAD_BYTES: Final = 21
_GENERATION: Final = "registrar"


def prepare_registrar(connection: Connection, keyring: Keyring, realm: str) -> None:
    """Makes the registrar's file where there is none, and its accounts anew where they are out of step; commits."""
    if _in_step(connection, realm):
        return
    # What was read so far may be old by the time that this process may write.
    connection.rollback()
    connection.lock_for_writing()
    if not _has_tables(connection):
        _make_file(connection)
    if not _in_step(connection, realm):
        write_accounts(connection, keyring, realm, force=True)
    connection.commit()


def write_accounts(connection: Connection, keyring: Keyring, realm: str, *, force: bool = False) -> int:
    """Brings the accounts in step with phones and users, in the caller's transaction; gives how many changed.

    Only a phone or softphone of an enabled user has one: a released phone is no longer let in.
    """
    wanted = _wanted(connection, realm)
    present = connection.read(sa.select(*(sip_accounts.c[name] for name in _COMPARED)))
    fresh = wanted.join(present, on=_COMPARED, how="anti")
    stale = present.join(wanted, on=_COMPARED, how="anti")
    if stale.height:
        staged = connection.stage("stage_stale_accounts", stale.select("username"))
        connection.execute(sa.delete(sip_accounts).where(sip_accounts.c.username.in_(sa.select(staged.c.username))))
    if fresh.height:
        staged = connection.stage("stage_accounts", _with_digests(connection, fresh, keyring, realm))
        names = [column.name for column in sip_accounts.columns]
        connection.execute(sa.insert(sip_accounts).from_select(names, sa.select(*(staged.c[name] for name in names))))
    changed = fresh.height + stale.height
    if changed or force:
        _write_facts(connection, realm)
    return changed


def digests(username: str, realm: str, secret: str) -> tuple[str, str]:
    """HA1, and HA1B for a phone that sends its user name with the domain.

    Source: RFC 2617, section 3.2.2.2; MD5 is what the phones speak.
    """
    return _md5(f"{username}:{realm}:{secret}"), _md5(f"{username}@{realm}:{realm}:{secret}")


_COMPARED: Final = ["username", "realm", "display_name", "extension", "seal"]


def _in_step(connection: Connection, realm: str) -> bool:
    if not _has_tables(connection):
        return False
    facts = dict(connection.read(sa.select(sip_facts.c.key, sip_facts.c.value)).iter_rows())
    generation = connection.read(sa.select(meta.c.value).where(meta.c.key == _GENERATION))["value"].to_list()
    return facts.get("realm") == realm and [facts.get("generation")] == generation


def _has_tables(connection: Connection) -> bool:
    """On PostgreSQL a migration makes them; SQLite's file may be gone, or of another schema."""
    if connection.kind == "postgresql":
        return True
    if "sip_facts" not in _contents_of_file(connection)["name"]:
        return False
    found = connection.read(sa.select(sip_facts.c.value).where(sip_facts.c.key == "schema"))
    return found["value"].to_list() == [SCHEMA]


def _make_file(connection: Connection) -> None:
    found = _contents_of_file(connection).filter(pl.col("type").is_in(["table", "view"]))
    for name, kind in found.sort("type", descending=True).iter_rows():
        connection.execute(f'DROP {kind.upper()} {ATTACHED}."{name}"')
    create_registrar(connection)


def _contents_of_file(connection: Connection) -> pl.DataFrame:
    listing = sa.table("sqlite_master", schema=ATTACHED)
    return connection.read(sa.select(sa.column("name", sa.Text), sa.column("type", sa.Text)).select_from(listing))


def _wanted(connection: Connection, realm: str) -> pl.DataFrame:
    head = sa.func.substr(devices.c.sip_secret, 1, _SEALED_HEAD_BYTES, type_=sa.LargeBinary)
    select = (
        sa.select(
            devices.c.sip_user.label("username"),
            sa.literal(realm).label("realm"),
            users.c.display_name,
            sa.func.coalesce(extensions.c.number, "", type_=sa.Text).label("extension"),
            head.label("seal"),
        )
        .join(users, users.c.id == devices.c.user_id)
        .outerjoin(extensions, extensions.c.user_id == users.c.id)
        .where(devices.c.sip_user.is_not(None), devices.c.sip_secret.is_not(None), users.c.enabled)
    )
    # A display name stands between quotes in Asterisk's caller id.
    return connection.read(select).with_columns(
        pl.col("display_name").str.replace_all(r'["\\<>\p{Cc}]', ""), pl.col("seal").bin.encode("hex")
    )


def _with_digests(connection: Connection, fresh: pl.DataFrame, keyring: Keyring, realm: str) -> pl.DataFrame:
    staged = connection.stage("stage_fresh_accounts", fresh.select("username"))
    sealed = connection.read(
        sa.select(devices.c.sip_user.label("username"), devices.c.sip_secret).where(
            devices.c.sip_user.in_(sa.select(staged.c.username))
        )
    )
    plain = keyring.open_series(sealed["sip_secret"], sealed["username"], table="devices", column="sip_secret")
    made = [digests(name, realm, secret) for name, secret in zip(sealed["username"], plain, strict=True)]
    hashed = sealed.select(
        "username", ha1=pl.Series([one for one, _ in made], dtype=pl.String), ha1b=pl.Series([two for _, two in made])
    )
    return fresh.join(hashed, on="username", how="inner")


def _write_facts(connection: Connection, realm: str) -> None:
    """A fresh generation on both sides: two files cannot commit as one when the power fails between them."""
    generation = secrets.token_hex(8)
    connection.execute(sa.delete(sip_facts).where(sip_facts.c.key != "schema"))
    for key, value in (("realm", realm), ("generation", generation)):
        connection.execute(sa.insert(sip_facts).values(key=key, value=value))
    connection.execute(sa.delete(meta).where(meta.c.key == _GENERATION))
    connection.execute(sa.insert(meta).values(key=_GENERATION, value=generation))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
