"""HTTP connections that go to a checked address and end in time: a name is resolved once, and not again to connect.

An answer is one only when its headers are whole: `http.client` takes the end of the connection for the end of them.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from tasks.address import AddressRules, permitted_addresses
from tasks.watchdog import FOREVER, Watchdog


@dataclass(frozen=True)
class Way:
    """Where a connection may go, and who ends it."""

    rules: AddressRules
    watchdog: Watchdog


class CheckedAdapter(HTTPAdapter):
    """Connections go to addresses that the rules permit, secured by the context; Host and SNI keep the name."""

    def __init__(self, rules: AddressRules, tls: ssl.SSLContext, watchdog: Watchdog) -> None:
        self._way = Way(rules, watchdog)
        self._tls = tls
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._tls, **kwargs)
        pools: dict[str, Callable[..., Any]] = {
            "http": partial(_pool, HTTPConnectionPool, _CheckedHTTP, self._way),
            "https": partial(_pool, _QuietHTTPSPool, _CheckedHTTPS, self._way),
        }
        self.poolmanager.pool_classes_by_scheme = pools


class _QuietHTTPSPool(HTTPSConnectionPool):
    """Leaves out the warning of urllib3 that a certificate is not checked: the run has an issue that says it."""

    def _validate_conn(self, conn: Any) -> None:
        if conn.is_closed:
            conn.connect()


def _pool(pool: type[Any], connection: type[Any], way: Way, *args: Any, **kwargs: Any) -> Any:
    made = pool(*args, **kwargs)
    made.ConnectionCls = partial(_on_way, connection, way)
    return made


def _on_way(connection: type[Any], way: Way, *args: Any, **kwargs: Any) -> Any:
    made = connection(*args, **kwargs)
    made.way = way
    return made


class HeadersCutError(Exception):
    """The connection ended before the headers did; no kind that urllib3 would wrap."""


class _WholeHead(http.client.HTTPResponse):
    """An answer whose last header line is the empty one."""

    def begin(self) -> None:
        reader = self.fp
        self.fp = cast("io.BufferedReader", _WholeLines(reader))
        try:
            super().begin()
        finally:
            self.fp = reader


class _WholeLines:
    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader
        self._lines = 0

    def readline(self, limit_bytes: int = -1) -> bytes:
        line = self._reader.readline(limit_bytes)
        if self._lines and not line.endswith(b"\n") and len(line) != limit_bytes:
            raise HeadersCutError
        self._lines += 1
        return line

    def close(self) -> None:
        self._reader.close()


class _CheckedHTTP(HTTPConnection):
    response_class = _WholeHead
    way: Way

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _CheckedHTTPS(HTTPSConnection):
    response_class = _WholeHead
    way: Way

    def _new_conn(self) -> socket.socket:
        return _connect(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Sends a request; where the server has hung up already, reads why.

        TLS 1.3 refuses a client certificate only after the client believes that it is connected (RFC 8446, 4.4.2.4).
        """
        try:
            super().request(*args, **kwargs)
        except (ssl.SSLEOFError, ConnectionError):
            if self.sock is not None:
                self.sock.recv(1)
            raise


def _connect(connection: _CheckedHTTP | _CheckedHTTPS) -> socket.socket:
    """A socket to the first permitted address that answers."""
    port = connection.port or connection.default_port
    failure: OSError | None = None
    watchdog = connection.way.watchdog
    for address in permitted_addresses(connection.host, port, connection.way.rules):
        if not watchdog.seconds_left:
            raise TimeoutError
        try:
            made = socket.create_connection(
                (str(address), port), min(connection.timeout or FOREVER, watchdog.seconds_left)
            )
        except OSError as error:
            failure = error
        else:
            return watchdog.guard(made)
    raise NewConnectionError(connection, "no address answers") from failure
