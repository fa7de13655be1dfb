"""What imports by itself, as Prefect's server knows it; read beside the pages, so that none waits for the server."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final

from deployments.console.server_link import server_there, talking_to, workers_online
from tasks.errors import WrongUseError
from tasks.profile import Profile
from tasks.settings import Settings

if TYPE_CHECKING:
    from deployments.automation import Automation

FRESH_SECONDS: Final = 5.0
FIRST_LOOK_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Standing:
    """What the server told when it was last asked; `known` is false as long as it was not asked yet.

    `problem` is what it refused, in words, where it is there and does not let us in.
    """

    known: bool = False
    there: bool = False
    workers: int = 0
    automations: "Mapping[str, Automation]" = field(default_factory=dict[str, "Automation"])
    problem: str = ""


class Schedules:
    """Asks the server in a thread of its own, at most every five seconds, and only while somebody looks."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._last = Standing()
        self._asked_at = float("-inf")
        self._asking: Future[Standing] | None = None
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="schedules")

    def standing(self) -> Standing:
        """The last answer, at once; an old one is renewed beside the page."""
        self._ask()
        return self._last

    def first_standing(self) -> Standing:
        """As `standing`, but the very first answer is waited for a while."""
        asking = self._ask()
        if not self._last.known and asking is not None:
            wait([asking], FIRST_LOOK_SECONDS)
        return self._last

    def automate(self, profile: Profile, cron: str, timezone: str) -> "Automation":
        """Schedules a profile.

        Raises: WrongUseError for a schedule or a time zone that is none, and without a server.
        """
        with self._talking():
            from deployments.automation import automate
            from deployments.deploy import renew_forms

            made = automate(profile, cron, timezone)
            renew_forms(self._settings)
        self._read_now()
        return made

    def stop(self, profile: str) -> bool:
        """Takes the schedule of a profile away; False where there was none.

        Raises: WrongUseError without a server.
        """
        with self._talking():
            from deployments.automation import stop_automation

            stopped = stop_automation(profile)
        self._read_now()
        return stopped

    def renew_forms(self) -> None:
        """Tells the server's forms of a new profile, beside the page."""
        self._thread.submit(self._renew_forms)

    def close(self) -> None:
        """Asks nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _talking(self) -> AbstractContextManager[None]:
        server = server_there(self._settings)
        if server is None:
            raise WrongUseError(
                "server-missing",
                "No Prefect server answers. Start one with `rollcall up`, or set PREFECT_API_URL (and "
                "PREFECT_API_AUTH_STRING) to the one that this installation uses.",
            )
        return talking_to(server)

    def _ask(self) -> "Future[Standing] | None":
        """Begins to ask when the last answer is old; gives the question that is under way."""
        with self._lock:
            under_way = self._asking is not None and not self._asking.done()
            if not under_way and self._clock() - self._asked_at > FRESH_SECONDS:
                self._asking = self._thread.submit(self._read_now)
            return self._asking

    def _read_now(self) -> Standing:
        self._last = _read(self._settings)
        self._asked_at = self._clock()
        return self._last

    def _renew_forms(self) -> None:
        server = server_there(self._settings)
        if server is not None:
            with talking_to(server):
                from deployments.deploy import renew_forms

                renew_forms(self._settings)


def _read(settings: Settings) -> Standing:
    server = server_there(settings)
    if server is None:
        return Standing(known=True)
    with talking_to(server):
        import httpx
        from prefect.exceptions import PrefectHTTPStatusError

        from deployments.automation import automations

        try:
            return Standing(known=True, there=True, workers=workers_online(), automations=automations())
        except (PrefectHTTPStatusError, httpx.HTTPError) as error:
            return Standing(known=True, there=True, problem=f"{type(error).__name__}: {error}".splitlines()[0])
