"""Runs steps in a flow and reads from Prefect's API what came of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID


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

        which = FlowRunFilter(id=FlowRunFilterId(any_=[self.id]))
        with get_client(sync_client=True) as client:
            for _ in range(100):
                found = client.read_task_runs(flow_run_filter=which)
                if found and all(run.state and run.state.is_final() for run in found):
                    return {run.name: (run.state.name or "", run.state.message or "") for run in found if run.state}
                time.sleep(0.1)
        raise TimeoutError("the server did not record the task runs")

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
