"""Profiles: what there is and how it last went; a new one, proposed from a CSV."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.first_rows import FirstRows, first_rows
from deployments.console.outcome import work_on_plans
from deployments.console.pages_automate import PRESETS
from deployments.console.pages_live import work_under_way
from deployments.console.receive import Fields, Sink, receive_form
from deployments.console.refusal import RefusalError
from deployments.console.samples import whole_lines
from deployments.console.saved import BrokenProfileError, read_saved
from deployments.console.web import Admin, CheckedForm, Form, Viewer, go, page, require_token
from tasks.decode import decode_text
from tasks.dialect import resolve_dialect
from tasks.errors import ProfileError, RollcallError, WrongUseError
from tasks.output import Source, SourceFacts
from tasks.profile import Profile
from tasks.profile_file import load_template, new_profile, profile_files
from tasks.run import timestamp
from tasks.store.pages import last_runs
from tasks.store.views import owned_counts

router = APIRouter()

CHOICES = ("type", "url", "encoding", "delimiter", "line_separator", "enclosure")
_DEFAULTS = {
    "name": "",
    "type": "upload",
    "url": "",
    "encoding": "utf-8",
    "delimiter": ",",
    "line_separator": "auto",
    "enclosure": '"',
}


@dataclass(frozen=True)
class Listed:
    """A profile as the list shows it; one that cannot run has a problem in place of settings."""

    name: str
    profile: Profile | None
    problem: str
    last: dict[str, Any] | None

    @property
    def about(self) -> str:
        """What tells it from the others: its own title, its comments, or where it fetches from."""
        if self.profile is None:
            return self.problem
        own = self.profile.title if self.profile.title != _usual_title() else ""
        return own or next(iter(self.profile.comments.split("\n")), "") or _host(self.profile.url or "")


@router.get("/profiles")
def list_profiles(request: Request, visitor: Viewer) -> Response:
    """All profiles with the outcome of their last run; profiles that are gone and left records behind."""
    with visitor.site.store.open() as connection:
        last, owned = last_runs(connection), owned_counts(connection)
    listed = [_listed(path, last.get(path.stem)) for path in profile_files(visitor.site.settings)]
    orphans = {name: count for name, count in sorted(owned.items()) if name not in {each.name for each in listed}}
    every = visitor.site.jobs.all()
    work = work_on_plans(every)
    values: dict[str, Any] = {
        "profiles": listed,
        "plans": [(job, work.get(job.id)) for job in every if job.kind == "simulate"][:5],
        "under_way": work_under_way(visitor.site),
        "standing": visitor.site.schedules.standing(),
        "orphans": orphans,
        "last": last,
    }
    return page(request, visitor, "profiles.html", presets=PRESETS, **values)


@router.get("/profiles/new")
def ask_for_profile(request: Request, visitor: Admin) -> Response:
    """The form of a new profile."""
    return page(request, visitor, "new.html", values=_DEFAULTS, found=None, problem="")


@router.post("/profiles/new/look")
async def look_at_file(request: Request, visitor: Admin) -> Response:
    """Proposes every setting from a CSV, of which nothing is kept."""
    sink = _Nothing()

    def open_file(fields: Fields, name: str) -> Sink:
        del name
        require_token(request, visitor, Form(fields)["csrf"])
        return sink

    content_type, limit = request.headers.get("content-type", ""), visitor.site.settings.upload_limit_bytes
    received = await receive_form(content_type, request.stream(), limit, open_file)
    form = Form(received.fields)
    require_token(request, visitor, form["csrf"])
    if not received.name:
        raise RefusalError(400, "Choose a CSV file first.")
    values, found = proposal(received.head, whole=received.size_bytes <= len(received.head))
    typed = form.chosen("name", "type", "url")
    typed["name"] = typed.get("name") or _name_from(received.name)
    return page(request, visitor, "new.html", values={**values, **typed}, found=found, problem=found.error)


@router.post("/profiles/new")
def make_profile(request: Request, visitor: Admin, form: CheckedForm) -> Response:
    """Writes the profile from the template "Users from CSV"."""
    choices = {name: value for name, value in form.chosen(*CHOICES).items() if name != "url" or value.strip()}
    choices["delimiter"] = "\t" if choices.get("delimiter") == "tab" else choices.get("delimiter", ",")
    if choices.get("type") == "upload":
        choices.pop("url", None)
    try:
        path = new_profile(form["name"], visitor.site.settings, choices)
    except WrongUseError as error:
        problem = "\n".join(map(str, error.problems)) if isinstance(error, ProfileError) else error.message
        values = {**_DEFAULTS, **form.chosen("name", *CHOICES)}
        return page(request, visitor, "new.html", 422, values=values, found=None, problem=problem)
    visitor.site.versions.begin(path, visitor.name, timestamp(datetime.now(UTC)))
    visitor.note("new-profile", form["name"])
    visitor.site.schedules.renew_forms()
    return go(f"/profiles/{form['name']}/basic")


class _Nothing:
    """Takes the place of a file where only the beginning of an upload is looked at."""

    def write(self, data: bytes) -> None:
        del data

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass


@cache
def _usual_title() -> str:
    return load_template().title


def _host(url: str) -> str:
    """The host of a URL: the rest of it may hold what is not for a list."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _listed(path: Path, last: dict[str, Any] | None) -> Listed:
    try:
        return Listed(path.stem, read_saved(path).profile, "", last)
    except BrokenProfileError as error:
        return Listed(path.stem, None, error.message.splitlines()[0], last)


def proposal(head: bytes, *, whole: bool) -> tuple[dict[str, str], FirstRows]:
    """Settings that read the file, and its first rows read by them."""
    head = head if whole else whole_lines(head)
    asked = Profile(title="proposal", structure="{}", encoding="auto", delimiter="auto", enclosure="auto")
    try:
        text = decode_text(Source(data=head, facts=SourceFacts()), asked)
        dialect = resolve_dialect(text.data, asked)
    except RollcallError as error:
        return _DEFAULTS, FirstRows(error=error.message)
    encoding = text.facts.encoding
    found = {
        "encoding": "utf-8" if encoding == "ascii" else encoding,
        "delimiter": dialect.delimiter,
        "enclosure": dialect.enclosure or "none",
        "line_separator": _line_separator(text.data),
    }
    return {**_DEFAULTS, **found}, first_rows(head, asked.model_copy(update=found), "basic")


def _line_separator(data: bytes) -> str:
    pairs, feeds, returns = data.count(b"\r\n"), data.count(b"\n"), data.count(b"\r")
    if pairs and pairs == feeds == returns:
        return "windows"
    if feeds and not returns:
        return "unix"
    return "mac" if returns and not feeds else "auto"


def _name_from(file: str) -> str:
    stem = file.rpartition(".")[0] or file
    return "".join(character if character.isalnum() or character in "-_" else "-" for character in stem.lower())[:60]
