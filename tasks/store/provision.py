"""What a phone needs to know to be its user's: the one place where a SIP secret is opened to be told."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.store.connection import Connection
from tasks.store.tables import devices, extensions, users


@dataclass(frozen=True, repr=False)
class Account:
    """Who a phone registers as."""

    login: str
    display_name: str
    extension: str
    sip_user: str
    sip_secret: str


@dataclass(frozen=True, repr=False)
class KnownPhone:
    """A phone that the phone system knows: the login of its web page, and its account where it has a user."""

    mac: str
    web_user: str
    web_password: str
    account: Account | None


def find_phone(connection: Connection, mac: str, keyring: Keyring) -> KnownPhone | None:
    """The IP phone of a MAC (12 lower-case hex digits), None where there is none."""
    found = connection.read(_devices().where(devices.c.mac == mac)).to_dicts()
    if not found:
        return None
    phone = found[0]
    password = phone["web_password"] and keyring.open(
        phone["web_password"], table="devices", row=mac, column="web_password"
    )
    return KnownPhone(mac, phone["web_user"], password.decode() if password else "", _account(phone, keyring))


def find_softphone(connection: Connection, login: str, keyring: Keyring) -> Account | None:
    """The account of a person's softphone, None where there is none: no phone fetches it, a person types it in."""
    own = _devices().where(devices.c.kind == "softphone", users.c.login == login)
    found = connection.read(own).to_dicts()
    return _account(found[0], keyring) if found else None


def _devices() -> sa.Select[*tuple[Any, ...]]:
    return sa.select(
        devices.c.sip_user,
        devices.c.sip_secret,
        devices.c.web_user,
        devices.c.web_password,
        users.c.login,
        users.c.display_name,
        users.c.enabled,
        sa.func.coalesce(extensions.c.number, "", type_=sa.Text).label("extension"),
    ).select_from(
        devices.outerjoin(users, users.c.id == devices.c.user_id).outerjoin(
            extensions, extensions.c.user_id == users.c.id
        )
    )


def _account(device: dict[str, Any], keyring: Keyring) -> Account | None:
    if not device["enabled"] or not device["sip_secret"]:
        return None
    user = device["sip_user"]
    secret = keyring.open(device["sip_secret"], table="devices", row=user, column="sip_secret")
    return Account(device["login"], device["display_name"], device["extension"], user, secret.decode())
