"""Login, logout, language."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.refusal import RefusalError
from deployments.console.web import LANGUAGE_COOKIE, AnyVisitor, CheckedForm, go, page, set_session
from deployments.console.words import LANGUAGES

router = APIRouter()


@router.get("/")
def start() -> Response:
    """The first page."""
    return go("/profiles")


@router.get("/login")
def ask(request: Request, visitor: AnyVisitor) -> Response:
    """Asks who it is."""
    if visitor.person is not None:
        return go("/profiles")
    return page(request, visitor, "login.html", message="")


@router.post("/login")
def log_in(request: Request, visitor: AnyVisitor, form: CheckedForm) -> Response:
    """Begins a session for the person whose password this is."""
    site = visitor.site
    keys = (f"address {visitor.address}", f"name {form['name']}")
    if not site.guesses.attempt(*keys):
        message = visitor.said("Too many attempts. Wait five minutes, then try again.")
        return page(request, visitor, "login.html", 429, message=message)
    person = site.access.proved(form["name"], form["password"]) if site.access.local is None else None
    if person is None:
        site.audit.note("nobody", "login-failed", form["name"][:80], address=visitor.address)
        return page(request, visitor, "login.html", 401, message=visitor.said("Name or password are not right."))
    site.guesses.forget(*keys)
    site.audit.note(person, "login", address=visitor.address)
    answer = go("/profiles")
    set_session(answer, request, site, site.sessions.start(person))
    return answer


@router.post("/logout")
def log_out(visitor: AnyVisitor, form: CheckedForm) -> Response:
    """Ends the session, wherever a copy of its cookie is."""
    del form
    visitor.site.sessions.end(visitor.session)
    visitor.note("logout")
    return go("/login")


@router.post("/language")
def choose_language(request: Request, visitor: AnyVisitor, form: CheckedForm) -> Response:
    """Keeps the language in a cookie."""
    language = form["language"]
    if language not in LANGUAGES:
        raise RefusalError(400, "This console speaks English and German.")
    back = form["back"]
    answer = go(back if back.startswith("/") and not back.startswith(("//", "/\\")) else "/profiles")
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=365 * 86400, samesite="strict", httponly=True)
    return answer
