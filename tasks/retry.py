"""Which failures are worth another try, how often and how far apart: declared once, used with Prefect and without.

`tasks.step` maps a policy onto Prefect's retries, so that attempts are visible in the run; `call_with_retries` does
the same for `simulate`, which runs without Prefect. What a server asks for (Retry-After) is waited inside the attempt
that failed, because Prefect fixes its delays before the first attempt.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tasks.errors import RollcallError, StoreBusyError, TransientSourceError

R = TypeVar("R")


@dataclass(frozen=True)
class RetryPolicy:
    """Kinds of failure and the delays before each further attempt.

    Units: seconds; `jitter` is the share by which a delay may grow or shrink. No attempt starts after `total_seconds`.
    """

    errors: tuple[type[RollcallError], ...]
    delays_seconds: tuple[float, ...]
    jitter: float = 0.3
    retry_after_limit_seconds: float = 60
    total_seconds: float = 180

    def asked_seconds(self, error: BaseException) -> float:
        """What the server asked to wait, as far as we are willing to."""
        asked = error.retry_after_seconds if isinstance(error, TransientSourceError) else None
        return min(max(asked or 0.0, 0.0), self.retry_after_limit_seconds)

    def allows(self, error: BaseException, failed_attempts: int, elapsed_seconds: float) -> bool:
        """Whether another attempt is worth it after so many failed ones, with all waiting done in time."""
        if not isinstance(error, self.errors) or failed_attempts > len(self.delays_seconds):
            return False
        wait = self.asked_seconds(error) + self.delays_seconds[failed_attempts - 1]
        return elapsed_seconds + wait <= self.total_seconds


FETCH: Final = RetryPolicy((TransientSourceError,), (1, 2, 4, 8))
"""Decision 2: four retries, and a fetch ends within three minutes."""

STORE: Final = RetryPolicy((StoreBusyError,), (0.5, 1, 2, 4), total_seconds=60)
"""The phone system's database was locked or gone; what is retried must be safe to run twice."""


def waited(error: TransientSourceError) -> TransientSourceError:
    """The same failure after its Retry-After was waited."""
    return type(error)(error.code, error.message)


def call_with_retries(function: Callable[[], R], policy: RetryPolicy, sleep: Callable[[float], None] = time.sleep) -> R:
    """The result of the first attempt that does not fail; the last failure when the policy is used up."""
    started = time.monotonic()
    failed_attempts = 0
    while True:
        try:
            return function()
        except policy.errors as error:
            failed_attempts += 1
            if not policy.allows(error, failed_attempts, time.monotonic() - started):
                raise
            delay = policy.delays_seconds[failed_attempts - 1]
            jitter = random.uniform(1 - policy.jitter, 1 + policy.jitter)  # noqa: S311 - spreads load, keeps no secret
            sleep(policy.asked_seconds(error) + delay * jitter)
