"""A Prefect server for the time of one command, where the installation has none: its runs stay in PREFECT_HOME.

Prefect would start one itself, but only after it has imported the whole server into the client, too. This one is
started before Prefect is imported, so that both get ready at the same time. It lives as long as its standard input is
open: it ends with the process that started it, however that ends.
"""

import asyncio
import atexit
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

from tasks.errors import WrongUseError
from tasks.prefect_settings import EPHEMERAL, prepare_prefect

START_SECONDS: Final = 90
STOP_SECONDS: Final = 10
EVENT_SECONDS: Final = 5

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def start_server() -> Callable[[], None]:
    """Starts the server, if the installation has none, and gives a function that returns when it answers.

    Call it before anything imports Prefect. It stops when the process ends, after all that was told it is written.
    Raises: WrongUseError, from the returned function, when the server does not start.
    """
    prepare_prefect()
    if _has_server():
        return lambda: None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "tasks.prefect_server", port],
        env=os.environ | EPHEMERAL,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    atexit.register(_stop, server)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    return lambda: _wait_for(server, f"http://127.0.0.1:{port}/api/health")


def _has_server() -> bool:
    """Whether the environment or the active profile of Prefect names a server, or forbids to start one."""
    if os.environ.get("PREFECT_API_URL") or os.environ.get("PREFECT_SERVER_ALLOW_EPHEMERAL_MODE") == "false":
        return True
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    try:
        profiles = tomllib.loads((home / "profiles.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError):
        return False
    active = os.environ.get("PREFECT_PROFILE") or profiles.get("active", "")
    return bool(profiles.get("profiles", {}).get(active, {}).get("PREFECT_API_URL"))


def _wait_for(server: subprocess.Popen[bytes], health: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    raise WrongUseError(
        "prefect-server-not-started",
        "the Prefect server that records this run did not start: see `prefect server start` for the reason, "
        "or name a running server in PREFECT_API_URL",
    )


def _stop(server: subprocess.Popen[bytes]) -> None:
    if "prefect" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            worker.drain_all()
    try:
        server.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()


def serve(port: int) -> None:
    """Serves until standard input is closed."""
    # Importing makes no garbage, and a server's imports are most of a command's time. What they made stays for good.
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = ends_when_told_all(create_app())
    gc.freeze()
    gc.enable()
    threading.Thread(target=_end_with_input, daemon=True).start()
    uvicorn.run(app, port=port, log_level="error", lifespan="on")


def ends_when_told_all(app: Application) -> Application:
    """The same application, which shuts down only when its services have taken all events that came in.

    Prefect's server stops the recorder of task runs with events still in its queue: the last states would be lost.
    """

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_late() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await _wait_for_events()
            return message

        await app(scope, receive_late if scope["type"] == "lifespan" else receive, send)

    return served


async def _wait_for_events() -> None:
    from prefect.server.utilities.messaging.memory import METRICS

    deadline = time.monotonic() + EVENT_SECONDS
    while time.monotonic() < deadline and any(one["consumed"] < one["published"] for one in METRICS.values()):
        await asyncio.sleep(0.01)


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
