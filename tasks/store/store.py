"""The phone system as one thing to hold: where it is, ready to be opened, with the schema and the key that fit."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.key_file import open_keyring
from tasks.keyring import Keyring
from tasks.settings import Settings
from tasks.store.connection import Connection, open_connection
from tasks.store.migrations import migrate
from tasks.store.tables import meta


@dataclass(frozen=True, repr=False)
class Store:
    """A phone system that is migrated and whose sealed values `keyring` opens. The URL may hold a password."""

    url: str
    keyring: Keyring

    @contextmanager
    def open(self) -> Generator[Connection]:
        """A connection whose work is undone unless it commits."""
        with open_connection(self.url) as connection:
            yield connection


def open_store(settings: Settings) -> Store:
    """The phone system of this installation, migrated; its key is made on first use and checked ever after.

    Raises: WrongUseError when the key is missing, or is not the one that sealed what lies in the database.
    """
    url = settings.store_url()
    with open_connection(url) as connection:
        migrate(connection)
        found = connection.read(sa.select(meta.c.value).where(meta.c.key == "key_check"))
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
    return Store(url, keyring)
