"""What a held import asks on its own page in Prefect: the plan, what braked it, its checksum, and where to answer.

It is an artifact of the run, which has ended: nothing waits, and whoever answers first, from wherever, answers for all.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound

from tasks.describe_plan import tables_of_plan
from tasks.plan import summary_line
from tasks.preview import Cell
from tasks.profile import Profile
from tasks.report import Report

KEY: Final = "12-held"
ANSWER: Final = "answer-held/answer"
ROWS_SHOWN: Final = 100
_log: Final = logging.getLogger("rollcall.steps")
_CELL_BREAKS: Final = str.maketrans({"|": "\\|", "\n": " ", "\r": " "})


def ask(report: Report, profile: Profile, held_days: float) -> None:
    """Makes the artifact. A server that does not take it is no reason to fail: the plan is held all the same."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if run is None:
        return
    try:
        with get_client(sync_client=True) as client:
            text = question(report, profile, held_days, _form_id(client))
            held = f"Held: please answer. {report.plan.held}"
            client.create_artifact(
                ArtifactCreate(key=KEY, type="markdown", data=text, description=held, flow_run_id=run.id)
            )
    except httpx.HTTPError as error:
        _log.warning("the question of the held import could not be shown: %s", type(error).__name__)


def question(report: Report, profile: Profile, held_days: float, form: str | None) -> str:
    """The question in Markdown; `form` is the id of the deployment that takes the answer, where there is one."""
    plan = report.plan
    people, phones = tables_of_plan(plan, profile)
    parts = [
        "## Held: nothing was written",
        f"**{plan.held}**",
        f"The plan: {summary_line(plan.summary)}.",
        _answer(report, held_days, form),
        *_table("People", people),
        *_table("Phones", phones),
    ]
    return "\n\n".join(parts)


def _answer(report: Report, held_days: float, form: str | None) -> str:
    plan, outcome = report.plan, report.outcome
    lines = [f"Checksum: `{plan.checksum}`"]
    if outcome is not None:
        until = datetime.fromisoformat(outcome.finished) + timedelta(days=held_days)
        lines.append(f"Answer until {until:%A, %Y-%m-%d %H:%M} UTC. After that run {outcome.run} ends as held.")
    if form is not None:
        # A path, since a browser may know the server by another name than this worker does.
        answer = {"answer": {"profile": plan.profile, "checksum": plan.checksum}}
        link = f"/deployments/deployment/{form}/run?parameters={quote(json.dumps(answer))}"
        lines.append(f"[Answer]({link}): with *Approve* switched on exactly this plan is applied; else it is refused.")
    lines.append(f"On the command line: `rollcall import {plan.profile} --approve {plan.checksum}`")
    return "\n".join(f"- {line}" for line in lines)


def _form_id(client: SyncPrefectClient) -> str | None:
    try:
        return str(client.read_deployment_by_name(ANSWER).id)
    except ObjectNotFound:
        return None


def _table(title: str, rows: list[dict[str, Cell]]) -> Iterable[str]:
    if not rows:
        return
    yield f"### {title}"
    lines = [_line(row) for row in rows[:ROWS_SHOWN]]
    yield "\n".join([_line({name: name for name in rows[0]}), "|" + " --- |" * len(rows[0]), *lines])
    if len(rows) > ROWS_SHOWN:
        yield f"The first {ROWS_SHOWN} of {len(rows)}; `rollcall show RUN` lists all."


def _line(row: Mapping[str, Cell]) -> str:
    cells = ("" if cell is None else str(cell).translate(_CELL_BREAKS) for cell in row.values())
    return f"| {' | '.join(cells)} |"
