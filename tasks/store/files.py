"""What a run keeps for a while, sealed in the database, so that any worker and any machine finds it.

`failed` are the rejected rows as CSV, ready to mend; `source` is the file of a held plan, so that it can be applied
later; `body` is the last one that a server gave a version. A newer run of the profile supersedes the older one's; what
has expired goes when the next is kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl
import sqlalchemy as sa

from tasks.keyring import Keyring
from tasks.output import SourceFacts
from tasks.run import Run, timestamp
from tasks.store.connection import Connection
from tasks.store.runs import facts_from_json
from tasks.store.tables import run_files, runs

BODY_DAYS: Final = 90


@dataclass(frozen=True, repr=False)
class RunFiles:
    """The files of one run: the source as fetched, and its rejected rows as CSV.

    `held`: the source is needed later, for `held_days`; `versioned`: the server gave it a version, so the next request
    can be conditional. Rejected rows are kept for `failed_days`.
    """

    source: bytes | None = None
    failed: bytes | None = None
    held: bool = False
    held_days: float = 7
    failed_days: float = 30
    versioned: bool = False


def keep_files(connection: Connection, run: Run, files: RunFiles, keyring: Keyring, now: str) -> None:
    """Seals what is worth keeping: the rejected rows of every run, the source of a held one."""
    connection.execute(sa.delete(run_files).where(run_files.c.expires < now))
    if files.failed:
        _keep(connection, _sealed(run, "failed", files.failed, keyring), _later(now, files.failed_days))
    for kind, wanted, days in (("source", files.held, files.held_days), ("body", files.versioned, BODY_DAYS)):
        if wanted and files.source is not None:
            older = sa.select(runs.c.id).where(runs.c.profile == run.profile, runs.c.id != run.id)
            connection.execute(sa.delete(run_files).where(run_files.c.kind == kind, run_files.c.run_id.in_(older)))
            _keep(connection, _sealed(run, kind, files.source, keyring), _later(now, days))


def read_file(connection: Connection, run_id: str, kind: str, keyring: Keyring) -> bytes | None:
    """A kept file, None where there is none (any more)."""
    found = connection.read(
        sa.select(run_files.c.content).where(run_files.c.run_id == run_id, run_files.c.kind == kind)
    )
    if found.is_empty():
        return None
    return keyring.open(found["content"][0], table="run_files", row=run_id, column=kind)


def read_body(connection: Connection, profile: str, keyring: Keyring) -> tuple[bytes, SourceFacts] | None:
    """The last body of a profile's URL with its facts, None where none is kept."""
    found = connection.read(
        sa.select(runs.c.id, runs.c.source)
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(runs.c.profile == profile, run_files.c.kind == "body")
        .order_by(runs.c.started.desc())
        .limit(1)
    )
    if found.is_empty():
        return None
    data = read_file(connection, str(found["id"][0]), "body", keyring)
    return None if data is None else (data, facts_from_json(str(found["source"][0])))


def held_run_of(connection: Connection, profile: str, checksum: str, now: str) -> str | None:
    """The held run whose plan has this checksum and whose source is still kept, its time not being over."""
    found = connection.read(
        sa.select(runs.c.id)
        .join(run_files, run_files.c.run_id == runs.c.id)
        .where(
            runs.c.profile == profile,
            runs.c.checksum == checksum,
            runs.c.status == "held",
            run_files.c.kind == "source",
            run_files.c.expires >= now,
        )
        .order_by(runs.c.started.desc())
        .limit(1)
    )
    return str(found["id"][0]) if found.height else None


def _sealed(run: Run, kind: str, content: bytes, keyring: Keyring) -> dict[str, str | bytes]:
    sealed = keyring.seal(content, table="run_files", row=run.id, column=kind)
    return {"run_id": run.id, "kind": kind, "content": sealed}


def _keep(connection: Connection, file: dict[str, str | bytes], expires: str) -> None:
    connection.append(run_files, pl.DataFrame([{**file, "expires": expires}]))


def _later(now: str, days: float) -> str:
    return timestamp(datetime.fromisoformat(now) + timedelta(days=days))
