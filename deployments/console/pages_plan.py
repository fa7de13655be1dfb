"""Plans: upload and simulate, watch, look, decide; and the import that applies exactly what was seen."""

import json
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from deployments.console.jobs import Job
from deployments.console.outcome import stopped, work_on_plans
from deployments.console.receive import Fields, Received, receive_form
from deployments.console.refusal import RefusalError
from deployments.console.saved import require_profile, saved_profile
from deployments.console.steps import steps_of
from deployments.console.web import (
    Admin,
    CheckedForm,
    Form,
    Operator,
    Viewer,
    Visitor,
    cut_of,
    go,
    page,
    pager,
    require_token,
)
from tasks.errors import WrongUseError
from tasks.store.runs import find_run
from tasks.uploads import UploadLimits, UploadWriter, find_upload, forget_upload

router = APIRouter()


@router.post("/profiles/{name}/simulate")
async def simulate(request: Request, visitor: Operator, name: str) -> Response:
    """Takes the file, seals it as it comes, and has the plan made."""
    require_profile(visitor.site.settings, name)
    received, upload = await receive_upload(request, visitor)
    return await run_in_threadpool(begin_simulation, visitor, name, received, upload)


def kept_file(visitor: Visitor, name: str) -> Job | None:
    """The newest job of the profile whose file still waits: it can be simulated again without another upload."""
    mine = (job for job in visitor.site.jobs.all() if job.profile == name and job.upload)
    return next((job for job in mine if _has_its_file(visitor, job)), None)


def begin_simulation(visitor: Visitor, name: str, received: Received, upload: str) -> Response:
    """Has the plan made, of the upload or else of the profile's last file."""
    site = visitor.site
    profile = saved_profile(site.settings, name).profile
    wants_file = profile.type == "upload"
    last = kept_file(visitor, name) if wants_file and not upload else None
    if wants_file and not upload and last is None:
        raise RefusalError(400, "Choose a CSV file first.")
    facts: dict[str, Any] = last.source if last else {}
    if upload:
        site.samples.keep(profile, received.head, whole=received.size_bytes <= len(received.head), upload=upload)
        facts = {"file": received.name, "size_bytes": received.size_bytes, "upload": upload}
    if upload and not wants_file:
        forget_upload(site.store, upload)
        facts = {}
    job = site.jobs.new("simulate", name, visitor.name, **facts)
    visitor.note("simulate", f"{name} {job.id}")
    site.desk.hand_over(job)
    return go(f"/plans/{job.id}")


async def receive_upload(request: Request, visitor: Visitor) -> tuple[Received, str]:
    """The form of the request; its file lies sealed in the database afterwards, under the id that is given as well."""
    site, opened = visitor.site, list[UploadWriter]()
    limits = UploadLimits(site.settings.upload_limit_bytes, timedelta(hours=site.settings.upload_hours))

    def open_file(fields: Fields, name: str) -> UploadWriter:
        require_token(request, visitor, Form(fields)["csrf"])
        opened.append(UploadWriter(site.store, name, datetime.now(UTC), limits))
        return opened[0]

    chunks: AsyncIterator[bytes] = request.stream()
    received = await receive_form(request.headers.get("content-type", ""), chunks, limits.size_bytes, open_file)
    require_token(request, visitor, Form(received.fields)["csrf"])
    return received, opened[0].upload.id if opened else ""


@router.get("/plans/{job_id}")
def show_plan(request: Request, visitor: Viewer, job_id: str) -> Response:
    """The plan; its progress as long as it is made."""
    job = _job(visitor, job_id)
    if job.kind in {"import", "undo"} and job.status == "done" and job.run:
        return go(f"/runs/{job.run}")
    plan = visitor.site.plans.of(job_id) if job.status == "done" else None
    if plan is None:
        ending = stopped(job, visitor.site.store) if job.status == "failed" else None
        return page(
            request,
            visitor,
            "progress.html",
            job=job,
            steps=steps_of(job.kind, job.steps),
            now=time.time(),
            ending=ending,
        )
    cut, show = cut_of(request), request.query_params.get("show", "changes")
    show = show if show in {"changes", "phones", "issues"} else "changes"
    pages = {"changes": plan.page_of_changes, "phones": plan.page_of_phones, "issues": plan.page_of_issues}
    found = pages[show](cut)
    values: dict[str, Any] = {"job": job, "plan": plan, "head": plan.head, "show": show, "rows": found.rows}
    has_failed = (visitor.site.jobs.place(job_id) / "failed").is_file()
    work = work_on_plans(visitor.site.jobs.all()).get(job.id)
    return page(
        request,
        visitor,
        "plan.html",
        pager=pager(request, cut, found.total),
        has_failed=has_failed,
        has_file=_has_its_file(visitor, job),
        work=work,
        **values,
    )


@router.get("/plans/{job_id}/progress")
def show_progress(request: Request, visitor: Viewer, job_id: str) -> Response:
    """The part of the page that moves while work is done; htmx asks for it, and goes on when all is over."""
    job = _job(visitor, job_id)
    if job.over:
        return Response(headers={"HX-Redirect": f"/plans/{job_id}"})
    return page(request, visitor, "progress_part.html", job=job, steps=steps_of(job.kind, job.steps), now=time.time())


@router.post("/plans/{job_id}/import")
def import_plan(visitor: Operator, job_id: str, form: CheckedForm) -> Response:
    """Applies exactly this plan; a held one only when it is approved."""
    job, site = _job(visitor, job_id), visitor.site
    plan = site.plans.of(job_id)
    if plan is None or job.kind != "simulate":
        raise RefusalError(409, "This plan is not there any more. Simulate again.")
    checksum, approve = str(plan.head["checksum"]), form["approve"]
    if plan.head["held"] and approve != checksum:
        raise RefusalError(409, "A brake holds this plan. Look at it, and approve it there.")
    if running := _work_on(visitor, job, "This plan was imported already. Simulate again."):
        return running
    if not _has_its_file(visitor, job):
        raise RefusalError(409, "The file is not kept any more. Upload it again.")
    facts = {"approve": checksum} if plan.head["held"] else {"expected": checksum}
    made = site.jobs.new("import", job.profile, visitor.name, **job.source, of=job.id, **facts)
    visitor.note("approve" if plan.head["held"] else "import", f"{job.profile} {checksum}")
    site.desk.hand_over(made)
    return go(f"/plans/{made.id}")


@router.post("/runs/{run_id}/undo")
def look_at_undo(visitor: Admin, run_id: str, form: CheckedForm) -> Response:
    """Has the plan of an undo made; nothing is written."""
    del form
    site = visitor.site
    with site.store.open() as connection:
        run = find_run(connection, run_id)
    if run is None:
        raise RefusalError(404, "There is no such run. The history lists them all.")
    made = site.jobs.new("simulate-undo", str(run["profile"]), visitor.name, undoes=run_id)
    visitor.note("simulate-undo", run_id)
    site.desk.hand_over(made)
    return go(f"/plans/{made.id}")


@router.post("/plans/{job_id}/undo")
def undo(visitor: Admin, job_id: str, form: CheckedForm) -> Response:
    """Takes a run back, exactly as its plan was seen."""
    job, site = _job(visitor, job_id), visitor.site
    plan = site.plans.of(job_id)
    if plan is None or job.kind != "simulate-undo":
        raise RefusalError(409, "This plan is not there any more. Simulate again.")
    if form["approve"] != plan.head["checksum"]:
        raise RefusalError(409, "A brake holds this plan. Look at it, and approve it there.")
    if running := _work_on(visitor, job, "This run was taken back already. The history tells of it."):
        return running
    made = site.jobs.new("undo", job.profile, visitor.name, undoes=job.undoes, of=job.id, approve=form["approve"])
    visitor.note("undo", job.undoes)
    site.desk.hand_over(made)
    return go(f"/plans/{made.id}")


@router.post("/plans/{job_id}/again")
def simulate_again(visitor: Operator, job_id: str, form: CheckedForm) -> Response:
    """Makes the plan anew from the same file."""
    del form
    job, site = _job(visitor, job_id), visitor.site
    if not _has_its_file(visitor, job):
        raise RefusalError(409, "The file is not kept any more. Upload it again.")
    kind = "simulate-undo" if job.undoes else "simulate"
    made = site.jobs.new(kind, job.profile, visitor.name, **job.source, undoes=job.undoes)
    visitor.note("simulate", f"{job.profile} {made.id}")
    site.desk.hand_over(made)
    return go(f"/plans/{made.id}")


@router.post("/plans/{job_id}/discard")
def discard(visitor: Operator, job_id: str, form: CheckedForm) -> Response:
    """Deletes the plan and its file."""
    del form
    job = _job(visitor, job_id)
    visitor.site.jobs.discard(job_id)
    if job.upload and all(other.upload != job.upload for other in visitor.site.jobs.all()):
        forget_upload(visitor.site.store, job.upload)
        visitor.site.samples.forget_upload(job.profile, job.upload)
    visitor.note("discard", f"{job.profile} {job_id}")
    return go(f"/profiles/{job.profile}/basic")


@router.get("/plans/{job_id}/plan.json")
def download_plan(visitor: Viewer, job_id: str) -> Response:
    """The plan as `rollcall simulate --save` writes it."""
    job, plan = _job(visitor, job_id), visitor.site.plans.of(job_id)
    if plan is None:
        raise RefusalError(404, "This plan is not there any more. Simulate again.")
    content = json.dumps(plan.document(job.profile), ensure_ascii=False, indent=2)
    return Response(content, media_type="application/json", headers=attachment(job.profile, "plan.json"))


@router.get("/plans/{job_id}/failed.csv")
def download_failed_rows(visitor: Operator, job_id: str) -> Response:
    """The rows that did not get in, as CSV, ready to mend and to upload again. They hold what the file held."""
    job = _job(visitor, job_id)
    content = visitor.site.jobs.failed_rows(job_id)
    if content is None:
        raise RefusalError(404, "No row of this plan failed, or its rows are not kept any more.")
    visitor.note("failed-rows", f"{job.profile} {job_id}")
    return Response(content, media_type="text/csv; charset=utf-8", headers=attachment(job.profile, "failed.csv"))


def _job(visitor: Visitor, job_id: str) -> Job:
    job = visitor.site.jobs.read(job_id)
    if job is None:
        raise RefusalError(404, "This plan is not there any more. Plans are kept for 24 hours; simulate again.")
    return job


def _work_on(visitor: Visitor, plan: Job, done: str) -> Response | None:
    """On to the work on this plan that is not over; None where there is none.

    Raises: RefusalError where the plan is applied.
    """
    work = work_on_plans(visitor.site.jobs.all()).get(plan.id)
    if work is None:
        return None
    if work.over:
        raise RefusalError(409, done)
    return go(f"/plans/{work.id}")


def _has_its_file(visitor: Visitor, job: Job) -> bool:
    """Whether the upload of a plan still waits; a profile that fetches needs none."""
    if not job.file:
        return True
    try:
        find_upload(visitor.site.store, job.upload, datetime.now(UTC))
    except WrongUseError:
        return False
    return True


def attachment(profile: str, name: str) -> dict[str, str]:
    """The headers of a download."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", profile)
    return {"Content-Disposition": f'attachment; filename="{plain}-{name}"'}
