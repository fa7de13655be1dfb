"""History: every run, change by change."""

import json
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.refusal import RefusalError
from deployments.console.web import Viewer, cut_of, page, pager
from tasks.plan import ACTIONS
from tasks.store.pages import codes_of_run, page_of_changes, page_of_issues, page_of_runs
from tasks.store.runs import find_run

router = APIRouter()


@router.get("/runs")
def list_runs(request: Request, visitor: Viewer) -> Response:
    """All runs, newest first."""
    cut = cut_of(request)
    with visitor.site.store.open() as connection:
        found = page_of_runs(connection, cut)
    runs = [{**row, "summary": json.loads(row["summary"])} for row in found.rows]
    return page(request, visitor, "runs.html", runs=runs, pager=pager(request, cut, found.total))


@router.get("/runs/{run_id}")
def show_run(request: Request, visitor: Viewer, run_id: str) -> Response:
    """One run: its outcome, its changes, its issues."""
    cut, show = cut_of(request), request.query_params.get("show", "changes")
    with visitor.site.store.open() as connection:
        run = find_run(connection, run_id)
        if run is None:
            raise RefusalError(404, "There is no such run. The history lists them all.")
        codes = codes_of_run(connection, run_id)
        found = (page_of_issues if show == "issues" else page_of_changes)(connection, run_id, cut)
    rows = found.rows
    if show != "issues":
        rows = [{**row, "fields": json.loads(row["fields"])} for row in rows]
    run = {**run, "summary": json.loads(run["summary"]), "source": json.loads(run["source"])}
    actions = {name: run["summary"].get(name, 0) for name in ACTIONS if name != "conflict"}
    counts = {"actions": {name: count for name, count in actions.items() if count}, "codes": codes}
    job = next((job for job in visitor.site.jobs.all() if job.run == run_id), None)
    values: dict[str, Any] = {"run": run, "counts": counts, "rows": rows, "show": show, "job": job}
    return page(
        request,
        visitor,
        "run.html",
        pager=pager(request, cut, found.total),
        ui_url=ui_url(job.flow_run if job else ""),
        **values,
    )


def ui_url(flow_run: str) -> str:
    """The flow run in Prefect's UI; empty where there is no server with one."""
    import os

    api = os.environ.get("PREFECT_UI_URL") or os.environ.get("PREFECT_API_URL", "").removesuffix("/api")
    return f"{api.rstrip('/')}/runs/flow-run/{flow_run}" if api and flow_run else ""
