"""Shows what each step made in Prefect's UI, when it ran and when it was served from the cache.

Artifacts that a task makes itself are missing on a cache hit; a completion hook is called for both.
"""

import base64
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.utilities.annotations import BaseAnnotation

from tasks.artifact_sender import SENDER
from tasks.describe import issue_counts, preview_of
from tasks.issue import CATALOGUE
from tasks.output import Output
from tasks.picture import pipeline_picture
from tasks.preview import Preview
from tasks.profile import Profile
from tasks.way import note_outcomes, outcomes_by_step

LAST_STEP: Final = "report"
_log: Final = logging.getLogger("rollcall.steps")
_CELL_BREAKS: Final = str.maketrans({"|": "\\|", "\n": " ", "\r": " "})


def show_output(name: str, key: str, task: object, run: TaskRun, state: State[Any]) -> None:
    """Makes the artifacts of a completed step and logs its counts."""
    output = getattr(state.data, "result", state.data)
    inputs = _inputs()
    profile = next((value for value in inputs if isinstance(value, Profile)), None)
    preview = preview_of(output, profile)
    facts = dict(preview.facts)
    headline = _sentence(facts) or preview.title
    _log.info("%s: %s", name, headline, extra={"step": name, "counts": facts})
    described = _description(preview, output, [value for value in inputs if isinstance(value, Output)])
    if preview.rows:
        # The cards of the UI show the first line of a description as it stands.
        cells = orjson.dumps([dict(row) for row in preview.rows]).decode()
        _create(run, key, "table", cells, f"{headline}\n\n{described}")
    else:
        _create(run, key, "markdown", described, headline)
    if run.flow_run_id is not None and preview.outcomes:
        note_outcomes(run.flow_run_id, name, preview.outcomes)
    picture = preview.picture or (_picture_of_the_way(run) if name == LAST_STEP else "")
    if picture:
        image = base64.b64encode(picture.encode()).decode()
        _create(run, f"{key}-picture", "image", f"data:image/svg+xml;base64,{image}", "Rows by outcome, step by step")


def _picture_of_the_way(run: TaskRun) -> str:
    outcomes = outcomes_by_step(run.flow_run_id) if run.flow_run_id else None
    return pipeline_picture(outcomes) if outcomes else ""


def _create(run: TaskRun, key: str, kind: str, data: str, description: str) -> None:
    artifact = ArtifactCreate(
        key=key, type=kind, data=data, description=description, task_run_id=run.id, flow_run_id=run.flow_run_id
    )
    SENDER.send(artifact)


def _description(preview: Preview, output: object, inputs: list[Output]) -> str:
    # An output without facts tells its story in its text.
    seen_inputs = map(preview_of, inputs if preview.facts else ())
    came_in = [(seen.title, _sentence(seen.facts)) for seen in seen_inputs if seen.facts]
    issues = [(count, severity, code, CATALOGUE[code].title) for code, severity, count in issue_counts(output)]
    parts = [
        preview.text,
        _table(("came in", ""), came_in),
        _table(("went out", ""), preview.facts.items()),
        _table(("issues", "severity", "code", "meaning"), issues),
    ]
    return "\n\n".join(part for part in parts if part) or preview.title


def _sentence(facts: Mapping[str, str | int]) -> str:
    return ", ".join(f"{fact} {name}" if isinstance(fact, int) else f"{name} {fact}" for name, fact in facts.items())


def _inputs() -> list[object]:
    """What the running task was given."""
    context = TaskRunContext.get()
    values = context.parameters.values() if context else ()
    return [value.unwrap() if isinstance(value, BaseAnnotation) else value for value in values]


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = ["| " + " | ".join(str(cell).translate(_CELL_BREAKS) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])
