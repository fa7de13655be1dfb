"""S3 and what speaks like it (MinIO, Ceph), through s3fs: to addresses that may be reached, as the profile says.

botocore looks for credentials, proxies, profiles and endpoints in the environment, in files of the home folder and at a
metadata service; here it finds none of them. It tries nothing again: retries are the fetch's own.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

from tasks.address import Address, address_rules, permitted_addresses
from tasks.errors import SourceError, TransientSourceError
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

Resolve = Callable[[str, int], list[Address]]

# The libraries of the extra s3 have no types.
AioSession: Any = import_module("aiobotocore.session").AioSession
BotoCoreError: Any = import_module("botocore.exceptions").BotoCoreError
S3FileSystem: Any = import_module("s3fs").S3FileSystem

SETTINGS: Final[dict[str, Any]] = {
    name: (None, None, os.devnull if name in {"config_file", "credentials_file"} else default, convert)
    for name, (_, _, default, convert) in AioSession.SESSION_VARIABLES.items()
}
"""Every variable of a session at its default, with neither an environment variable nor a file behind it."""
ENDS_WITHOUT_CONNECTION: Final = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError"})


@contextmanager
def s3_files(request: "FetchRequest", shown: str) -> Generator[Any, None, None]:
    """The file system of the bucket's server; failures inside the block come out as ours or as OSError.

    Raises: SourceError where the server's address is refused, TransientSourceError for failures of the network,
    TimeoutError where the time for a fetch is used up.
    """
    resolve = partial(permitted_addresses, rules=address_rules(request.url_allow, request.url_deny))
    endpoint = request.profile.fetch.endpoint
    if endpoint:
        parts = urlsplit(endpoint)
        resolve(parts.hostname or "", parts.port or 443)
    resolver = CheckedResolver(resolve)
    error: Exception
    with Watchdog(request.ends_at) as watchdog:
        try:
            yield _file_system(request, resolver, watchdog)
            return
        except (BotoCoreError, OSError) as cause:
            if watchdog.bit:
                error = TimeoutError()
            elif isinstance(cause, OSError):
                raise
            else:
                error = resolver.refusal or TransientSourceError("connection-failed", _unreachable(shown, cause))
        except (KeyError, ValueError) as cause:
            error = SourceError("fetch-failed", f"{shown} cannot be fetched ({type(cause).__name__}): check it.")
    raise error


class CheckedResolver(AbstractResolver):
    """Names become addresses that may be reached, once; `refusal` is why one was not."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self.refusal: SourceError | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            addresses = await asyncio.to_thread(self._resolve, host, port)
        except SourceError as error:
            self.refusal = error
            raise OSError from None
        return [_answer(host, port, address) for address in addresses]

    async def close(self) -> None:
        """Nothing is held open."""


def _answer(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


def _file_system(request: "FetchRequest", resolver: AbstractResolver, watchdog: Watchdog) -> Any:
    options = request.profile.fetch
    who: dict[str, Any] = {"anon": True}
    if options.user is not None:
        who = {"key": request.credential(options.user), "secret": request.credential(options.password)}
    files = S3FileSystem(
        **who,
        endpoint_url=options.endpoint,
        session=AioSession(session_vars=SETTINGS),
        client_kwargs={"verify": options.ca_file or options.verify},
        config_kwargs={
            "connect_timeout": options.connect_timeout_seconds,
            "read_timeout": options.read_timeout_seconds,
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "proxies": {},
            "s3": {"addressing_style": "path" if options.endpoint else "auto"},
            "connector_args": {
                "resolver": resolver,
                "socket_factory": partial(_watched_socket, watchdog),
            },
        },
        skip_instance_cache=True,
    )
    files.retries = 1
    return files


def _watched_socket(watchdog: Watchdog, address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    return watchdog.guard(socket.socket(family, kind, protocol))


def _unreachable(shown: str, cause: Exception) -> str:
    if type(cause).__name__ in ENDS_WITHOUT_CONNECTION:
        return f"The server of {shown} could not be reached. Check `fetch.endpoint`, if it is not Amazon's."
    return f"{shown} could not be read ({type(cause).__name__})."
