"""The whole state of a phone system as plain data: what an undo must restore, secrets in clear."""

from typing import Any

import polars as pl
import sqlalchemy as sa

from tasks.snapshot import Snapshot
from tasks.store.connection import Connection
from tasks.store.read import read_snapshot
from tasks.store.store import Store
from tasks.store.tables import devices, users

State = dict[str, dict[str, Any]]


def state_of(store: Store) -> State:
    """Everybody by login: fields, number, roles, owner, secrets in clear, the devices with their accounts; contacts."""
    with store.open() as connection:
        snapshot = read_snapshot(connection, "")
        secrets = _secrets(connection, store)
        accounts = _accounts(connection, store)
    everybody = {row["login"]: _person(row) for row in snapshot.users.to_dicts()}
    for login, values in secrets.items():
        everybody[login] |= values
    for row in snapshot.devices.filter(pl.col("login").is_not_null()).sort("kind", "mac", "device_id").to_dicts():
        device = {name: value for name, value in row.items() if name not in ("user_id", "login", "profile")}
        everybody[row["login"]]["devices"].append(device | accounts[device.pop("device_id")])
    _check_unique(snapshot)
    everybody |= {f"contact {at}": contact for at, contact in enumerate(_contacts(snapshot))}
    return everybody


def _contacts(snapshot: Snapshot) -> list[dict[str, Any]]:
    """The contacts in an order of their own, whatever their ids are."""
    return snapshot.contacts.drop("entry_id").sort(pl.all(), nulls_last=True).to_dicts()


def _person(row: dict[str, Any]) -> dict[str, Any]:
    """Further phonebook entries that the person does not have are columns of somebody else's."""
    return {name: value for name, value in row.items() if name not in ("user_id", "has_password", "has_pin")} | {
        "devices": []
    }


def _secrets(connection: Connection, store: Store) -> State:
    stored = connection.read(sa.select(users.c.login, users.c.password, users.c.pin))
    opened = {
        field: store.keyring.open_series(stored[field], stored["login"], table="users", column=field)
        for field in ("password", "pin")
    }
    return {row["login"]: row for row in stored.select("login").with_columns(**opened).to_dicts()}


def _accounts(connection: Connection, store: Store) -> dict[int, dict[str, Any]]:
    columns = (devices.c.mac, devices.c.sip_user, devices.c.sip_secret, devices.c.web_password)
    stored = connection.read(sa.select(devices.c.id, *columns))
    ring = store.keyring
    secret = ring.open_series(
        stored["sip_secret"], stored["sip_user"].fill_null(""), table="devices", column="sip_secret"
    )
    place = stored["mac"].fill_null("")
    web = ring.open_series(stored["web_password"], place, table="devices", column="web_password")
    rows = stored.select("id", "sip_user").with_columns(secret, web).to_dicts()
    return {row.pop("id"): row for row in rows}


def _check_unique(snapshot: Snapshot) -> None:
    assert snapshot.users["login"].is_unique().all()
    assert snapshot.extensions["number"].is_unique().all()
    assert snapshot.extensions["user_id"].drop_nulls().is_unique().all()
    assert snapshot.devices["mac"].drop_nulls().is_unique().all()
    assert snapshot.contacts.drop_nulls("key").select("profile", "key").is_unique().all()
    softphones = snapshot.devices.filter(pl.col("kind") == "softphone")
    assert softphones["login"].drop_nulls().is_unique().all()
