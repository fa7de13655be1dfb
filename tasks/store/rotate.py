"""Gives a phone a new SIP secret: the one that it has is worth nothing from the next registration on.

It is a run of its own in the history (kind `rotate`), so that who did it to whom is told like everything else.
"""

import secrets
from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.phone_rules import clean_mac
from tasks.run import Run
from tasks.store.connection import Connection
from tasks.store.registrar import write_accounts
from tasks.store.runs import write_audited_run
from tasks.store.store import Store
from tasks.store.tables import devices, run_phones, users
from tasks.store.write_phones import SIP_SECRET_BYTES


def rotate_sip_secret(store: Store, phone: str, run: Run, finished: str) -> str:
    """A new secret for the phone of this MAC, or the softphone of this login; gives the device's name.

    Raises: WrongUseError when there is no such phone.
    """
    with store.open() as connection:
        store.lock_for_writing(connection)
        device = _find(connection, phone)
        secret = secrets.token_urlsafe(SIP_SECRET_BYTES)
        sealed = store.keyring.seal(secret, table="devices", row=device["sip_user"], column="sip_secret")
        connection.execute(sa.update(devices).where(devices.c.id == device["id"]).values(sip_secret=sealed))
        write_accounts(connection, store.keyring, store.realm)
        _record(connection, device, run, finished)
        connection.commit()
    return str(device["name"])


def _find(connection: Connection, phone: str) -> dict[str, Any]:
    mac = pl.select(clean_mac(pl.lit(phone))).item()
    select = (
        sa.select(
            devices.c.id,
            devices.c.kind,
            devices.c.mac,
            devices.c.name,
            devices.c.sip_user,
            sa.func.coalesce(users.c.login, "", type_=sa.Text).label("login"),
        )
        .select_from(devices.outerjoin(users, users.c.id == devices.c.user_id))
        .where(
            devices.c.sip_user.is_not(None),
            sa.or_(
                devices.c.mac == mac, sa.and_(devices.c.kind == "softphone", users.c.login == phone.strip().lower())
            ),
        )
    )
    found = connection.read(select).to_dicts()
    if len(found) != 1:
        raise WrongUseError(
            "phone-unknown",
            f"There is no phone with the MAC {phone}, and no softphone of that login. `rollcall phones` lists them.",
        )
    return found[0]


def _record(connection: Connection, device: dict[str, Any], run: Run, finished: str) -> None:
    write_audited_run(connection, run, finished, device["login"])
    connection.execute(
        sa.insert(run_phones).values(
            run_id=run.id,
            position=1,
            login=device["login"],
            action="rotate",
            kind=device["kind"],
            mac=device["mac"],
            before=device["login"] or None,
            fields="{}",
        )
    )
