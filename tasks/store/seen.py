"""Phones that asked for their settings with valid authentication and are nobody's: a person may assign them."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tasks.store.connection import Connection
from tasks.store.tables import devices

SEEN_PHONES_KEPT: Final = 1000

seen_phones = sa.Table(
    "seen_phones",
    sa.MetaData(),
    sa.Column("mac", sa.Text, primary_key=True),
    sa.Column("vendor", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("first_seen", sa.Text, nullable=False),
    sa.Column("last_seen", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Sighting:
    """A phone that asked, from where, when."""

    mac: str
    vendor: str
    address: str
    at: str


def note_seen(connection: Connection, seen: Sighting) -> None:
    """Keeps the sighting, in the caller's transaction; the phones that were seen longest ago make room."""
    values = {"vendor": seen.vendor, "address": seen.address, "last_seen": seen.at}
    known = connection.read(sa.select(seen_phones.c.mac).where(seen_phones.c.mac == seen.mac)).height > 0
    if known:
        connection.execute(sa.update(seen_phones).where(seen_phones.c.mac == seen.mac).values(**values))
        return
    connection.execute(sa.insert(seen_phones).values(mac=seen.mac, first_seen=seen.at, **values))
    newest = sa.select(seen_phones.c.mac).order_by(seen_phones.c.last_seen.desc(), seen_phones.c.mac)
    kept = newest.limit(SEEN_PHONES_KEPT)
    connection.execute(sa.delete(seen_phones).where(seen_phones.c.mac.not_in(kept)))


def list_seen(connection: Connection) -> list[dict[str, Any]]:
    """The phones that were seen and still have no user, newest first."""
    assigned = sa.exists().where(devices.c.mac == seen_phones.c.mac, devices.c.user_id.is_not(None))
    select = sa.select(seen_phones).where(~assigned)
    return connection.read(select.order_by(seen_phones.c.last_seen.desc(), seen_phones.c.mac)).to_dicts()
