"""Connections of the libraries for object stores: to addresses that may be reached, no longer than a fetch may take.

All of these libraries speak through aiohttp, which asks its resolver for names only: an address that stands in a URL or
a redirect as digits is judged where its socket is made.
"""

import asyncio
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http.client import responses
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from tasks.address import Address, AddressRules, address_rules, permitted_addresses
from tasks.errors import SourceError, TransientSourceError
from tasks.fetch_http import is_transient, retry_after_seconds
from tasks.fetch_options import FetchOptions
from tasks.tls import all_causes, tls_context, tls_fault
from tasks.watchdog import Watchdog

if TYPE_CHECKING:
    from tasks.fetch import FetchRequest

ABSENT: Final = 404
CHANGED: Final = 412
UNWELCOME: Final = frozenset({401, 403})


class CheckedResolver(AbstractResolver):
    """Names become addresses that may be reached, once; `refusal` is why one was not."""

    def __init__(self, rules: AddressRules) -> None:
        self._resolve = partial(permitted_addresses, rules=rules)
        self._permitted: set[str] = set()
        self.refusal: SourceError | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await asyncio.to_thread(self._judged, host, port)
        return [_answer(host, port, address) for address in addresses]

    def judge(self, address: str, port: int) -> None:
        """Raises: OSError for an address that may not be reached, unless it was found for a name that may."""
        if address not in self._permitted:
            self._judged(address, port)

    async def close(self) -> None:
        """Nothing is held open."""

    def _judged(self, host: str, port: int) -> list[Address]:
        try:
            addresses = self._resolve(host, port)
        except SourceError as error:
            self.refusal = error
            raise OSError from None
        self._permitted.update(map(str, addresses))
        return addresses


def _answer(host: str, port: int, address: Address) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )


class StoreConnection:
    """How an object store is reached in one attempt; a library gets its connections, and nothing else, from here."""

    def __init__(self, request: "FetchRequest", shown: str, watchdog: Watchdog) -> None:
        self.options: FetchOptions = request.profile.fetch
        self.shown = shown
        self.limit_bytes = int(self.options.size_limit_mib * 2**20)
        self.rules = address_rules(request.url_allow, request.url_deny)
        self.watchdog = watchdog
        self.resolver = CheckedResolver(self.rules)

    def connector_options(self) -> dict[str, Any]:
        """What an aiohttp connector is made with, its TLS apart."""
        return {"resolver": self.resolver, "socket_factory": self._socket}

    def session_options(self) -> dict[str, Any]:
        """What an aiohttp session is made with, inside its event loop."""
        return {
            "connector": TCPConnector(ssl=self.tls(), **self.connector_options()),
            "timeout": self.timeout(),
            "trust_env": False,
            "cookie_jar": DummyCookieJar(),
            "auto_decompress": False,
        }

    def timeout(self) -> ClientTimeout:
        """The limits of the profile; the watchdog holds the one for all of it."""
        options = self.options
        return ClientTimeout(
            total=None, sock_connect=options.connect_timeout_seconds, sock_read=options.read_timeout_seconds
        )

    def tls(self) -> ssl.SSLContext:
        """The same TLS as for web servers; a client certificate is no way into an object store."""
        context = tls_context(self.options, None, shows_certificate=False)
        if self.options.verify and not self.options.ca_file:
            context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context

    def refused_by_status(self, status: int, retry_after: str = "") -> SourceError:
        """What an answer means that is no success."""
        if status == ABSENT:
            return SourceError("source-not-found", f"There is no file {self.shown}: check the URL.")
        if status in UNWELCOME:
            message = f"{self.shown} may not be read: check the credentials that `fetch` names."
            return SourceError("source-forbidden", message)
        text = f"The server of {self.shown} answers {status} {responses.get(status, '')}".rstrip() + "."
        if is_transient(status) or status == CHANGED:
            return TransientSourceError(f"http-{status}", text, retry_after_seconds(retry_after))
        return SourceError(f"http-{status}", f"{text} Check the URL and `fetch.endpoint`.")

    def failed_by(self, cause: BaseException) -> SourceError:
        """What a failure of the connection means."""
        if self.resolver.refusal:
            return self.resolver.refusal
        if not self.watchdog.seconds_left:
            message = f"{self.shown} is too slow: the time for a fetch is used up."
            return TransientSourceError("fetch-timeout", message)
        if isinstance(cause, FileNotFoundError):
            return self.refused_by_status(ABSENT)
        causes = list(all_causes(cause))
        if any(isinstance(one, ssl.SSLError) for one in causes):
            return tls_fault(self.shown, cause)
        if any(isinstance(one, TimeoutError) for one in causes):
            return TransientSourceError("fetch-timeout", f"{self.shown} did not answer in time.")
        message = f"The connection to the server of {self.shown} failed or broke off."
        return TransientSourceError("connection-failed", message)

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        self.resolver.judge(target[0], target[1])
        return self.watchdog.guard(socket.socket(family, kind, protocol))


@contextmanager
def store_connection(request: "FetchRequest", shown: str) -> Generator[StoreConnection, None, None]:
    """How the store is reached, for as long as the block lasts and the fetch may."""
    with Watchdog(request.ends_at) as watchdog:
        yield StoreConnection(request, shown, watchdog)
