"""HTTP connections that go to a checked address: the name is resolved once, and never again before connecting."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from tasks.address import AddressRules, permitted_addresses


class CheckedAdapter(HTTPAdapter):
    """Connections go to addresses that the rules permit; Host and SNI keep the name."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: dict[str, Callable[..., Any]] = {
            "http": partial(_pool, HTTPConnectionPool, _CheckedHTTP, self._rules),
            "https": partial(_pool, HTTPSConnectionPool, _CheckedHTTPS, self._rules),
        }
        self.poolmanager.pool_classes_by_scheme = pools


def _pool(pool: type[Any], connection: type[Any], rules: AddressRules, *args: Any, **kwargs: Any) -> Any:
    made = pool(*args, **kwargs)
    made.ConnectionCls = partial(_with_rules, connection, rules)
    return made


def _with_rules(connection: type[Any], rules: AddressRules, *args: Any, **kwargs: Any) -> Any:
    made = connection(*args, **kwargs)
    made.rules = rules
    return made


class _CheckedHTTP(HTTPConnection):
    rules: AddressRules = AddressRules()

    def _new_conn(self) -> socket.socket:
        return _connect(self)


class _CheckedHTTPS(HTTPSConnection):
    rules: AddressRules = AddressRules()

    def _new_conn(self) -> socket.socket:
        return _connect(self)


def _connect(connection: _CheckedHTTP | _CheckedHTTPS) -> socket.socket:
    """A socket to the first permitted address that answers."""
    port = connection.port or connection.default_port
    failure: OSError | None = None
    for address in permitted_addresses(connection.host, port, connection.rules):
        try:
            return socket.create_connection((str(address), port), connection.timeout)
        except OSError as error:
            failure = error
    raise NewConnectionError(connection, "no address answers") from failure
