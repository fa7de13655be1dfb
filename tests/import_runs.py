"""Runs the real import flow and reads from Prefect's API what came of it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flow_runs import FlowRun

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
