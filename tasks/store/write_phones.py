"""Writes a plan's phones: released ones stay as unassigned devices, new ones get their SIP account.

The SIP account is made once and kept over every run: 15 characters whose last six are the MAC's last six.
"""

import secrets
import string
from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.plan import Plan
from tasks.store.connection import Connection
from tasks.store.history import device_accounts
from tasks.store.tables import devices, run_phones, users
from tasks.user import FOLLOW_ME

SIP_USER_CHARACTERS: Final = 15
SIP_SECRET_BYTES: Final = 24
_ALPHABET: Final = string.ascii_lowercase + string.digits
_VALUES: Final = ("name", "ip", "number", "web_user", *FOLLOW_ME.values())


def write_phones(connection: Connection, plan: Plan, keyring: Keyring, run_id: str) -> None:
    """Brings assignments, moves and releases of phones into the phone system, and keeps what undo needs."""
    if plan.phones.is_empty():
        return
    _keep_history(connection, plan.phones, run_id)
    _release(connection, plan.phones.filter(pl.col("action") == "release"))
    kept = plan.phones.filter(pl.col("action") != "release")
    _alter(connection, kept.filter(pl.col("device_id").is_not_null()), keyring)
    _make(connection, kept.filter(pl.col("device_id").is_null()), keyring)


def _keep_history(connection: Connection, phones: pl.DataFrame, run_id: str) -> None:
    columns = ["position", "login", "action", "kind", "mac", "device_id", "before", "fields"]
    numbered = phones.with_row_index("position", offset=1).with_columns(pl.col("position").cast(pl.Int64))
    staged = connection.stage("stage_phone_history", numbered.select(columns))
    accounts = device_accounts()
    accounts["web_password_fingerprint"] = sa.func.coalesce(accounts["web_password_fingerprint"], "")
    kept = [name for name in columns if name != "device_id"]
    source = sa.select(sa.literal(run_id), *(staged.c[name] for name in kept), *accounts.values()).select_from(
        staged.outerjoin(devices, devices.c.id == staged.c.device_id)
    )
    connection.execute(sa.insert(run_phones).from_select(["run_id", *kept, *accounts], source))


def _release(connection: Connection, released: pl.DataFrame) -> None:
    """A physical phone stays and becomes unassigned; a softphone or mobile device goes with its user."""
    if released.is_empty():
        return
    staged = connection.stage("stage_released_phones", released.select("device_id", "kind"))
    physical = sa.select(staged.c.device_id).where(staged.c.kind == "ip_phone")
    connection.execute(sa.update(devices).where(devices.c.id.in_(physical)).values(user_id=None))
    others = sa.select(staged.c.device_id).where(staged.c.kind != "ip_phone")
    connection.execute(sa.delete(devices).where(devices.c.id.in_(others)))


def _alter(connection: Connection, phones: pl.DataFrame, keyring: Keyring) -> None:
    if phones.is_empty():
        return
    columns = ["device_id", "login", "password_changed", *_STAGED]
    staged = connection.stage("stage_phones", _sealed(phones, keyring).select(columns))
    here = (devices.c.id == staged.c.device_id, users.c.login == staged.c.login)
    values = {"user_id": users.c.id, **{name: staged.c[name] for name in _VALUES}}
    connection.execute(sa.update(devices).where(*here).values(values))
    password = {name: staged.c[name] for name in ("web_password", "web_password_fingerprint")}
    written = sa.or_(staged.c.web_password.is_not(None), staged.c.password_changed == sa.true())
    connection.execute(sa.update(devices).where(*here, written).values(password))


def _make(connection: Connection, phones: pl.DataFrame, keyring: Keyring) -> None:
    if phones.is_empty():
        return
    phones = _sealed(_with_accounts(phones, keyring), keyring)
    columns = ["kind", "mac", "sip_user", "sip_secret", *_STAGED]
    numbered = phones.select("login", *columns).with_row_index("position").cast({"position": pl.Int64})
    staged = connection.stage("stage_new_phones", numbered)
    source = sa.select(users.c.id, *(staged.c[name] for name in columns)).join(users, users.c.login == staged.c.login)
    # The devices of one person and kind are told apart by the order of their ids.
    source = source.order_by(staged.c.position)
    connection.execute(sa.insert(devices).from_select(["user_id", *columns], source))


_STAGED: Final = (*_VALUES, "web_password", "web_password_fingerprint")


def _sealed(phones: pl.DataFrame, keyring: Keyring) -> pl.DataFrame:
    """Plain passwords become sealed ones; an undo brings them sealed already."""
    given = pl.col("password_changed") & (pl.col("web_password") != "")
    plain = phones.select(x=pl.when(given).then("web_password"))["x"]
    place = phones["mac"].fill_null("")
    sealed = keyring.seal_series(plain, place, table="devices", column="web_password").alias("web_password")
    phones = phones.with_columns(sealed, pl.col("web_password_fingerprint").fill_null(""))
    if "web_password_sealed" not in phones.columns:
        return phones
    return phones.with_columns(web_password=pl.coalesce("web_password", "web_password_sealed"))


def _with_accounts(phones: pl.DataFrame, keyring: Keyring) -> pl.DataFrame:
    """A user name and a random secret for every new phone and softphone; a mobile device has no account."""
    accounts = [None if kind == "mobile" else _sip_user(mac) for kind, mac in phones.select("kind", "mac").iter_rows()]
    sip_users = pl.Series("sip_user", accounts, dtype=pl.String)
    plain = pl.Series(
        "secret", [account and secrets.token_urlsafe(SIP_SECRET_BYTES) for account in accounts], dtype=pl.String
    )
    sealed = keyring.seal_series(plain, sip_users.fill_null(""), table="devices", column="sip_secret")
    made = phones.with_columns(new_user=sip_users, new_secret=sealed)
    if "sip_user" not in phones.columns:
        return made.rename({"new_user": "sip_user", "new_secret": "sip_secret"})
    kept = pl.col("sip_user").is_not_null()
    return made.with_columns(
        sip_user=pl.when(kept).then("sip_user").otherwise("new_user"),
        sip_secret=pl.when(kept).then("sip_secret").otherwise("new_secret"),
    )


def _sip_user(mac: str | None) -> str:
    last_six = mac[-6:] if mac else secrets.token_hex(3)
    return "".join(secrets.choice(_ALPHABET) for _ in range(SIP_USER_CHARACTERS - 6)) + last_six
