"""Runs steps in a flow and reads from Prefect's API what came of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

LAST = "all is recorded"


@dataclass(frozen=True)
class FlowRun:
    """A run of a flow, as Prefect's API tells it; `output` is what the flow made, or the error it raised."""

    id: UUID
    output: Any

    def states(self) -> dict[str, str]:
        """The last state of each task by the task run's name, once the server has recorded them."""
        return {name: state for name, (state, _) in self._task_runs().items()}

    def messages(self) -> dict[str, str]:
        """What each state says."""
        return {name: message for name, (_, message) in self._task_runs().items()}

    def _task_runs(self) -> dict[str, tuple[str, str]]:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        wait_until_recorded()
        with get_client(sync_client=True) as client:
            found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[self.id])))
        # The last task counts as one of the flow run before it, for Prefect's thread of events began there.
        told = [run for run in found if run.name != LAST]
        return {run.name: (run.state.name or "", run.state.message or "") for run in told if run.state}

    def attempts(self) -> dict[str, int]:
        """How often each task ran, by the task run's name."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        self._task_runs()
        with get_client(sync_client=True) as client:
            found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[self.id])))
        return {run.name: run.run_count for run in found}

    def artifacts(self) -> Mapping[str, Any]:
        """The artifacts of the run by key."""
        return {artifact.key or "": artifact for artifact in self.all_artifacts()}

    def all_artifacts(self) -> list[Any]:
        """The artifacts of the run, those without a key too."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

        which = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[self.id]))
        with get_client(sync_client=True) as client:
            return client.read_artifacts(artifact_filter=which)


def wait_until_recorded() -> None:
    """Returns when the server has recorded every task run of this process: it takes what it is told in order."""
    from prefect import task
    from prefect.client.orchestration import get_client
    from prefect.context import TaskRunContext
    from prefect.events.worker import EventsWorker
    from prefect.exceptions import ObjectNotFound

    @task(name=LAST, task_run_name=LAST)
    def last() -> UUID:
        context = TaskRunContext.get()
        assert context is not None
        return context.task_run.id

    told = last()
    EventsWorker.drain_all()
    with get_client(sync_client=True) as client:
        for _ in range(2400):
            with suppress(ObjectNotFound):
                state = client.read_task_run(told).state
                if state is not None and state.is_final():
                    return
            time.sleep(0.1)
    raise TimeoutError("the server did not record the task runs within four minutes")


def run(steps: Callable[[], Any]) -> FlowRun:
    """Calls steps in a flow of their own."""
    from prefect import flow
    from prefect.context import FlowRunContext

    ids: list[UUID] = []

    @flow(name="test", persist_result=False)
    async def flow_of_test() -> Any:
        context = FlowRunContext.get()
        assert context is not None
        assert context.flow_run is not None
        ids.append(context.flow_run.id)
        return steps()

    try:
        output = asyncio.run(flow_of_test())
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        output = error
    return FlowRun(ids[0], output)
