"""Waiting for whoever writes to the phone system: in slices, so that a person may interrupt it, and not in silence."""

import logging
import time
from collections.abc import Callable
from typing import Final

from tasks.errors import StoreBusyError

SLICE_SECONDS: Final = 2.0
_log: Final = logging.getLogger("rollcall.steps")


def wait_for_lock(lock_within: Callable[[float], None], patience_seconds: float) -> None:
    """Tries to lock until it succeeds; `lock_within` gets the seconds of one attempt and raises StoreBusyError.

    Raises: StoreBusyError when patience ends, or when an attempt fails at once: waiting would not help.
    """
    started = time.monotonic()
    told = False
    while True:
        began = time.monotonic()
        seconds = min(SLICE_SECONDS, patience_seconds)
        try:
            return lock_within(seconds)
        except StoreBusyError:
            now = time.monotonic()
            if now - began < seconds / 2 or now - started >= patience_seconds:
                raise
        if not told:
            _log.warning("Another process is writing to the phone system; waiting until it is done.")
            told = True
