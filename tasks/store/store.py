"""The phone system as one thing to hold: where it is, ready to be opened, with the schema and the key that fit."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.key_file import open_keyring
from tasks.keyring import Keyring
from tasks.settings import Settings
from tasks.store.connection import Connection, open_connection
from tasks.store.migrations import migrate
from tasks.store.registrar import prepare_registrar
from tasks.store.tables import meta
from tasks.store.watch import Watch

PATIENCE_SECONDS: Final = 3600
"""How long a run waits for its turn: longer than the largest import takes."""
_KEY_CHECK: Final = sa.select(meta.c.value).where(meta.c.key == "key_check")


@dataclass(frozen=True, repr=False)
class Store:
    """A phone system that is migrated and whose sealed values `keyring` opens. The URL may hold a password.

    `registrar` is the file that SIP registrars read beside a SQLite phone system, `realm` the one of its digests;
    `watch` tells whether others wrote since.
    """

    url: str
    keyring: Keyring
    registrar: Path
    realm: str
    watch: Watch

    @contextmanager
    def open(self) -> Generator[Connection]:
        """A connection whose work is undone unless it commits."""
        mark = self.watch.mark()
        with open_connection(self.url, self.registrar) as connection:
            connection.mark = mark
            yield connection

    def lock_for_writing(self, connection: Connection) -> None:
        """Waits until the connection is the only writer, of a phone system that is still under this key.

        Raises: StoreBusyError when another writer holds it for longer than an hour; WrongUseError after a rotation.
        """
        connection.lock_for_writing(PATIENCE_SECONDS)
        self.check_key(connection)

    def check_key(self, connection: Connection) -> None:
        """Refuses to go on with a key that was given up meanwhile: what it seals, nobody could open.

        Raises: WrongUseError after a rotation.
        """
        if connection.read(_KEY_CHECK)["value"].to_list() != [self.keyring.key_check()]:
            raise WrongUseError(
                "key-rotated",
                "The encryption key was changed since this process started. Nothing was written: start it again.",
            )


def open_store(settings: Settings) -> Store:
    """The phone system of this installation, migrated; its key is made on first use and checked ever after.

    Raises: WrongUseError when the key is missing, or is not the one that sealed what lies in the database.
    """
    url = settings.store_url()
    registrar = settings.registrar_path()
    with open_connection(url, registrar) as connection:
        migrate(connection)
        found = connection.read(_KEY_CHECK)
        if found.is_empty():
            connection.rollback()
            connection.lock_for_writing()
            found = connection.read(_KEY_CHECK)
        keyring = open_keyring(settings, may_create=found.is_empty())
        if found.is_empty():
            connection.execute(sa.insert(meta).values(key="key_check", value=keyring.key_check()))
            connection.commit()
        elif not keyring.holds(str(found["value"][0])):
            raise WrongUseError(
                "key-wrong",
                "The encryption key is not the one that sealed this phone system's secrets. "
                "Put the right one into ROLLCALL_KEY, ROLLCALL_KEY_FILE or the file `key` in ROLLCALL_HOME.",
            )
        else:
            keyring = keyring.led_by(str(found["value"][0]))
        prepare_registrar(connection, keyring, settings.sip_realm)
    return Store(url, keyring, registrar, settings.sip_realm, Watch(url))
