"""Ends what is slow: a server that sends a byte now and then stretches every timeout of a socket for ever.

A thread shuts the connections when the time for them is over, or when nothing was heard for too long; whoever reads
from one then sees its end, and asks `bit` why.
"""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

FOREVER: Final = float("inf")
SECONDS_BETWEEN_BITES: Final = 0.1


class Watchdog:
    """Watches over connections for as long as it is entered.

    Units: `ends_at` is a reading of `time.monotonic`; `silent_seconds` count from the last `hear`.
    """

    def __init__(self, ends_at: float, silent_seconds: float = FOREVER) -> None:
        self._ends_at = ends_at
        self._silent_seconds = silent_seconds
        self._heard_at = time.monotonic()
        self._watched: list[socket.socket] = []
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self.bit = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
        for connection in self._watched:
            connection.close()

    @property
    def seconds_left(self) -> float:
        """Until the time is over; never less than 0."""
        return max(self._ends_at - time.monotonic(), 0.0)

    def hear(self) -> None:
        """Something came: the silence begins anew."""
        self._heard_at = time.monotonic()

    def guard(self, connection: socket.socket) -> socket.socket:
        """The same connection, watched: by a duplicate, since TLS takes the socket itself away."""
        with self._lock:
            self._watched.append(connection.dup())
        return connection

    def _watch(self) -> None:
        while (left := self._until_biting()) > 0:
            if self._done.wait(min(left, threading.TIMEOUT_MAX)):
                return
        self.bit = True
        self._shut()
        while not self._done.wait(SECONDS_BETWEEN_BITES):
            self._shut()

    def _until_biting(self) -> float:
        return min(self._ends_at, self._heard_at + self._silent_seconds) - time.monotonic()

    def _shut(self) -> None:
        """Shuts what is connected; what still connects is shut the next time."""
        with self._lock:
            for connection in self._watched:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
