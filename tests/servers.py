"""Real servers for tests: PostgreSQL and Kamailio, thrown away afterwards.

What is not installed skips the test by name with the reason; under ROLLCALL_NO_SKIPS=1 it fails instead.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

POSTGRESQL_FOLDERS = ("/usr/local/bin", *(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))))
KAMAILIO_CONFIGURATION = Path(__file__).parent.parent / "deployments" / "registrar" / "kamailio.cfg"
START_SECONDS = 120
STOP_SECONDS = 5


def needed(*programs: str, package: str) -> list[str]:
    """The paths of programs that a test cannot do without."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", *POSTGRESQL_FOLDERS))
    found = [shutil.which(program, path=folders) for program in programs]
    missing = [program for program, path in zip(programs, found, strict=True) if path is None]
    if missing:
        missing_is_told(f"{', '.join(missing)} not found: apt-get install {package}")
    return [path for path in found if path is not None]


def missing_is_told(reason: str) -> NoReturn:
    """Skips the test with the reason, or fails it where nothing may be skipped."""
    if os.environ.get("ROLLCALL_NO_SKIPS") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of the loopback address that nobody uses."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class PostgreSQL:
    """A server of this session's own."""

    port: int
    psql: str
    account: str

    def url(self, database: str, user: str | None = None) -> str:
        """The URL of a database, as ROLLCALL_DATABASE_URL takes it."""
        return f"postgresql+psycopg://{user or self.account}@127.0.0.1:{self.port}/{database}"

    def run(self, sql: str, database: str = "postgres", user: str | None = None) -> str:
        """What psql prints; raises CalledProcessError for what the server refuses."""
        command = [self.psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", user or self.account, "-d", database]
        done = subprocess.run(
            [*command, "-qAtv", "ON_ERROR_STOP=1", "-c", sql], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def dump(self, database: str) -> bytes:
        """All that a database holds, by its name or URL; what a column holds as bytes stands there in hex."""
        (program,) = needed("pg_dump", package="postgresql-client")
        command = [program, "-h", "127.0.0.1", "-p", str(self.port), "-U", self.account, database.rpartition("/")[2]]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def new_database(self) -> str:
        """An empty database; gives its URL."""
        name = f"rollcall_{time.monotonic_ns()}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running_postgresql() -> Generator[PostgreSQL]:
    """A PostgreSQL that forgets everything; it refuses to run as root, so root lends it to the user postgres."""
    initdb, postgres, psql = needed("initdb", "postgres", "psql", package="postgresql")
    account = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_account = {"user": account, "group": pwd.getpwnam(account).pw_gid} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="rollcall-postgresql-"))
    try:
        if as_account:
            shutil.chown(folder, account)
        port, data = free_port(), folder / "data"
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", f"--username={account}"]
        subprocess.run([initdb, "-D", data, *options], check=True, capture_output=True, cwd=folder, **as_account)
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder), "fsync": "off"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", data, "-p", str(port), *flags], stdout=log, stderr=log, cwd=folder, **as_account
            )
            try:
                found = PostgreSQL(port, psql, account)
                wait_until(lambda: _answers(found), server, folder / "log")
                yield found
            finally:
                server.terminate()
                server.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: PostgreSQL) -> bool:
    with suppress(subprocess.CalledProcessError):
        return server.run("SELECT 1") == "1"
    return False


@dataclass(frozen=True)
class Kamailio:
    """A registrar that reads what an import wrote."""

    port: int
    sipsak: str

    def registers(self, user: str, secret: str, contact_port: int = 5999) -> str:
        """The last status line that the registrar answers to a REGISTER of this account."""
        return self._asks(user, secret, user, "-U", "-x", "60", "-C", f"sip:{user}@127.0.0.1:{contact_port}")

    def rings(self, user: str, secret: str, extension: str, folder: Path) -> str:
        """The last status line of whoever is reached under an extension, to an OPTIONS of this account."""
        message = folder / "options.sip"
        lines = (
            f"OPTIONS sip:{extension}@127.0.0.1:{self.port} SIP/2.0",
            f"From: <sip:{user}@127.0.0.1>;tag=rollcall",
            f"To: <sip:{extension}@127.0.0.1>",
            f"Call-ID: {time.monotonic_ns()}@rollcall",
            "CSeq: 1 OPTIONS",
            f"Contact: <sip:{user}@127.0.0.1:5999>",
            "Max-Forwards: 70",
            "Content-Length: 0",
        )
        message.write_bytes("".join(f"{line}\r\n" for line in (*lines, "")).encode())
        return self._asks(user, secret, extension, "-f", str(message))

    def _asks(self, user: str, secret: str, whom: str, *further: str) -> str:
        uri = f"sip:{whom}@127.0.0.1:{self.port}"
        command = [self.sipsak, "-vvv", "-s", uri, "-u", user, "-a", secret, *further]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("SIP/2.0 ")]
        return lines[-1].removeprefix("SIP/2.0 ") if lines else done.stdout + done.stderr


@contextmanager
def running_kamailio(folder: Path, *defines: str) -> Generator[Kamailio]:
    """Kamailio with the configuration that the documentation hands out."""
    kamailio, sipsak = needed(
        "kamailio",
        "sipsak",
        package="kamailio kamailio-sqlite-modules kamailio-postgres-modules sipsak",
    )
    port = free_port(socket.SOCK_DGRAM)
    names = [f"LISTEN=udp:127.0.0.1:{port}", *defines]
    command = [kamailio, "-f", str(KAMAILIO_CONFIGURATION), "-DD", "-E", "-m", "32", "-Y", str(folder)]
    log_file = folder / "kamailio.log"
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [*command, *(part for name in names for part in ("-A", name))],
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
        )
        try:
            found = Kamailio(port, sipsak)
            wait_until(lambda: found.registers("nobody", "x").startswith("401"), server, log_file)
            yield found
        finally:
            _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ends a server and its children, at once where it does not end by itself."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(STOP_SECONDS)


def wait_until(
    ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path, *, seconds: float = START_SECONDS
) -> None:
    """Waits for a server to answer; fails with its log when it ends or takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        if ready():
            return
        time.sleep(0.1)
    raise AssertionError(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
