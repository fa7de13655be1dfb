"""Held imports: what waits for a person's answer, and the answer that says no.

The held run keeps its file sealed in the database. Approving runs the import again from exactly that file; refusing
forgets it, so that nobody can approve it later. Meanwhile nothing waits: no worker, no process, no slot. What nobody
answers in time ends as held.
"""

import json
from dataclasses import dataclass

import sqlalchemy as sa

from tasks.errors import HeldError
from tasks.output import Source, SourceFacts
from tasks.store.connection import Connection
from tasks.store.files import held_run_of, read_file
from tasks.store.runs import find_run
from tasks.store.store import Store
from tasks.store.tables import run_files, runs


@dataclass(frozen=True, repr=False)
class Held:
    """A held run and the file from which its plan was made."""

    run: str
    source: Source


def read_held(store: Store, profile: str, checksum: str, now: str) -> Held:
    """The held import of this profile whose plan has this checksum.

    Raises: HeldError when none waits under this checksum (any more).
    """
    with store.open() as connection:
        run, row = _find(connection, profile, checksum, now)
        content = read_file(connection, run, "source", store.keyring)
    if content is None:
        raise _none(profile)
    was = json.loads(row["source"])
    facts = SourceFacts(name=was.get("name", ""), digest=was.get("digest", ""), size_bytes=len(content))
    return Held(run, Source(data=content, facts=facts))


def forget_held(store: Store, profile: str, checksum: str, now: str) -> str:
    """Forgets the file of a held import, after it was applied or refused; gives the held run's id.

    Raises: HeldError when none waits under this checksum (any more).
    """
    with store.open() as connection:
        run, _ = _find(connection, profile, checksum, now)
        connection.execute(sa.delete(run_files).where(run_files.c.run_id == run, run_files.c.kind == "source"))
        connection.commit()
    return run


def _find(connection: Connection, profile: str, checksum: str, now: str) -> tuple[str, dict[str, str]]:
    run = held_run_of(connection, profile, checksum, now)
    row = find_run(connection, run) if run else None
    if run is None or row is None:
        raise _late(connection, profile, checksum) or _none(profile)
    return run, row


def _late(connection: Connection, profile: str, checksum: str) -> HeldError | None:
    """What is told of a held run whose file still lies here though its time is over."""
    found = connection.read(
        sa.select(runs.c.id, run_files.c.expires)
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(runs.c.profile == profile, runs.c.checksum == checksum, runs.c.status == "held")
        .where(run_files.c.kind == "source")
    )
    if found.is_empty():
        return None
    run, expires = found.row(0)
    return HeldError(
        "held-expired",
        f"Run {run} waited for an answer until {expires[:16].replace('T', ' ')} UTC and ended as held: nothing was "
        "written. Import the file again and answer the new plan; ROLLCALL_HELD_DAYS says how long one waits.",
    )


def _none(profile: str) -> HeldError:
    return HeldError(
        "held-unknown",
        f"No import of {profile} is held under this checksum: it was answered, a newer one took its place, its time "
        "is over, or the checksum is mistyped. `rollcall runs` lists the held ones; import the file again if need be.",
    )
