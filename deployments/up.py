"""`rollcall up`: Prefect's server, a worker and the console on loopback, as children of one process that ends them all.

Each child has a session of its own, so that Ctrl-C reaches only this process: it stops the worker first, then the
server that the worker reports to. Where this process is killed, the kernel ends the children (`deployments.tied`): a
server that outlived it would start every scheduled run beside the next one's. Prefect gives every flow run yet another
session, so a mark in the environment finds what a killed worker left behind. A worker or console that ends by itself
is started again; without its server nothing goes on.
"""

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import click

from deployments.install import install
from deployments.server import (
    Server,
    answers,
    free_port_near,
    known_server,
    merged,
    own_server,
    spare_loopback_the_proxy,
    worker_environment,
)
from deployments.worker import worker_command
from tasks.errors import RollcallError, WrongUseError
from tasks.prefect_settings import prepare_prefect
from tasks.settings import Settings

START_SECONDS: Final = 300
"""A bound for a server that hangs, no claim about speed: a first start migrates a database, on whatever machine."""
STOP_SECONDS: Final = 20
RESTART_SECONDS: Final = 5
CONSOLE_PORT: Final = 8140
LOOK_SECONDS: Final = 0.3
MARK: Final = "ROLLCALL_UP"
STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Child:
    """One long-running process; `essential` means that nothing goes on without it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    essential: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    restart_at: float = field(default=0.0)

    def start(self) -> None:
        """Starts it in a process group of its own, its words appended to its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                (sys.executable, "-m", "deployments.tied", str(os.getpid()), *self.command),
                env=dict(self.environment),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                umask=0o077,
            )

    def has_ended(self) -> bool:
        """Whether it ran and does no more."""
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        """Asks it to end, waits, and ends it at last."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _say(f"{self.name} did not end within {STOP_SECONDS} s and is killed")
                self.process.kill()
        self.process.wait()


def run_up(settings: Settings, port: int | None) -> None:
    """Runs until Ctrl-C or SIGTERM, or until its terminal is closed.

    Raises: WrongUseError when it runs already from this state folder, or the given port is taken; RollcallError when
    the server ends or does not start.
    """
    with _alone(settings), _signals_noted() as stopping:
        server = own_server(settings, port)
        os.environ[MARK] = mark = secrets.token_hex(8)
        children: list[Child] = []
        try:
            _start_all(settings, server, children, stopping)
            _watch(children, stopping)
        finally:
            _say("stopping")
            for child in reversed(children):
                child.stop()
            _end_marked(f"{MARK}={mark}".encode())
            _say("stopped")


def _start_all(settings: Settings, server: Server, children: list[Child], stopping: Callable[[], bool]) -> None:
    prepare_prefect()
    spare_loopback_the_proxy()
    logs = settings.home.absolute() / "logs"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    serve = (sys.executable, "-m", "deployments.prefect_server")
    running = Child("server", serve, merged(server.environment()), logs / "server.log", essential=True)
    children.append(running)
    click.echo("starting Prefect's server, its worker and the console", err=True)
    running.start()
    _wait_until_healthy(server, running, stopping)
    if stopping():
        return
    os.environ |= server.client_environment()
    install(settings)
    environment = merged(server.client_environment(), worker_environment(settings))
    worker = Child("worker", worker_command(), environment, logs / "worker.log")
    children.append(worker)
    console_port = free_port_near(CONSOLE_PORT)
    code = "from deployments.cli import main; main()"
    console = (sys.executable, "-c", code, "console", "--port", str(console_port))
    children.append(Child("console", console, environment, logs / "console.log"))
    for child in children[1:]:
        child.start()
    _tell(settings, server, children, console_port)


def _tell(settings: Settings, server: Server, children: list[Child], console_port: int) -> None:
    password = settings.home.absolute() / "server-password"
    click.echo(f"Prefect   {server.url}  user rollcall, password in {password}")
    click.echo(f"console   http://127.0.0.1:{console_port}/")
    for child in children:
        if child.process is not None:
            click.echo(f"{child.name:9} process {child.process.pid}, log {child.log}")
    click.echo(f"profiles  {settings.profiles.absolute()}")
    click.echo("Ctrl-C stops all of it.")


def _watch(children: list[Child], stopping: Callable[[], bool]) -> None:
    while not stopping():
        for child in children:
            if not child.has_ended():
                continue
            if child.essential:
                raise RollcallError("server-ended", f"The {child.name} ended by itself. Its log {child.log} says why.")
            _start_again(child)
        time.sleep(LOOK_SECONDS)


def _say(text: str) -> None:
    # A terminal that was closed takes no words, and that must keep no child alive.
    with suppress(OSError):
        click.echo(text, err=True)


def _start_again(child: Child) -> None:
    if not child.restart_at:
        child.restart_at = time.monotonic() + RESTART_SECONDS
        _say(f"{child.name} ended by itself (see {child.log}); it is started again")
    elif time.monotonic() >= child.restart_at:
        child.restart_at = 0.0
        child.start()


def _wait_until_healthy(server: Server, child: Child, stopping: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not stopping() and not answers(server.api_url, timeout_seconds=1):
        if child.has_ended() or time.monotonic() > deadline:
            raise RollcallError("server-not-started", f"Prefect's server did not start. Its log {child.log} says why.")
        time.sleep(LOOK_SECONDS)


@contextmanager
def _alone(settings: Settings) -> Generator[None]:
    """Keeps a second one out: two servers on one database would start every scheduled run twice.

    The system gives the lock back when this process ends, however it ends.
    """
    path = settings.home.absolute() / "up.lock"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            server = known_server(settings)
            raise WrongUseError(
                "already-running",
                f"`rollcall up` runs already from {settings.home.absolute()}"
                f"{f', at {server.url}' if server else ''}. Stop it there with Ctrl-C, or set another ROLLCALL_HOME.",
            ) from None
        yield


@contextmanager
def _signals_noted() -> Generator[Callable[[], bool]]:
    """Whether Ctrl-C, SIGTERM or the end of the terminal came; nothing is interrupted, so no child is forgotten."""
    came: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        came.append(number)

    # `nohup` means that the end of the terminal is none of ours.
    heard = (number for number in STOPPING if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN)
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_marked(mark: bytes) -> None:
    """Ends every process that bears the mark, except this one; only Linux tells another process's environment."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
