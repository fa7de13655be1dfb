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
from tasks.store.write_new import new_ids
from tasks.user import FOLLOW_ME

SIP_USER_CHARACTERS: Final = 15
SIP_SECRET_BYTES: Final = 24
_ALPHABET: Final = string.ascii_lowercase + string.digits
_VALUES: Final = ("name", "ip", "number", "web_user", *FOLLOW_ME.values())


def write_phones(connection: Connection, plan: Plan, keyring: Keyring, run_id: str) -> None:
    """Brings assignments, moves and releases of phones into the phone system, and keeps what undo needs."""
    if plan.phones.is_empty():
        return
    phones = _with_ids(connection, plan.phones)
    _keep_history(connection, phones, run_id)
    _release(connection, phones.filter(pl.col("action") == "release"))
    kept = phones.filter(pl.col("action") != "release")
    _alter(connection, kept.filter(pl.col("made_id").is_null()), keyring)
    _make(connection, kept.filter(pl.col("made_id").is_not_null()), keyring)
    _keep_web_passwords(connection, run_id)


def _with_ids(connection: Connection, phones: pl.DataFrame) -> pl.DataFrame:
    """The phones with the id that each new device gets as `made_id`: no earlier one's, so that history stays true."""
    if "former_id" not in phones.columns:
        phones = phones.with_columns(former_id=pl.lit(None, dtype=pl.Int64))
    is_new = pl.col("device_id").is_null()
    count = phones.filter(is_new, pl.col("former_id").is_null()).height
    drawn = (
        new_ids(connection, devices, count, beyond=run_phones.c.device_id) if count else pl.Series([], dtype=pl.Int64)
    )
    places = phones.select((is_new & pl.col("former_id").is_null()).alias("x"))["x"].arg_true()
    return phones.with_columns(made_id=pl.when(is_new).then(phones["former_id"].scatter(places, drawn)))


def _keep_history(connection: Connection, phones: pl.DataFrame, run_id: str) -> None:
    columns = ["position", "login", "action", "kind", "mac", "before", "fields"]
    numbered = phones.with_row_index("position", offset=1).with_columns(pl.col("position").cast(pl.Int64))
    staged = connection.stage("stage_phone_history", numbered.select(*columns, "device_id", "made_id"))
    accounts = device_accounts()
    accounts["web_password_fingerprint"] = sa.func.coalesce(accounts["web_password_fingerprint"], "")
    of_device = sa.func.coalesce(staged.c.device_id, staged.c.made_id)
    source = sa.select(
        sa.literal(run_id), *(staged.c[name] for name in columns), of_device, *accounts.values()
    ).select_from(staged.outerjoin(devices, devices.c.id == staged.c.device_id))
    connection.execute(sa.insert(run_phones).from_select(["run_id", *columns, "device_id", *accounts], source))


def _keep_web_passwords(connection: Connection, run_id: str) -> None:
    """The passwords as the run left them, so that its undo sees what was changed since."""
    left = {"web_password_after": devices.c.web_password}
    left["web_password_fingerprint_after"] = devices.c.web_password_fingerprint
    here = (run_phones.c.run_id == run_id, devices.c.id == run_phones.c.device_id)
    connection.execute(sa.update(run_phones).where(*here, devices.c.web_password_fingerprint != "").values(left))


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
    staged = connection.stage("stage_new_phones", phones.select("made_id", "login", *columns))
    source = sa.select(staged.c.made_id, users.c.id, *(staged.c[name] for name in columns))
    source = source.join(users, users.c.login == staged.c.login)
    connection.execute(sa.insert(devices).from_select(["id", "user_id", *columns], source))


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
