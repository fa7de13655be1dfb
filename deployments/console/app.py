"""The console as an ASGI application: its pages, its headers, and what a person sees when something is refused."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from deployments.console import (
    pages_automate,
    pages_edit,
    pages_history,
    pages_live,
    pages_people,
    pages_plan,
    pages_profiles,
    pages_save,
    pages_session,
)
from deployments.console.access import Access
from deployments.console.headers import SafeHeaders
from deployments.console.refusal import RefusalError
from deployments.console.saved import BrokenProfileError
from deployments.console.web import HERE, Site, go, open_site, page, visitor_of
from tasks.errors import RollcallError
from tasks.settings import Settings
from tasks.uploads import forget_expired_uploads

TIDY_SECONDS: Final = 600
_SENTENCES: Final = {404: "There is no such page.", 405: "This address does not take that request."}


def create_app(settings: Settings, access: Access) -> FastAPI:
    """The console of an installation."""
    site = open_site(settings, access)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None]:
        site.desk.warm()
        site.schedules.standing()
        tidying = asyncio.create_task(_tidy(site))
        yield
        tidying.cancel()
        site.schedules.close()
        site.under_way.close()
        site.desk.close()

    app = FastAPI(title="Rollcall console", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)
    app.state.site = site
    for pages in (
        pages_session,
        pages_profiles,
        pages_plan,
        pages_automate,
        pages_edit,
        pages_live,
        pages_save,
        pages_history,
        pages_people,
    ):
        app.include_router(pages.router)
    app.mount("/static", _Static(directory=HERE / "static"), name="static")
    app.add_middleware(SafeHeaders, hosts=access.hosts)
    _add_refusals(app)
    return app


async def _tidy(site: Site) -> None:
    """Takes away what is kept no longer, whether anybody works or not."""
    while True:
        await run_in_threadpool(site.jobs.sweep, time.time())
        with suppress(RollcallError):
            await run_in_threadpool(forget_expired_uploads, site.store, datetime.now(UTC))
        await asyncio.sleep(TIDY_SECONDS)


class _Static(StaticFiles):
    """Our own files; a browser may keep them, but asks whether they are still the same."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # pyright: ignore[reportArgumentType] - passed on as they come
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def _add_refusals(app: FastAPI) -> None:
    @app.exception_handler(RefusalError)
    def refused(request: Request, refusal: RefusalError) -> Response:
        visitor = visitor_of(request)
        site: Site = app.state.site
        if refusal.status == 401 and site.access.local is None and not site.access.proxy_header:
            return go("/login")
        return page(
            request, visitor, "refused.html", refusal.status, message=visitor.said(refusal.message, **refusal.words)
        )

    @app.exception_handler(BrokenProfileError)
    def broken(request: Request, error: BrokenProfileError) -> Response:
        status = 200 if request.method == "GET" else 409
        values = {"name": error.name, "text": error.text, "problems": error.problems}
        return page(request, visitor_of(request), "broken.html", status, **values)

    @app.exception_handler(RollcallError)
    def failed(request: Request, error: RollcallError) -> Response:
        return page(request, visitor_of(request), "refused.html", 409, message=error.message)

    @app.exception_handler(HTTPException)
    def unknown(request: Request, error: HTTPException) -> Response:
        visitor = visitor_of(request)
        sentence = _SENTENCES.get(error.status_code, "This request cannot be done.")
        return page(request, visitor, "refused.html", error.status_code, message=visitor.said(sentence))

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        visitor = visitor_of(request)
        return page(request, visitor, "refused.html", 422, message=visitor.said("This request cannot be done."))

    del refused, broken, failed, unknown, invalid
