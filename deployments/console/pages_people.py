"""People and phones: what the phone system holds."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.refusal import RefusalError
from deployments.console.web import Viewer, cut_of, page, pager
from tasks.store.pages import Page, page_of_phones, page_of_users
from tasks.store.seen import list_seen
from tasks.store.views import find_user, show_login

router = APIRouter()


@router.get("/people")
def list_people(request: Request, visitor: Viewer) -> Response:
    """Everybody, found by login, name, extension or e-mail address."""
    cut = cut_of(request)
    with visitor.site.store.open() as connection:
        found = page_of_users(connection, cut)
    return page(request, visitor, "people.html", people=found.rows, pager=pager(request, cut, found.total))


@router.get("/people/{login}")
def show_person(request: Request, visitor: Viewer, login: str) -> Response:
    """One person: as he is, and what runs did to him."""
    with visitor.site.store.open() as connection:
        user = find_user(connection, login)
        story = show_login(connection, login)
    if user is None and not story:
        raise RefusalError(404, "No run ever changed this person, and the phone system does not know him.")
    return page(request, visitor, "person.html", login=login, user=user, story=story[::-1])


@router.get("/phones")
def list_phones(request: Request, visitor: Viewer) -> Response:
    """Every phone, assigned or free, and the ones that asked for their settings and are nobody's."""
    cut = cut_of(request)
    with visitor.site.store.open() as connection:
        seen = [phone for phone in list_seen(connection) if cut.search.lower() in " ".join(phone.values()).lower()]
        found = page_of_phones(connection, cut) if cut.only != "seen" else Page([], len(seen))
    shown = seen[cut.offset :][: cut.limit] if cut.only == "seen" else found.rows
    pages = pager(request, cut, found.total)
    return page(request, visitor, "phones.html", phones=shown, seen=len(seen), pager=pages)
