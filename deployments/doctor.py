"""`rollcall doctor`: checks what an installation stands on, each with what to do when it does not hold."""

import platform
import shutil
import stat
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Final, Literal

import click

from deployments.server import POOL, connect, has_server
from tasks.errors import RollcallError
from tasks.profile_file import load_profile, profile_files
from tasks.settings import Settings

CLOCK_SECONDS: Final = 5
FREE_BYTES: Final = 1_000_000_000
_MARKS: Final = {"good": "ok     ", "look": "look   ", "bad": "MEND   "}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: how it is, and what to do."""

    subject: str
    state: Literal["good", "look", "bad"]
    text: str


def run_doctor(settings: Settings) -> int:
    """Prints what was found; 2 when something must be mended."""
    findings = [finding for check in CHECKS for finding in _told(check, settings)]
    for finding in findings:
        click.echo(f"{_MARKS[finding.state]}{finding.subject:11}{finding.text}")
    return 2 if any(finding.state == "bad" for finding in findings) else 0


def check_versions(_: Settings) -> Iterator[Finding]:
    """Whether the libraries fit together."""
    names = ("rollcall", "prefect", "fastapi", "polars")
    found = ", ".join(f"{name} {version(name)}" for name in names)
    fits = version("prefect").startswith("3.8.") and tuple(map(int, version("fastapi").split(".")[:2])) < (0, 151)
    hint = "" if fits else "; Prefect 3.8 needs fastapi < 0.151: install with requirements.lock"
    python = f"Python {platform.python_version()}"
    old = sys.version_info < (3, 11)
    yield Finding("versions", "good" if fits and not old else "bad", f"{python}, {found}{hint}")


def check_database(settings: Settings) -> Iterator[Finding]:
    """Whether the phone system answers, is migrated and opens with the key."""
    from tasks.store.migrations import MIGRATIONS
    from tasks.store.store import open_store

    store = open_store(settings)
    kind = "SQLite" if settings.store_url().startswith("sqlite") else "PostgreSQL"
    yield Finding("database", "good", f"{kind}, schema {len(MIGRATIONS)}, opens with key {store.keyring.key_id}")


def check_history(settings: Settings) -> Iterator[Finding]:
    """What of the history is past its time: the next import removes expired files, all else waits for a command."""
    from tasks.store.prune import prunable
    from tasks.store.store import open_store

    with open_store(settings).open() as connection:
        going = prunable(connection, datetime.now(UTC), settings.history_days)
    kept = f"runs are kept for {settings.history_days} days" if settings.history_days else "runs are kept for good"
    if going:
        yield Finding("history", "look", f"{kept}; `rollcall prune` would remove {going.sentence}")
    else:
        yield Finding("history", "good", f"{kept}; nothing is past its time")


def check_key(settings: Settings) -> Iterator[Finding]:
    """Whether others can read the key."""
    if settings.key is not None:
        yield Finding("key", "good", "from ROLLCALL_KEY")
        return
    path = settings.key_file or settings.home / "key"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("key", "bad", f"{path} can be read by others (mode {mode:o}): chmod 600 {path}")
    else:
        yield Finding("key", "good", f"{path}, mode {mode:o}; keep a copy apart from the database's")


def check_storage(settings: Settings) -> Iterator[Finding]:
    """Whether sealed results can be written."""
    from tasks.shelf import result_shelf

    shelf = result_shelf(settings)
    shelf.write("doctor", b"")
    shelf.remove("doctor")
    free = shutil.disk_usage(settings.home.absolute()).free
    text = f"{settings.result_storage or settings.home.absolute() / 'results'} can be written, {free:,} bytes free"
    yield Finding("storage", "good" if free > FREE_BYTES else "look", text)


def check_profiles(settings: Settings) -> Iterator[Finding]:
    """Whether every profile can run."""
    files = profile_files(settings)
    if not files:
        yield Finding("profiles", "look", f"none in {settings.profiles}: `rollcall new NAME` writes one")
    for file in files:
        try:
            load_profile(file)
        except RollcallError as error:
            yield Finding("profile", "bad", f"{file.stem} cannot run: {error.message.splitlines()[0]}")
    if files:
        yield Finding("profiles", "good", f"{len(files)} in {settings.profiles.absolute()}")


def check_server(settings: Settings) -> Iterator[Finding]:
    """Whether Prefect's server answers, lets this process in, has workers, and keeps the same time."""
    if not has_server(settings):
        yield Finding(
            "server", "look", "none answers; `rollcall up` starts one. Imports from the command line need none"
        )
        return
    url = connect(settings)
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        try:
            workers = client.read_workers_for_work_pool(POOL)
        except ObjectNotFound:
            yield Finding("server", "bad", f"{url} has no work pool {POOL}: run `rollcall up`, or deploy prefect.yaml")
            return
        yield Finding("server", "good", f"{url}, Prefect {client.api_version()}")
    online = sum(worker.status == "ONLINE" for worker in workers)
    text = f"{online} of {len(workers)} online" if online else "none is online: start one with `rollcall worker`"
    yield Finding("workers", "good" if online else "bad", text)
    yield _clock(url)


def _clock(api_url: str) -> Finding:
    with urllib.request.urlopen(f"{api_url}/health", timeout=5) as answer:  # noqa: S310 - checked by connect
        theirs = parsedate_to_datetime(answer.headers["Date"])
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > CLOCK_SECONDS:
        return Finding(
            "clocks", "bad", f"{apart:.0f} s apart: schedules and leases need the same time; run an NTP client"
        )
    return Finding("clocks", "good", "this machine and the server agree")


def _told(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    subject = check.__name__.removeprefix("check_")
    try:
        yield from check(settings)
    except RollcallError as error:
        yield Finding(subject, "bad", error.message)
    except OSError as error:
        yield Finding(subject, "bad", f"{error.filename or subject}: {error.strerror or 'cannot be reached'}")


CHECKS: Final = (check_versions, check_database, check_history, check_key, check_storage, check_profiles, check_server)
