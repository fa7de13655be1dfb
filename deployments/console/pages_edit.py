"""One profile: its tabs, checked while one types, saved only when valid, every version kept."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console import editing
from deployments.console.access import Role
from deployments.console.first_rows import FirstRows, first_rows
from deployments.console.pages_plan import kept_file
from deployments.console.refusal import RefusalError
from deployments.console.saved import Saved, proved_profile, require_profile, saved_profile
from deployments.console.versions import ConflictError, diff
from deployments.console.web import Admin, CheckedForm, Form, Viewer, Visitor, go, page
from tasks.errors import Problem, ProfileError
from tasks.expression.compiled import compile_expression
from tasks.expression.errors import ExpressionError
from tasks.issue import Issue
from tasks.profile import Profile
from tasks.rendering.structure import StructureError, compile_structure
from tasks.run import timestamp

router = APIRouter()

EDITED: Final = ("basic", "prefilter", "variables", "structure", "brakes")
TABS: Final = (*EDITED, "automate", "history")


@dataclass(frozen=True)
class Checked:
    """An edit, looked at: what is wrong with it, what is worth saying, what the first rows become.

    `keeps_none` tells that the profile lets no beginning of a file be kept.
    """

    problems: list[Problem]
    warnings: tuple[Issue, ...] = ()
    rows: FirstRows | None = None
    by_row: str = ""
    keeps_none: bool = False


@router.get("/profiles/{name}")
def open_profile(name: str) -> Response:
    """The first tab."""
    return go(f"/profiles/{name}/basic")


@router.get("/profiles/{name}/{tab}")
def show_tab(request: Request, visitor: Viewer, name: str, tab: str) -> Response:
    """One tab of the profile."""
    saved = _saved(visitor, name, tab)
    if tab == "history":
        return _show_history(request, visitor, saved)
    checked = _checked(visitor, tab, saved.profile, saved.profile)
    return _tab_page(request, visitor, tab, saved=saved, checked=checked)


@router.post("/profiles/{name}/{tab}")
def save_tab(request: Request, visitor: Admin, name: str, tab: str, form: CheckedForm) -> Response:
    """Saves the tab when it is valid and nobody else saved in the meantime."""
    return save(request, visitor, name, tab, form) or go(f"/profiles/{name}/{tab}?saved=1")


def save(request: Request, visitor: Visitor, name: str, tab: str, form: Form) -> Response | None:
    """None when the tab is saved; else the page that says why not, with what was typed."""
    saved = _saved(visitor, name, tab)
    text = saved.text
    try:
        text = _edited(saved.text, tab, form)
        now = timestamp(datetime.now(UTC))
        visitor.site.versions.save(saved.path, text, form["version"], visitor.name, now)
    except ProfileError as error:
        checked = Checked(_local_problems(tab, form) or error.problems)
        return _tab_page(request, visitor, tab, status=422, saved=saved, form=form, checked=checked)
    except ConflictError as error:
        now_saved = _saved(visitor, name, tab)
        values: dict[str, Any] = {"diff": diff(error.now, text), "now": error.now}
        return _tab_page(request, visitor, tab, status=409, saved=now_saved, form=form, **values)
    visitor.note("save-profile", f"{name} {tab} {editing.version_of(text)}")
    return None


@router.post("/profiles/{name}/{tab}/check")
def check_tab(request: Request, visitor: Admin, name: str, tab: str, form: CheckedForm) -> Response:
    """What is wrong with the edit so far, and what the first rows become; nothing is saved."""
    saved = _saved(visitor, name, tab)
    problems = _local_problems(tab, form)
    if problems:
        return page(request, visitor, "check_part.html", checked=Checked(problems), tab=tab)
    try:
        profile = proved_profile(_edited(saved.text, tab, form), name)
    except ProfileError as error:
        return page(request, visitor, "check_part.html", checked=Checked(error.problems), tab=tab)
    checked = _checked(visitor, tab, profile, saved.profile)
    return page(request, visitor, "check_part.html", checked=checked, tab=tab)


def _tab_page(
    request: Request, visitor: Visitor, tab: str, *, saved: Saved, status: int = 200, **values: Any
) -> Response:
    defaults: dict[str, Any] = {"form": None, "diff": None, "now": "", "checked": None}
    shown: dict[str, Any] = {**defaults, **values, "tab": tab, "tabs": TABS}
    profile = saved.profile
    return page(
        request,
        visitor,
        f"tab_{tab}.html",
        status,
        name=profile.name,
        profile=profile,
        version=editing.version_of(saved.text),
        variables=_shown_variables(profile, shown["form"]),
        edits=tab in EDITED and visitor.may(Role.ADMIN),
        kept=kept_file(visitor, profile.name) if profile.type == "upload" else None,
        missing=_missing_credentials(profile) if tab == "basic" else [],
        saved="saved" in request.query_params,
        choose="choose" in request.query_params,
        **shown,
    )


def _missing_credentials(profile: Profile) -> list[str]:
    """The names of credentials that the environment of this console does not have; a Secret block may have them."""
    if profile.type != "url" or not profile.url:
        return []
    return sorted(name for name in profile.fetch.credential_names(profile.url) if name not in os.environ)


def _show_history(request: Request, visitor: Visitor, saved: Saved) -> Response:
    name = saved.profile.name
    versions = visitor.site.versions.of(name)
    asked = request.query_params.get("version", "")
    at = next((at for at, each in enumerate(versions) if not asked or asked == str(each.number)), None)
    lines = diff(versions[at + 1].text, versions[at].text) if at is not None and at + 1 < len(versions) else []
    values: dict[str, Any] = {"versions": versions, "chosen": at, "lines": lines, "text": saved.text}
    return page(request, visitor, "tab_history.html", name=name, tab="history", tabs=TABS, **values)


def _saved(visitor: Visitor, name: str, tab: str) -> Saved:
    if tab not in TABS:
        require_profile(visitor.site.settings, name)
        raise RefusalError(404, "There is no such page.")
    return saved_profile(visitor.site.settings, name)


def _edited(text: str, tab: str, form: Form) -> str:
    """The profile's text with the form's values in it."""
    match tab:
        case "basic":
            choices = form.chosen(*editing.BASIC, "auth", *editing.CREDENTIALS)
            if choices.get("delimiter") == "tab":
                choices["delimiter"] = "\t"
            if choices.get("auth", "none") not in editing.NEEDED:
                raise ProfileError("fetch", [Problem("choose how the server is asked: none, basic, bearer or header")])
            if choices.get("type") == "upload":
                choices |= {"url": "", "auth": "none" if "auth" in choices else ""}
            return editing.with_basic(text, choices)
        case "prefilter" | "structure":
            return editing.with_snippet(text, tab, form["source"])
        case "variables":
            return editing.with_variables(text, _variables(form))
        case "brakes":
            return editing.with_brakes(text, _brakes(form))
        case _:
            raise RefusalError(405, "This address does not take that request.")


def _variables(form: Form) -> dict[str, str]:
    """The variables of the form, as many as it has, less the row that its × removes.

    Raises: ProfileError for a name that stands twice, and for a source without a name.
    """
    pairs = zip(map(str.strip, form.all("variable")), form.all("source"), strict=False)
    rows = [(name, source) for at, (name, source) in enumerate(pairs) if str(at) != form["remove"]]
    kept = [(name, source) for name, source in rows if name or source.strip()]
    names = [name for name, _ in kept]
    problems = [Problem("a source has no name: name the variable, or empty its source")] if "" in names else []
    twice = dict.fromkeys(name for name in names if name and names.count(name) > 1)
    problems += [Problem(f"{name} stands twice: rename one of the two, or remove it") for name in twice]
    if problems:
        raise ProfileError("variables", problems)
    return dict(kept)


def _brakes(form: Form) -> dict[str, float]:
    try:
        return {name: float(value.replace(",", ".")) for name, value in form.chosen(*editing.BRAKES).items()}
    except ValueError:
        raise ProfileError("brakes", [Problem("a brake is a number, such as 20")]) from None


def _shown_variables(profile: Profile, form: Form | None) -> list[tuple[str, str]]:
    if form is not None and "variable" in form:
        return [pair for pair in zip(form.all("variable"), form.all("source"), strict=False) if any(pair)]
    return list(profile.variables.items())


def _local_problems(tab: str, form: Form) -> list[Problem]:
    """Problems of a snippet with lines counted in the snippet, as its editor shows them."""
    match tab:
        case "prefilter":
            return _problems_of(lambda: compile_expression(_text(form["source"]), name="prefilter"))
        case "structure":
            return _problems_of(lambda: compile_structure(_text(form["source"])))
        case "variables":
            try:
                return [problem for pair in _variables(form).items() for problem in _problems_of_variable(*pair)]
            except ProfileError as error:
                return error.problems
        case _:
            return []


def _problems_of_variable(name: str, source: str) -> list[Problem]:
    problems = _problems_of(lambda: compile_expression(_text(source), name=name))
    return [replace(problem, message=f"{name}: {problem.message}") for problem in problems]


def _problems_of(compiled: Callable[[], object]) -> list[Problem]:
    try:
        compiled()
    except (ExpressionError, StructureError) as error:
        return list(error.problems)
    return []


def _text(source: str) -> str:
    return source.replace("\r\n", "\n")


def _checked(visitor: Visitor, tab: str, profile: Profile, saved: Profile) -> Checked:
    if tab == "brakes":
        return Checked([])
    head = visitor.site.samples.of(saved)
    rows = first_rows(head, profile, tab, saved) if head is not None else None
    structure = compile_structure(profile.structure) if tab == "structure" else None
    return Checked(
        [],
        structure.warnings if structure else (),
        rows,
        structure.why_rows if structure else "",
        keeps_none=saved.secrets == "fingerprint",
    )
