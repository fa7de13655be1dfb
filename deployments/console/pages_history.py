"""History: every run, change by change; the answer to a held one, and the rows that did not get in."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from deployments.console.access import Role
from deployments.console.pages_live import has_no_end, show_live, work_under_way
from deployments.console.pages_plan import attachment
from deployments.console.refusal import RefusalError
from deployments.console.server_link import server_there, talking_to
from deployments.console.web import CheckedForm, Operator, Viewer, cut_of, go, page, pager
from tasks.held import forget_held
from tasks.issue import CATALOGUE
from tasks.plan import ACTIONS
from tasks.run import timestamp
from tasks.store.connection import Connection
from tasks.store.files import held_run_of, read_file
from tasks.store.pages import Cut, Page, codes_of_run, page_of_changes, page_of_issues, page_of_runs
from tasks.store.runs import find_run

router = APIRouter()

SHOWN: Final = ("changes", "issues", "failed")


@router.get("/runs")
def list_runs(request: Request, visitor: Viewer) -> Response:
    """All runs, newest first."""
    cut = cut_of(request)
    with visitor.site.store.open() as connection:
        found = page_of_runs(connection, cut)
    values: dict[str, Any] = {"runs": found.rows, "under_way": work_under_way(visitor.site)}
    return page(request, visitor, "runs.html", pager=pager(request, cut, found.total), **values)


@router.get("/runs/{run_id}")
def show_run(request: Request, visitor: Viewer, run_id: str) -> Response:
    """One run: its outcome, its changes, its issues, the rows that failed."""
    cut, show = cut_of(request), request.query_params.get("show", "")
    show = show if show in SHOWN else "changes"
    with visitor.site.store.open() as connection:
        run = find_run(connection, run_id)
        if run is None or has_no_end(visitor.site, run_id, run):
            return show_live(request, visitor, run_id)
        codes = visitor.site.codes.of(run_id, lambda: codes_of_run(connection, run_id))
        found = _page(connection, run_id, show, cut, codes)
        answerable = _can_be_answered(connection, run)
    run |= {"summary": json.loads(run["summary"]), "source": json.loads(run["source"])}
    actions = {name: run["summary"].get(name, 0) for name in ACTIONS if name != "conflict"}
    values: dict[str, Any] = {
        "run": run,
        "counts": {"actions": {name: count for name, count in actions.items() if count}, "codes": codes},
        "rows": found.rows,
        "show": show,
        "failed": _failed(codes),
        "may_answer": answerable and visitor.may(_role_for(run)),
        "job": next((job for job in visitor.site.jobs.all() if job.run == run_id), None),
        "answered": "answered" in request.query_params,
        "has_server": visitor.site.schedules.standing().there,
    }
    return page(request, visitor, "run.html", pager=pager(request, cut, found.total), **values)


@router.post("/runs/{run_id}/answer")
def answer(visitor: Operator, run_id: str, form: CheckedForm) -> Response:
    """Approves exactly the held plan, or refuses it; the form as it stands refuses."""
    site = visitor.site
    with site.store.open() as connection:
        run = _run(connection, run_id)
        answerable = _can_be_answered(connection, run)
    profile, checksum = str(run["profile"]), str(run["checksum"])
    if not visitor.may(_role_for(run)):
        raise RefusalError(403, "Your role is {role}; this needs {needed}.", role="operator", needed="admin")
    if not answerable:
        raise RefusalError(409, "This plan waits for no answer: it was answered, or its time is over.")
    if form["answer"] != "approve":
        if run["kind"] == "import":
            forget_held(site.store, profile, checksum, timestamp(datetime.now(UTC)))
        visitor.note("refuse", f"{profile} {run_id}")
        return go(f"/runs/{run_id}?answered=1")
    if form["checksum"] != checksum:
        raise RefusalError(409, "This is not the plan that is held. Open the run again, and look at it.")
    kind = "import" if run["kind"] == "import" else "undo"
    undoes = str(run["undoes"] or "")
    made = site.jobs.new(kind, profile, visitor.name, approve=checksum, undoes=undoes)
    visitor.note("approve", f"{profile} {checksum}")
    site.desk.hand_over(made)
    return go(f"/plans/{made.id}")


@router.get("/runs/{run_id}/failed.csv")
def download_failed_rows(visitor: Operator, run_id: str) -> Response:
    """The rows that did not get in, as CSV, ready to mend and to upload again. They hold what the file held."""
    store = visitor.site.store
    with store.open() as connection:
        run = _run(connection, run_id)
        content = read_file(connection, run_id, "failed", store.keyring)
    if content is None:
        raise RefusalError(404, "This run keeps no failed rows: none were, or they have expired.")
    visitor.note("failed-rows", f"{run['profile']} {run_id}")
    return Response(content, media_type="text/csv; charset=utf-8", headers=attachment(run["profile"], "failed.csv"))


@router.get("/runs/{run_id}/prefect")
def open_in_prefect(visitor: Viewer, run_id: str) -> Response:
    """On to the flow run in Prefect's pages."""
    live = visitor.site.under_way.run(run_id)
    if live is None:
        with visitor.site.store.open() as connection:
            _run(connection, run_id)
    job = next((job for job in visitor.site.jobs.all() if job.run == run_id), None)
    server = server_there(visitor.site.settings)
    flow_run = job.flow_run if job is not None else live.flow_run if live is not None else ""
    if server is not None and not flow_run:
        with talking_to(server):
            from deployments.console.on_worker import flow_run_of

            flow_run = flow_run_of(run_id) or ""
    if server is None or not flow_run:
        raise RefusalError(404, "Prefect’s server does not answer, or it does not know this run (any more).")
    pages = server["PREFECT_API_URL"].removesuffix("/api")
    return RedirectResponse(f"{pages}/runs/flow-run/{flow_run}", status_code=303)


def _run(connection: Connection, run_id: str) -> dict[str, Any]:
    run = find_run(connection, run_id)
    if run is None:
        raise RefusalError(404, "There is no such run. The history lists them all.")
    return run


def _page(connection: Connection, run_id: str, show: str, cut: Cut, codes: dict[str, int]) -> Page:
    if show == "changes":
        found = page_of_changes(connection, run_id, cut)
        return Page([{**row, "fields": json.loads(row["fields"])} for row in found.rows], found.total)
    found = page_of_issues(connection, run_id, cut, failed=show == "failed")
    counted = {code: count for code, count in codes.items() if not cut.only or code == cut.only}
    every = _failed(counted) if show == "failed" else sum(counted.values())
    return Page(found.rows, found.total if cut.search else every)


def _failed(codes: dict[str, int]) -> int:
    """How many of the issues are errors, which are always of a row."""
    return sum(count for code, count in codes.items() if code in CATALOGUE and CATALOGUE[code].severity == "error")


def _can_be_answered(connection: Connection, run: dict[str, Any]) -> bool:
    """Whether a held run can still be applied: an import as long as its file is kept, an undo as long as it is held."""
    if run["status"] != "held":
        return False
    if run["kind"] == "undo":
        target = find_run(connection, run["undoes"])
        return target is not None and target["status"] == "applied"
    return held_run_of(connection, run["profile"], run["checksum"], timestamp(datetime.now(UTC))) == run["id"]


def _role_for(run: dict[str, Any]) -> Role:
    return Role.ADMIN if run["kind"] == "undo" else Role.OPERATOR
