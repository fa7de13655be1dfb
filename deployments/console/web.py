"""What every page needs: who asks, in which language, whether the form is ours; and how a page is rendered."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, cast
from urllib.parse import parse_qs, urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from deployments.console import shown
from deployments.console.access import Access, Person, Role
from deployments.console.audit import Audit
from deployments.console.desk import Desk
from deployments.console.jobs import Jobs
from deployments.console.plans import Plans
from deployments.console.refusal import RefusalError
from deployments.console.samples import Samples
from deployments.console.schedules import Schedules
from deployments.console.sessions import COOKIE, LIFETIME_SECONDS, Guesses, Session, Sessions
from deployments.console.under_way import UnderWay
from deployments.console.versions import Versions
from deployments.console.words import Tongue, preferred, said
from tasks.settings import Settings
from tasks.store.pages import Cut
from tasks.store.store import Store, open_store

HERE: Final = Path(__file__).parent
FORM_BYTES: Final = 4 << 20
ROWS_A_PAGE: Final = 50
RUNS_COUNTED: Final = 256
LANGUAGE_COOKIE: Final = "rollcall_language"


class Counted:
    """How many issues of each code a run has: counting 100,000 takes time, and a run that is written never changes."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, dict[str, int]] = OrderedDict()

    def of(self, run: str, count: Callable[[], dict[str, int]]) -> dict[str, int]:
        """The counts of a run, counted once."""
        found = self._known.get(run)
        if found is None:
            found = self._known[run] = count()
            while len(self._known) > RUNS_COUNTED:
                self._known.popitem(last=False)
        return found


@dataclass(frozen=True)
class Site:
    """The console of one installation: everything that its pages reach."""

    settings: Settings
    store: Store
    access: Access
    sessions: Sessions
    guesses: Guesses
    audit: Audit
    jobs: Jobs
    desk: Desk
    plans: Plans
    samples: Samples
    versions: Versions
    schedules: Schedules
    under_way: UnderWay
    templates: Environment
    codes: Counted


def open_site(settings: Settings, access: Access) -> Site:
    """The console's parts, made once."""
    store = open_store(settings)
    home = settings.home / "console"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    jobs = Jobs(home / "jobs", store.keyring)
    jobs.sweep(time.time())
    desk = Desk(jobs)
    return Site(
        settings=settings,
        store=store,
        access=access,
        sessions=Sessions(store.keyring, home / "ended-sessions.json"),
        guesses=Guesses(),
        audit=Audit(settings.home / "audit.log"),
        jobs=jobs,
        desk=desk,
        plans=Plans(jobs),
        samples=Samples(home / "samples", store.keyring),
        versions=Versions(home / "versions"),
        schedules=Schedules(settings),
        under_way=UnderWay(settings, desk.recorder),
        templates=_environment(),
        codes=Counted(),
    )


def site_of(request: Request) -> Site:
    """The site that serves the request."""
    return request.app.state.site


@dataclass(frozen=True)
class Visitor:
    """Who asks; `person` is None before a login, `is_new` when the browser has no session yet."""

    site: Site
    session: Session
    person: Person | None
    language: str
    address: str
    is_new: bool

    @property
    def name(self) -> str:
        """The visitor's name, empty before a login."""
        return self.person.name if self.person else ""

    def may(self, role: Role) -> bool:
        """Whether the visitor has this role or a higher one."""
        return self.person is not None and self.person.role >= role

    def note(self, action: str, subject: str = "") -> None:
        """Writes an action into the audit log."""
        self.site.audit.note(self.person or "nobody", action, subject, address=self.address)

    def said(self, text: str, **words: object) -> str:
        """A text in the visitor's language."""
        return said(text, self.language, **words)


def visitor_of(request: Request) -> Visitor:
    """Who asks, by session cookie, by proxy, or because only this machine can."""
    site = site_of(request)
    address = request.client.host if request.client else ""
    session = site.sessions.read(request.cookies.get(COOKIE))
    found = session or site.sessions.start(None)
    person = site.access.local
    if person is None and site.access.proxy_header:
        person = site.access.vouched(address, request.headers.get(site.access.proxy_header))
    if person is None and found.person is not None:
        person = site.access.still(found.person)
    language = preferred(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))
    return Visitor(site, found, person, language, address, is_new=session is None)


AnyVisitor = Annotated[Visitor, Depends(visitor_of)]


def _needs(role: Role) -> Callable[[Visitor], Visitor]:
    def check(visitor: AnyVisitor) -> Visitor:
        if visitor.person is None:
            raise RefusalError(401, "Log in first.")
        if not visitor.may(role):
            raise RefusalError(
                403, "Your role is {role}; this needs {needed}.", role=visitor.person.role.word, needed=role.word
            )
        return visitor

    return check


Viewer = Annotated[Visitor, Depends(_needs(Role.VIEWER))]
Operator = Annotated[Visitor, Depends(_needs(Role.OPERATOR))]
Admin = Annotated[Visitor, Depends(_needs(Role.ADMIN))]


class Form:
    """The fields of a form, each a list of texts."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        return self._fields.get(name, [""])[0]

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def all(self, name: str) -> list[str]:
        """Every value of a field that stands more than once in the form."""
        return self._fields.get(name, [])

    def chosen(self, *names: str) -> dict[str, str]:
        """The fields of these names that the form has."""
        return {name: self[name] for name in names if name in self}


async def form_of(request: Request, visitor: AnyVisitor) -> Form:
    """The form, when it comes from a page of this very session.

    Raises: RefusalError for a forged, a foreign or a huge one.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES:
            raise RefusalError(413, "This form is too large.")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=5000)
    except ValueError:
        raise RefusalError(400, "This is no form of the console.") from None
    form = Form(fields)
    require_token(request, visitor, form["csrf"])
    return form


def require_token(request: Request, visitor: Visitor, token: str) -> None:
    """Nothing, for a form of this session.

    Raises: RefusalError for a form that another site or an old page sent.
    """
    foreign = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    if foreign or visitor.is_new or not visitor.site.sessions.is_token(visitor.session, token):
        raise RefusalError(
            403, "This form is not from a page of your session. Open the page again, and send it from there."
        )


CheckedForm = Annotated[Form, Depends(form_of)]


def page(request: Request, visitor: Visitor, template: str, /, status: int = 200, **values: Any) -> Response:
    """A page, or a part of one, in the visitor's language."""
    site = visitor.site
    text = site.templates.get_template(template).render(
        _=Tongue(visitor.language),
        visitor=visitor,
        person=visitor.person,
        language=visitor.language,
        roles=Role,
        token=site.sessions.token(visitor.session),
        path=request.url.path,
        login_there=site.access.local is None and not site.access.proxy_header,
        **values,
    )
    answer = HTMLResponse(text, status_code=status)
    if visitor.is_new:
        set_session(answer, request, site, visitor.session)
    return answer


def set_session(answer: Response, request: Request, site: Site, session: Session) -> None:
    """Gives the browser its session: no script reads it, no other site sends it."""
    answer.set_cookie(
        COOKIE,
        site.sessions.cookie(session),
        max_age=LIFETIME_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def go(path: str) -> Response:
    """On to another page, by GET."""
    return RedirectResponse(path, status_code=303)


@dataclass(frozen=True)
class Pager:
    """Where one is in a long list, and how to go on."""

    cut: Cut
    total: int
    path: str
    query: Mapping[str, str]

    @property
    def number(self) -> int:
        """The page, from 1."""
        return self.cut.offset // self.cut.limit + 1

    @property
    def pages(self) -> int:
        """How many pages there are, at least 1."""
        return max(1, -(-self.total // self.cut.limit))

    def to(self, number: int, **changes: str) -> str:
        """The address of another page, or of this list with another choice."""
        chosen = {**self.query, **changes, "page": str(number) if number > 1 else ""}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"{self.path}?{query}" if query else self.path


def cut_of(request: Request) -> Cut:
    """Which part of a list the address asks for; nonsense counts as nothing."""
    query = request.query_params
    digits = query.get("page", "1")
    number = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else 1
    search, only = (query.get(name, "").replace("\x00", "")[:200].strip() for name in ("search", "only"))
    return Cut(search, only, limit=ROWS_A_PAGE, offset=(max(number, 1) - 1) * ROWS_A_PAGE)


def pager(request: Request, cut: Cut, total: int) -> Pager:
    """The pager of the list that the address shows."""
    return Pager(cut, total, request.url.path, dict(request.query_params))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = cast("dict[str, Any]", environment.filters)  # pyright: ignore[reportUnknownMemberType] - untyped in Jinja2
    looks = (shown.cell, shown.plain, shown.when, shown.size, shown.number, shown.mac, shown.weekday)
    filters.update({look.__name__: look for look in looks})
    return environment
