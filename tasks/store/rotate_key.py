"""Gives the installation a new key: all that lies sealed is sealed anew, in one transaction, then the old key goes.

The database says which key is in force. So the new key may stand in the key file before anything is sealed with it, and
the old one until nothing is: whenever this is interrupted, everything works as before, and the next call goes on.
All of it happens under the lock of writers, and whoever started with the old key writes nothing any more.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from tasks.key_file import add_key, forget_older_keys, open_keyring
from tasks.run import Run
from tasks.settings import Settings
from tasks.store.registrar import write_accounts
from tasks.store.reseal import Resealed, reseal
from tasks.store.runs import write_audited_run
from tasks.store.store import Store, open_store
from tasks.store.tables import meta, run_files, runs


@dataclass(frozen=True)
class Rotated:
    """What came of it; `held` counts held plans whose checksum the new key no longer vouches for."""

    key_id: str
    resealed: Resealed
    held: int


def rotate_key(settings: Settings, run: Run, finished: str) -> Rotated:
    """Puts a new key in force: one made for the key file, or the first one of ROLLCALL_KEY.

    Raises: WrongUseError when the key comes from ROLLCALL_KEY and no new one stands there before the present one;
    SealError when a value does not open, and all stays as it is.
    """
    store = open_store(settings)
    with store.open() as connection:
        store.lock_for_writing(connection)
        ring = open_keyring(settings, may_create=False)
        if ring.key_id == store.keyring.key_id:
            ring = add_key(settings)
        resealed = reseal(connection, store.keyring, ring)
        write_accounts(connection, ring, store.realm)
        connection.execute(sa.update(meta).where(meta.c.key == "key_check").values(value=ring.key_check()))
        write_audited_run(connection, run, finished, "")
        held = sa.select(runs.c.id).join(run_files, run_files.c.run_id == runs.c.id)
        waiting = connection.read(held.where(runs.c.status == "held", run_files.c.kind == "source")).height
        connection.commit()
    _forget_older(open_store(settings), settings)
    return Rotated(ring.key_id, resealed, waiting)


def _forget_older(store: Store, settings: Settings) -> None:
    """Takes the older keys out of the key file, unless another rotation has begun meanwhile."""
    with store.open() as connection:
        store.lock_for_writing(connection)
        if open_keyring(settings, may_create=False).key_id == store.keyring.key_id:
            forget_older_keys(settings)
