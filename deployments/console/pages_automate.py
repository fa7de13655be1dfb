"""Automate: when a profile imports by itself, on Prefect's scheduler."""

import os
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import available_timezones

from fastapi import APIRouter, Request
from starlette.responses import Response

from deployments.console.pages_edit import TABS
from deployments.console.pages_plan import kept_file
from deployments.console.saved import require_profile, saved_profile
from deployments.console.web import Admin, CheckedForm, Form, Viewer, Visitor, go, page
from tasks.errors import WrongUseError
from tasks.profile import Profile

router = APIRouter()

PRESETS: Final = {
    "0 * * * *": "every hour",
    "0 12 * * *": "every day at noon",
    "30 5 * * *": "every day at 05:30",
    "30 5 * * 1-5": "Monday to Friday at 05:30",
    "30 5 * * 1": "every Monday at 05:30",
}
"""The schedules that most want, in words; any other one is written as cron writes it."""
USUAL: Final = "30 5 * * *"
OTHER: Final = "other"
ZONE_LINK: Final = Path("/etc/localtime")


@dataclass(frozen=True)
class Wish:
    """What the form says: a schedule, and that an upload profile shall be automated all the same."""

    cron: str
    timezone: str
    force: bool = False

    @property
    def preset(self) -> str:
        """Which choice of the form that is."""
        return self.cron if self.cron in PRESETS else OTHER


@router.get("/profiles/{name}/automate")
def show_schedule(request: Request, visitor: Viewer, name: str) -> Response:
    """When the profile imports by itself, and the form that changes it."""
    profile = _profile(visitor, name)
    found = visitor.site.schedules.first_standing().automations.get(name)
    wish = Wish(found.cron, found.timezone, force=True) if found else Wish(USUAL, zone_of_machine())
    return _page(request, visitor, profile, wish)


@router.post("/profiles/{name}/automate")
def save_schedule(request: Request, visitor: Admin, name: str, form: CheckedForm) -> Response:
    """Schedules the profile; an upload profile only when a person insists."""
    profile, wish = _profile(visitor, name), _wish(form)
    if profile.type == "upload" and not wish.force:
        return _page(request, visitor, profile, wish, 422, insist=True)
    try:
        visitor.site.schedules.automate(profile, wish.cron, wish.timezone)
    except WrongUseError as error:
        return _page(request, visitor, profile, wish, 422, problem=error.message)
    visitor.note("automate", f"{name} {wish.cron} {wish.timezone}")
    return go(f"/profiles/{name}/automate?saved=1")


@router.post("/profiles/{name}/automate/check")
def check_schedule(request: Request, visitor: Viewer, name: str, form: CheckedForm) -> Response:
    """The next five times of what the form says so far; nothing is saved."""
    require_profile(visitor.site.settings, name)
    times, problem = _times(visitor, _wish(form))
    return page(request, visitor, "times_part.html", times=times, problem=problem)


@router.post("/profiles/{name}/automate/off")
def switch_off(visitor: Admin, name: str, form: CheckedForm) -> Response:
    """Takes the schedule away."""
    del form
    require_profile(visitor.site.settings, name)
    visitor.site.schedules.stop(name)
    visitor.note("automate-off", name)
    return go(f"/profiles/{name}/automate?saved=1")


@cache
def zones() -> list[str]:
    """Every time zone's name."""
    return sorted(available_timezones())


@cache
def zone_of_machine() -> str:
    """The time zone of this machine by its name, UTC where it has none."""
    named = os.environ.get("TZ", "").lstrip(":") or str(ZONE_LINK.resolve()).partition("zoneinfo/")[2]
    return named if named in zones() else "UTC"


def _profile(visitor: Visitor, name: str) -> Profile:
    return saved_profile(visitor.site.settings, name).profile


def _wish(form: Form) -> Wish:
    chosen = form["preset"]
    cron = chosen if chosen in PRESETS else form["cron"].strip()
    return Wish(cron, form["timezone"].strip() or "UTC", "force" in form)


def _times(visitor: Visitor, wish: Wish) -> tuple[tuple[datetime, ...], str]:
    if not visitor.site.schedules.first_standing().there:
        return (), ""
    from deployments.automation import next_times

    try:
        return next_times(wish.cron, wish.timezone), ""
    except WrongUseError as error:
        return (), error.message


def _page(
    request: Request, visitor: Visitor, profile: Profile, wish: Wish, status: int = 200, **values: Any
) -> Response:
    standing = visitor.site.schedules.first_standing()
    times, problem = _times(visitor, wish)
    shown: dict[str, Any] = {"insist": False, "problem": problem, **values}
    return page(
        request,
        visitor,
        "automate.html",
        status,
        profile=profile,
        name=profile.name,
        tab="automate",
        tabs=TABS,
        standing=standing,
        automation=standing.automations.get(profile.name),
        wish=wish,
        times=times,
        presets=PRESETS,
        zones=zones(),
        saved="saved" in request.query_params,
        kept=kept_file(visitor, profile.name) if profile.type == "upload" else None,
        **shown,
    )
