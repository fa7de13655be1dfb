"""A run: one import, simulation or undo, as the history keeps it."""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from tasks.output import Output
from tasks.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Run:
    """Who started what, when, with which profile; made once at the edge, so that a retried step finds its own."""

    id: str
    kind: str = "import"
    profile: str
    mode: str
    started: str
    actor: str = ""
    version: str = ""
    profile_digest: str = ""
    undoes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome(Output):
    """What came of a run: its id, `applied`, `nothing` or `held`, and when it ended.

    `remade` is the plan that took the place of the one that came in, when the phone system moved before apply began.
    """

    run: str
    status: str
    finished: str
    summary: dict[str, int] = field(default_factory=dict[str, int])
    held: str | None = None
    checksum: str = ""
    remade: Plan | None = None

    @property
    def applied(self) -> bool:
        """Whether the phone system is now as the plan says."""
        return self.status in {"applied", "nothing"}


def new_run_id(now: datetime, identity: str = "") -> str:
    """A run's id: sortable by time, easy to read aloud; the same for the same time and `identity`, if one is given.

    Another id at the same second must not meet it: apply takes a known id for its own earlier attempt.
    """
    return f"{now:%Y%m%d-%H%M%S}{ending_of_run_id(identity) if identity else '-' + secrets.token_hex(4)}"


def ending_of_run_id(identity: str) -> str:
    """How the id of the run of this identity ends, whenever it was."""
    return "-" + hashlib.sha256(identity.encode()).hexdigest()[:8]


def timestamp(now: datetime) -> str:
    """A time as the store keeps it: ISO 8601, UTC, to the millisecond, so that texts sort as times do."""
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
