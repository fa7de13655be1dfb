"""Runs the real import flow and reads from Prefect's API what came of it."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, cast

from flow_runs import FlowRun
from prefect.client.schemas.objects import State

from tests.world import TEMPLATE


def write_profile(folder: Path, changes: Mapping[str, str] | None = None) -> Path:
    """The template's profile in a file, with texts replaced."""
    text = TEMPLATE.read_text("utf-8")
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new, 1)
    file = folder / "staff.yaml"
    file.write_text(text, "utf-8")
    return file


def run_import_flow(profile: Path, file: Path | None) -> FlowRun:
    """Imports a file, or the profile's URL, as `rollcall import` does; `output` is the report, or the flow's error."""
    from flows.import_users import import_users
    from flows.request import ImportRequest, offer_upload

    request = ImportRequest(profile=str(profile), upload=offer_upload(file) if file else None)
    state: Any = asyncio.run(import_users(request, return_state=True))  # pyright: ignore[reportCallIssue]
    return FlowRun(state.state_details.flow_run_id, asyncio.run(state.aresult(raise_on_failure=False)))


def retry_import_flow(run: FlowRun, profile: Path, file: Path | None) -> State[Any]:
    """Runs the flow run once more, as Prefect's button *Retry* does; gives its new end."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow
    from prefect.states import AwaitingRetry

    from flows.import_users import import_users
    from flows.request import ImportRequest, offer_upload

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)
        again = client.read_flow_run(run.id)
    parameters = {"request": ImportRequest(profile=str(profile), upload=offer_upload(file) if file else None)}
    running = run_flow(import_users, flow_run=again, parameters=parameters, return_type="state")
    return asyncio.run(cast("Coroutine[Any, Any, State[Any]]", running))
