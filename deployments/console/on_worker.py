"""Has a worker do what the console was asked for: a run of a deployment, followed step by step until it ends."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort, TaskRunSort
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from tasks.run import ending_of_run_id, new_run_id
from tasks.step import ORDER

LOOK_SECONDS: Final = 0.5
FLOWS: Final = ["import-users", "undo-import", "answer-held"]
RUNS_LOOKED_AT: Final = 1000
_RAISED: Final = re.compile(r"^Flow run encountered an exception: (?:\w+Error: )?", re.DOTALL)


@dataclass(frozen=True)
class Ended:
    """How a run of a deployment ended: its run in our history, and what its final state says."""

    run: str
    name: str
    message: str
    failed: bool


def deployment_of(profile: str) -> str:
    """The profile's own deployment, which never runs twice at once, or the one of all profiles."""
    from deployments.automation import deployment_name

    own = f"import-users/{deployment_name(profile)}"
    with get_client(sync_client=True) as client:
        try:
            client.read_deployment_by_name(own)
        except ObjectNotFound:
            return "import-users/import"
    return own


def run_on_worker(deployment: str, request: dict[str, Any], tell: Callable[[str, str, float], None]) -> Ended:
    """Starts the deployment and waits for its end; `tell` hears of the flow run and of each step that began."""
    # The deployment's form takes texts; what is left empty is left out.
    parameters = {"request": {name: value for name, value in request.items() if value is not None}}
    started: Any = run_deployment(deployment, parameters=parameters, timeout=0, as_subflow=False)
    tell(str(started.id), "", 0.0)
    told: set[str] = set()
    with get_client(sync_client=True) as client:
        while True:
            run = client.read_flow_run(started.id)
            for step, began in steps_begun(client, run.id):
                if step not in told:
                    told.add(step)
                    tell(str(run.id), step, began)
            if run.state is not None and run.state.is_final():
                return _ended(run)
            time.sleep(LOOK_SECONDS)


def flow_run_of(run: str) -> str | None:
    """The flow run that wrote this run of our history; its id's digest is the end of ours."""
    with get_client(sync_client=True) as client:
        for offset in range(0, RUNS_LOOKED_AT, 200):
            found = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=FLOWS)),
                sort=FlowRunSort.EXPECTED_START_TIME_DESC,
                limit=200,
                offset=offset,
            )
            for each in found:
                if run.endswith(ending_of_run_id(str(each.id))):
                    return str(each.id)
            if len(found) < 200:
                return None
    return None


def steps_begun(client: SyncPrefectClient, run: UUID) -> list[tuple[str, float]]:
    """The steps of a flow run that began, each with its time, in their order."""
    which = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
    found = client.read_task_runs(flow_run_filter=which, sort=TaskRunSort.EXPECTED_START_TIME_ASC, limit=200)
    begun = {each.name: each.start_time or each.expected_start_time for each in found}
    return [(name, when.timestamp()) for name in ORDER if (when := begun.get(name)) is not None]


def told_by(run: FlowRun) -> tuple[str, str, bool]:
    """The name of a flow run's state, what it says, and whether the run is not completed."""
    state = run.state
    name, message = (state.name or "", state.message or "") if state is not None else ("", "")
    return name, _RAISED.sub("", message), state is None or not state.is_completed()


def _ended(run: FlowRun) -> Ended:
    name, message, failed = told_by(run)
    return Ended(new_run_id(run.created or datetime.now(UTC), str(run.id)), name, message, failed)
