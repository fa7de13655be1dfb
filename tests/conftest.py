"""One Prefect server for the whole session, on a migrated database that is kept between sessions.

Prefect reads its environment when it is imported, whichever test imports it first: so its home and the address of the
server are settled here, and no test ever touches the home of the person who runs it.
"""

import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import pytest

from tasks.prefect_settings import prepare_prefect
from tests.servers import PostgreSQL, running_postgresql
from tests.world import World

if TYPE_CHECKING:
    from stack import Stack

TEMPLATES = Path(__file__).parent.parent / ".pytest_cache" / "prefect"
SLOWEST = (
    "test_deployments.py",
    "test_invariants.py",
    "test_crash.py",
    "test_installation.py",
    "test_canary_import.py",
    "test_up.py",
)
"""The files that take minutes, which go first: one of them at the end would be waited for with the others idle.

Their order keeps installations apart, whose servers have a pulse while they wait.
"""


def pytest_configure(config: pytest.Config) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {
        "PREFECT_HOME": tempfile.mkdtemp(prefix="rollcall-prefect-"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "0.2",
    }
    prepare_prefect()
    # Prefect leaves connections of its client to the garbage collector, which may come in any later test.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket.socket:ResourceWarning")
    # The pings of Prefect's websockets draw from `random`; when one falls between two of Hypothesis' own draws it takes
    # the ping's draw for one of ours. No strategy of ours draws from `random`.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:Do not use the `random` module inside strategies:hypothesis.errors.HypothesisDeprecationWarning",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["PREFECT_HOME"], ignore_errors=True)


class PrefectServer(NamedTuple):
    """Where the server of the session answers, and where it keeps everything that it keeps."""

    api_url: str
    home: Path

    def settle(self) -> None:
        """Returns when the server has written down all that this process has told it, logs and events included."""
        from prefect.logging.handlers import APILogHandler

        from tasks.artifact_sender import SENDER
        from tests.flow_runs import wait_until_recorded

        SENDER.flush()
        APILogHandler().flush()
        wait_until_recorded()
        size, unchanged_since = -1, time.monotonic()
        while time.monotonic() - unchanged_since < 0.8:
            now = sum(path.stat().st_mtime_ns for path in self.home.glob("prefect.db*"))
            if now != size:
                size, unchanged_since = now, time.monotonic()
            time.sleep(0.1)


@pytest.fixture(scope="session")
def prefect_server(migrated_database: Path) -> Iterator[PrefectServer]:
    """The server behind PREFECT_API_URL; a test that runs a flow, or a command that does, asks for it."""
    home, api_url = Path(os.environ["PREFECT_HOME"]), os.environ["PREFECT_API_URL"]
    shutil.copy(migrated_database, home / "prefect.db")
    port = str(urlsplit(api_url).port)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    with (home / "server.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            _wait_until_healthy(api_url, server)
            from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

            with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
                yield PrefectServer(api_url, home)
                _stop_sending()
                # Connections that Prefect left open go now, while the filter above holds.
                gc.collect()
        finally:
            server.terminate()


@pytest.fixture
def rollcall_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of its own with a key, which all steps of the test use."""
    from tasks.key_file import open_keyring
    from tasks.settings import Settings

    home = tmp_path / "rollcall"
    monkeypatch.setenv("ROLLCALL_HOME", str(home))
    open_keyring(Settings(), may_create=True)
    return home


def _stop_sending() -> None:
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all()


@pytest.fixture(scope="session")
def migrated_database() -> Path:
    """A migrated, empty database of this Prefect: made once, because migrating takes longer than most of the tests."""
    template = TEMPLATES / f"{version('prefect')}.db"
    if not template.exists():
        TEMPLATES.mkdir(parents=True, exist_ok=True)
        draft = TEMPLATES / f"draft-{os.getpid()}.db"
        where = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{draft}"}
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        subprocess.run(command, env=os.environ | where, check=True, capture_output=True)
        draft.replace(template)
    return template


def _wait_until_healthy(api_url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(4800):
        try:
            with urllib.request.urlopen(f"{api_url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, "the Prefect server ended before it answered"
            time.sleep(0.05)
    raise TimeoutError("the Prefect server did not answer within four minutes")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def stack(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Stack"]:
    """`rollcall up`, running, with nothing in it but the profile `staff`."""
    from stack import running_stack

    with running_stack(tmp_path_factory.mktemp("stack"), postgresql) as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A phone system on either database."""
    if request.param == "sqlite":
        return World(tmp_path)
    return World(tmp_path, request.getfixturevalue("postgresql").new_database())


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, float]]]:
    """What a listener without patience hears."""
    monkeypatch.setattr("tasks.progress.PATIENCE_SECONDS", 0.0)
    from tasks.progress import listener

    words: list[tuple[str, float]] = []
    token = listener.set(lambda description, percent: words.append((description, percent)))
    yield words
    listener.reset(token)


@pytest.fixture(params=["", pytest.param("within two seconds", marks=pytest.mark.clock)])
def soon(request: pytest.FixtureRequest) -> Iterator[None]:
    """The test runs twice: among the others, whatever slows them, and against the clock, with nothing beside it."""
    start = time.monotonic()
    yield
    assert not request.param or time.monotonic() - start < 2
