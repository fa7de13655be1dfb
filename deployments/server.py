"""The installation's Prefect server: where it is, its password, and the environment of whoever talks to it or is it.

`rollcall up` keeps the address and a generated password in ROLLCALL_HOME (0600). A command finds the server there, or
where PREFECT_API_URL says. Everything is told to Prefect through the environment, so that no argument shows a secret.
"""

import os
import secrets
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from tasks.errors import WrongUseError
from tasks.prefect_settings import LOGGING, prepare_prefect
from tasks.settings import Settings

LOOPBACK: Final = "127.0.0.1"
USUAL_PORT: Final = 4200
POOL: Final = "rollcall"
LEASE_SECONDS: Final = 30
"""A lost host's slot is free again after so long; the least that Prefect allows."""


@dataclass(frozen=True, repr=False)
class Server:
    """A Prefect server on loopback and its password, which is in no `repr`."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def api_url(self) -> str:
        """Where Prefect's client finds it."""
        return f"{self.url}/api"

    @property
    def auth(self) -> str:
        """The user and the password, as Prefect wants them."""
        return f"rollcall:{self.password}"

    def client_environment(self) -> dict[str, str]:
        """What a process needs to talk to it."""
        return {"PREFECT_API_URL": self.api_url, "PREFECT_API_AUTH_STRING": self.auth}

    def environment(self) -> dict[str, str]:
        """What makes `prefect server start` this server.

        The older pages are served: the newer ones ask an outside host for their configuration at every load.
        """
        return self.client_environment() | {
            "PREFECT_SERVER_API_HOST": LOOPBACK,
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_SERVER_API_AUTH_STRING": self.auth,
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": self.url,
            "PREFECT_UI_API_URL": self.api_url,
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "3",
            "PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION": str(LEASE_SECONDS),
        }


def worker_environment(settings: Settings) -> dict[str, str]:
    """What a worker and its flow runs need: absolute places, our log filter, files that nobody else reads."""
    places = {
        "ROLLCALL_HOME": settings.home.absolute(),
        "ROLLCALL_PROFILES": settings.profiles.absolute(),
        "ROLLCALL_KEY_FILE": settings.key_file and settings.key_file.absolute(),
        "ROLLCALL_FILE_ROOT": settings.file_root and settings.file_root.absolute(),
    }
    return {name: str(place) for name, place in places.items() if place is not None} | {
        "PREFECT_LOGGING_CONFIG_PATH": str(LOGGING),
        "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "2"),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": os.environ.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(LEASE_SECONDS)),
    }


def own_server(settings: Settings, port: int | None = None) -> Server:
    """The server of this state folder: its password is made once, its port stays the same as long as it is free.

    Raises: WrongUseError when the given port is taken.
    """
    if port is not None and not _is_free(port):
        raise WrongUseError("port-taken", f"Port {port} is in use. Choose another one with --port, or leave it out.")
    chosen = port or next((known for known in (_kept_port(settings), USUAL_PORT) if known and _is_free(known)), None)
    server = Server(chosen or _free_port(), _password(settings))
    _write_private(_port_file(settings), str(server.port))
    return server


def known_server(settings: Settings) -> Server | None:
    """The server that `rollcall up` started last from this state folder, running or not."""
    port = _kept_port(settings)
    return Server(port, _password(settings)) if port else None


def connect(settings: Settings) -> str:
    """Makes this process a client of the installation's server; gives the API's URL. Call it before importing Prefect.

    Raises: WrongUseError when no server answers, or it does not let this process in.
    """
    spare_loopback_the_proxy()
    if not os.environ.get("PREFECT_API_URL"):
        server = known_server(settings)
        if server is None or not answers(server.api_url):
            raise WrongUseError(
                "server-missing",
                "No Prefect server answers. Start one with `rollcall up`, or set PREFECT_API_URL (and "
                "PREFECT_API_AUTH_STRING) to the one that this installation uses.",
            )
        os.environ |= server.client_environment()
    url = os.environ["PREFECT_API_URL"]
    if not answers(url):
        raise WrongUseError(
            "server-missing", f"The Prefect server at {url} does not answer. Is it running, is the address right?"
        )
    prepare_prefect()
    _come_in(url)
    return url


def has_server(settings: Settings) -> bool:
    """Whether a server answers, without a word when none does."""
    spare_loopback_the_proxy()
    known = known_server(settings)
    url = os.environ.get("PREFECT_API_URL") or (known.api_url if known else "")
    return answers(url)


def answers(api_url: str, timeout_seconds: float = 3) -> bool:
    """Whether a Prefect server is healthy there."""
    if not api_url.startswith(("http://", "https://")):
        return False
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=timeout_seconds) as answer:  # noqa: S310 - checked
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def spare_loopback_the_proxy() -> None:
    """Keeps this process and its children from asking a proxy for this very machine, which it could not find."""
    spared = [host for host in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(",") if host]
    if "*" in spared:
        return
    # Both spellings: who reads both, prefers the small one.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(dict.fromkeys((*spared, LOOPBACK, "localhost")))


def _come_in(url: str) -> None:
    """Asks what only a client with the password is told: a server is healthy for everybody."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError

    try:
        with get_client(sync_client=True) as client:
            client.api_version()
    except PrefectHTTPStatusError as error:
        status = error.response.status_code
        hint = "see its log"
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            hint = "set PREFECT_API_AUTH_STRING to its user:password"
        text = f"The Prefect server at {url} does not let this installation in ({status}): {hint}."
        raise WrongUseError("server-refuses", text) from None
    except httpx.HTTPError as error:
        text = f"The Prefect server at {url} does not answer ({type(error).__name__}). Is it running?"
        raise WrongUseError("server-missing", text) from None


def merged(*environments: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with others over it."""
    whole = dict(os.environ)
    for environment in environments:
        whole |= environment
    return whole


def _port_file(settings: Settings) -> Path:
    return settings.home.absolute() / "server-port"


def _kept_port(settings: Settings) -> int | None:
    try:
        return int(_port_file(settings).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _password(settings: Settings) -> str:
    path = settings.home.absolute() / "server-password"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(24))
    return path.read_text("ascii").strip()


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - mode
        file.write(f"{text}\n")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port_near(usual: int) -> int:
    """The usual port, or any free one where that is taken."""
    return usual if _is_free(usual) else _free_port()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
