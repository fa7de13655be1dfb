"""How often an address may ask: so many requests in any one minute."""

import time
from collections import OrderedDict
from threading import Lock
from typing import Final

WINDOW_SECONDS: Final = 60.0
ADDRESSES_KEPT: Final = 10_000


class RateLimit:
    """Counts the requests of each address in windows of a minute; the addresses seen longest ago are forgotten."""

    def __init__(self, requests_per_minute: int) -> None:
        self._most = requests_per_minute
        self._lock = Lock()
        self._counted: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def seconds_to_wait(self, address: str) -> int:
        """0 where the request may pass, else the seconds after which the next one may."""
        with self._lock:
            return self._count(address, time.monotonic())

    def _count(self, address: str, now: float) -> int:
        started, count = self._counted.pop(address, (now, 0))
        if now - started >= WINDOW_SECONDS:
            started, count = now, 0
        self._counted[address] = (started, count + 1)
        if len(self._counted) > ADDRESSES_KEPT:
            self._counted.popitem(last=False)
        return 0 if count < self._most else max(1, int(started + WINDOW_SECONDS - now))
