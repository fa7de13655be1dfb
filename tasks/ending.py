"""What follows every flow run, however it ended: the cache goes back within its limits.

As hooks, because a clean-up that fails must not make a failure of an import that is done.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from tasks.artifact_sender import SENDER
from tasks.cache import clean_cache
from tasks.settings import Settings
from tasks.way import forget_outcomes

_log: Final = logging.getLogger("rollcall.cache")


def end_run(flow: object, run: Any, state: object) -> None:
    """Sends the last artifacts, forgets what was kept for the run's pictures and cleans the cache."""
    SENDER.flush()
    run_id: UUID = run.id
    forget_outcomes(run_id)
    counts = clean_cache(Settings())
    _log.info("cache: %s", counts.sentence, extra={"counts": asdict(counts)})


_hooks: Final[list[Callable[..., None]]] = [end_run]

ENDING: Final[dict[str, Any]] = {
    "on_completion": _hooks,
    "on_failure": _hooks,
    "on_cancellation": _hooks,
    "on_crashed": _hooks,
}
"""The hooks of a flow, as keywords of Prefect's decorator."""
