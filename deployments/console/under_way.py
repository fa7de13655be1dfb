"""What runs now, whoever started it: a schedule, a worker, a terminal. Prefect's server tells it.

A run stands in our history only when it is over. Its flow run is known from the first moment, and the id of the one
follows from the other, so that a page under the run's later address can tell what it does until then. However many
look, a question is asked once a second at most, beside the pages, so that none waits for the server.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final, cast

from deployments.console.server_link import server_there, talking_to
from tasks.settings import Settings

FRESH_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 0.05
"""So long a page waits for a new answer before it shows the last one."""
FIRST_LOOK_SECONDS: Final = 5.0
"""So long a page waits that has nothing to show before the first answer."""
LONGEST: Final = timedelta(hours=24)
SILENT_SECONDS: Final = 600.0
"""No step of an import takes longer without a bound of its own: a process that says nothing for so long may be gone."""
_REMEMBERED: Final = 256
_RUN_ID: Final = re.compile(r"([0-9]{8}-[0-9]{6})-[0-9a-f]{8}")


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """A run as Prefect's server knows it; `run` is the id that it has, or will have, in the history.

    `undoes` is the run that an undo takes back; `origin` is `schedule`, `worker` or `terminal`; `state` is the name of
    its state, `finished` is 0 before its end; `failed` that the end was no good one.
    """

    run: str
    flow_run: str
    kind: str
    profile: str
    undoes: str
    origin: str
    started: float
    state: str
    message: str
    finished: float = 0.0
    failed: bool = False
    steps: tuple[tuple[str, float], ...] = ()

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.finished > 0

    def silent_since(self, now: float) -> float | None:
        """The last time at which anything was heard of it, where that is suspiciously long ago."""
        heard = max([self.started, *(began for _, began in self.steps)])
        return heard if not self.over and now - heard > SILENT_SECONDS else None


class _Answer:
    """What was told last, and the question that is under way."""

    def __init__(self) -> None:
        self.told: tuple[LiveRun, ...] = ()
        self.asked_at = float("-inf")
        self.asking: Future[None] | None = None


class UnderWay:
    """Asks the server in a thread of its own, and only while somebody looks."""

    def __init__(
        self,
        settings: Settings,
        recorder: Callable[[], dict[str, str] | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`recorder` names the server of the console's own runs, where the installation has none."""
        self._settings = settings
        self._recorder = recorder
        self._clock = clock
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._flow_runs: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="under-way")

    def runs(self) -> list[LiveRun]:
        """All runs that are under way, the newest first."""
        return list(self._told(""))

    def run(self, run_id: str, patience_seconds: float = PATIENCE_SECONDS) -> LiveRun | None:
        """One run with its steps; also one that ended lately. None where the server knows none."""
        if not _is_recent(run_id):
            return None
        listed = self._listed(run_id)
        told = self._told(run_id, patience_seconds if listed else FIRST_LOOK_SECONDS)
        return next(iter(told), listed)

    def close(self) -> None:
        """Asks nothing any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _listed(self, run_id: str) -> LiveRun | None:
        """The run as the last list has it: what a busy server has not told yet is not unknown for that."""
        with self._lock:
            known = self._answers[""].told if "" in self._answers else ()
        return next((live for live in known if live.run == run_id), None)

    def _told(self, run_id: str, patience_seconds: float = PATIENCE_SECONDS) -> tuple[LiveRun, ...]:
        with self._lock:
            answer = self._answers.setdefault(run_id, _Answer())
            _keep_newest(self._answers, run_id)
            idle = answer.asking is None or answer.asking.done()
            if idle and self._clock() - answer.asked_at >= FRESH_SECONDS:
                answer.asking = self._thread.submit(self._ask, run_id, answer)
            asking = answer.asking
        if asking is not None:
            wait([asking], PATIENCE_SECONDS if answer.told else patience_seconds)
        return answer.told

    def _ask(self, run_id: str, answer: _Answer) -> None:
        told = self._one(run_id) if run_id else self._all()
        # A run does not vanish because its server is silent for a moment.
        answer.told = answer.told if told is None and run_id else told or ()
        answer.asked_at = self._clock()

    def _all(self) -> tuple[LiveRun, ...] | None:
        server = server_there(self._settings) or self._recorder()
        if server is None:
            return None
        with talking_to(server):
            from deployments.console.live_runs import NOT_TOLD, runs_under_way

            with suppress(*NOT_TOLD):
                found = runs_under_way(datetime.now(UTC) - LONGEST)
                for each in found:
                    self._remember(each)
                return tuple(found)
        return None

    def _one(self, run_id: str) -> tuple[LiveRun, ...] | None:
        server = server_there(self._settings) or self._recorder()
        if server is None:
            return None
        with talking_to(server):
            from deployments.console.live_runs import NOT_TOLD, live_run
            from deployments.console.on_worker import flow_run_of

            with suppress(*NOT_TOLD):
                flow_run = self._flow_runs.get(run_id) or flow_run_of(run_id)
                found = live_run(flow_run) if flow_run else None
                if found is not None:
                    self._remember(found)
                return () if found is None else (found,)
        return None

    def _remember(self, live: LiveRun) -> None:
        self._flow_runs[live.run] = live.flow_run
        _keep_newest(self._flow_runs, live.run)


def _keep_newest(kept: OrderedDict[str, Any], key: str) -> None:
    kept.move_to_end(key)
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)


def _is_recent(run_id: str) -> bool:
    """Whether a run of this id may be under way: no other one is asked for."""
    found = _RUN_ID.fullmatch(run_id)
    if found is None:
        return False
    try:
        made = datetime.strptime(found[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return False
    return datetime.now(UTC) - made < LONGEST


def asked_for(parameters: Mapping[str, Any]) -> tuple[str, str, str]:
    """Kind, profile, and the run that is taken back, by the parameters of a flow run; whoever started it chose them."""
    asked: object = parameters.get("request") or parameters.get("answer")
    request = cast("dict[str, object]", asked) if isinstance(asked, dict) else {}
    kind = "undo" if "run" in request else "simulate" if request.get("simulate") is True else "import"
    return kind, _text(request.get("profile")), _text(request.get("run"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
