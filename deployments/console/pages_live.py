"""What is under way: the list of it, and the page of a run that no history has yet, whoever started it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.refusal import RefusalError
from deployments.console.steps import steps_of
from deployments.console.under_way import LiveRun
from deployments.console.web import Site, Viewer, Visitor, page
from tasks.store.runs import find_run

router = APIRouter()

PART_PATIENCE_SECONDS = 0.5
"""A part of a page that is asked for beside the page may wait longer than the page."""


@dataclass(frozen=True)
class Work:
    """A line of the list: where its page is, and what it is."""

    path: str
    kind: str
    profile: str
    state: str
    began: float
    by: str
    silent_since: float | None = None


def work_under_way(site: Site) -> list[Work]:
    """The console's own work and all other runs; one that does its work for the console stands there once."""
    jobs = [job for job in site.jobs.all() if not job.over]
    ours = {job.flow_run for job in jobs}
    own = [Work(f"/plans/{job.id}", job.kind, job.profile, job.status, job.created, job.actor) for job in jobs]
    now = time.time()
    return own + [
        Work(
            f"/runs/{live.run}",
            live.kind,
            _named(site, live).profile,
            "running",
            live.started,
            live.origin,
            live.silent_since(now),
        )
        for live in site.under_way.runs()
        if live.flow_run not in ours
    ]


@router.get("/under-way")
def list_under_way(request: Request, visitor: Viewer) -> Response:
    """The list as a part of a page; htmx asks for it as long as the page is open."""
    return page(request, visitor, "under_way_part.html", under_way=work_under_way(visitor.site))


def has_no_end(site: Site, run_id: str, written: Mapping[str, Any] | None) -> bool:
    """Whether the history (`written`) has no end of a run yet: none at all, or a failed one that is retried."""
    if written is None:
        return True
    return written["status"] == "failed" and any(live.run == run_id for live in site.under_way.runs())


def show_live(request: Request, visitor: Visitor, run_id: str) -> Response:
    """The page of a run that the history does not have, or only as failed: its steps as they go, or how it ended."""
    live = _live(visitor, run_id)
    has_server = visitor.site.schedules.standing().there
    return page(request, visitor, "live.html", has_server=has_server, **_values(live))


@router.get("/runs/{run_id}/progress")
def show_progress(request: Request, visitor: Viewer, run_id: str) -> Response:
    """The part of that page that moves; once the history has the run, or it ended without, htmx goes on there."""
    with visitor.site.store.open() as connection:
        written = find_run(connection, run_id)
    live = _live(visitor, run_id) if has_no_end(visitor.site, run_id, written) else None
    if live is None or live.over:
        return Response(headers={"HX-Redirect": f"/runs/{run_id}"})
    return page(request, visitor, "live_part.html", **_values(live))


def _live(visitor: Visitor, run_id: str) -> LiveRun:
    live = visitor.site.under_way.run(run_id, PART_PATIENCE_SECONDS)
    if live is None:
        raise RefusalError(404, "There is no such run. The history lists them all.")
    return _named(visitor.site, live)


def _named(site: Site, live: LiveRun) -> LiveRun:
    """The run of an undo with the profile of what it takes back, which only the history knows."""
    if live.profile or not live.undoes:
        return live
    with site.store.open() as connection:
        undone = find_run(connection, live.undoes)
    return replace(live, profile=str(undone["profile"])) if undone else live


def _values(live: LiveRun) -> dict[str, Any]:
    now = time.time()
    steps = steps_of(live.kind, live.steps)
    return {"live": live, "job": live, "steps": steps, "now": now, "silent_since": live.silent_since(now)}
