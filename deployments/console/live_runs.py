"""The flow runs of this installation as Prefect's server tells them; call it while talking to the server."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.console.on_worker import FLOWS, steps_begun, told_by
from deployments.console.under_way import LiveRun, asked_for
from tasks.run import new_run_id

NOT_TOLD: Final = (PrefectHTTPStatusError, httpx.HTTPError)
"""What a server that is busy, gone, or does not let us in leaves us with."""
_UNDER_WAY: Final = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_LISTED: Final = 50


def runs_under_way(since: datetime) -> list[LiveRun]:
    """The runs that are being done, the newest first."""
    of_state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY))
    begun = FlowRunFilterExpectedStartTime.model_validate({"after_": since})
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=FLOWS)),
            flow_run_filter=FlowRunFilter(state=of_state, expected_start_time=begun),
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LISTED,
        )
    return [_live(each, []) for each in found]


def live_run(flow_run: str) -> LiveRun | None:
    """One run with its steps; None where the server knows it no more."""
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(UUID(flow_run))
        except ObjectNotFound:
            return None
        return _live(found, steps_begun(client, found.id))


def _live(run: FlowRun, steps: list[tuple[str, float]]) -> LiveRun:
    kind, profile, undoes = asked_for(run.parameters)
    name, message, failed = told_by(run)
    ended = run.state is not None and run.state.is_final()
    created = run.created or datetime.now(UTC)
    origin = "schedule" if run.auto_scheduled else "worker" if run.deployment_id else "terminal"
    return LiveRun(
        run=new_run_id(created, str(run.id)),
        flow_run=str(run.id),
        kind=kind,
        profile=Path(profile).stem,
        undoes=undoes,
        origin=origin,
        started=(run.start_time or run.expected_start_time or created).timestamp(),
        state=name,
        message=message,
        finished=run.state.timestamp.timestamp() if ended and run.state is not None else 0.0,
        failed=ended and failed,
        steps=tuple(steps),
    )
