"""What a phone needs to know to be its user's: the one place, beside `reveal`, where a SIP secret is opened."""

from dataclasses import dataclass

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
    select = (
        sa.select(
            devices.c.sip_user,
            devices.c.sip_secret,
            devices.c.web_user,
            devices.c.web_password,
            users.c.login,
            users.c.display_name,
            users.c.enabled,
            sa.func.coalesce(extensions.c.number, "", type_=sa.Text).label("extension"),
        )
        .select_from(
            devices.outerjoin(users, users.c.id == devices.c.user_id).outerjoin(
                extensions, extensions.c.user_id == users.c.id
            )
        )
        .where(devices.c.mac == mac)
    )
    found = connection.read(select).to_dicts()
    if not found:
        return None
    phone, account = found[0], None
    if phone["enabled"] and phone["sip_secret"]:
        secret = keyring.open(phone["sip_secret"], table="devices", row=phone["sip_user"], column="sip_secret")
        account = Account(phone["login"], phone["display_name"], phone["extension"], phone["sip_user"], secret.decode())
    password = phone["web_password"] and keyring.open(
        phone["web_password"], table="devices", row=mac, column="web_password"
    )
    return KnownPhone(mac, phone["web_user"], password.decode() if password else "", account)
