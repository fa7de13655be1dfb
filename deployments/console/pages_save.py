"""Save and simulate: the edit is saved like any other, and what it does to a file is shown at once."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from deployments.console.pages_edit import EDITED, save
from deployments.console.pages_plan import begin_simulation, receive_upload
from deployments.console.receive import Received
from deployments.console.refusal import RefusalError
from deployments.console.web import Admin, Form, Visitor, go
from tasks.uploads import forget_upload

router = APIRouter()


@router.post("/profiles/{name}/{tab}/simulate")
async def save_and_simulate(request: Request, visitor: Admin, name: str, tab: str) -> Response:
    """Saves the tab, and has the plan made: of the file that came along, or of the last one."""
    received, upload = await receive_upload(request, visitor)
    refused = await run_in_threadpool(_save, request, visitor, name, tab, received)
    if refused is None:
        return await run_in_threadpool(_begin, visitor, name, tab, received, upload)
    if upload:
        await run_in_threadpool(forget_upload, visitor.site.store, upload)
    if isinstance(refused, RefusalError):
        raise refused
    return refused


def _save(
    request: Request, visitor: Visitor, name: str, tab: str, received: Received
) -> Response | RefusalError | None:
    if tab not in EDITED:
        return RefusalError(404, "There is no such page.")
    try:
        return save(request, visitor, name, tab, Form(received.fields))
    except RefusalError as refused:
        return refused


def _begin(visitor: Visitor, name: str, tab: str, received: Received, upload: str) -> Response:
    try:
        return begin_simulation(visitor, name, received, upload)
    except RefusalError:
        return go(f"/profiles/{name}/{tab}?saved=1&choose=1")
