"""What became of the rows, step by step, in the flow runs of this process; forgotten when a run ends."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

_ways: Final[dict[UUID, dict[str, Mapping[str, int]]]] = {}


def note_outcomes(flow_run: UUID, step: str, outcomes: Mapping[str, int]) -> None:
    """Keeps the outcomes of a step; a step that is repeated counts once."""
    _ways.setdefault(flow_run, {})[step] = outcomes


def outcomes_by_step(flow_run: UUID) -> Mapping[str, Mapping[str, int]]:
    """The outcomes of all steps so far, in their order."""
    return _ways.get(flow_run, {})


def forget_outcomes(flow_run: UUID) -> None:
    """Drops what was kept of a run."""
    _ways.pop(flow_run, None)
