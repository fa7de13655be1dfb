"""`rollcall automate`: what a person is told of it."""

import click

from deployments.server import connect
from deployments.terminal import out
from tasks.errors import WrongUseError
from tasks.profile_file import find_profile, load_profile
from tasks.settings import Settings

ONLY_FOR_URL = "An automated import is only recommended for the type Fetch from URL"


def start_automation(name: str, cron: str, timezone: str, settings: Settings, *, force: bool) -> None:
    """Schedules a profile and says when it runs next.

    Raises: WrongUseError for a profile of type upload without `force`, a bad schedule, or no server.
    """
    profile = load_profile(find_profile(name, settings))
    if profile.type == "upload" and not force:
        raise WrongUseError(
            "automate-upload",
            f"{ONLY_FOR_URL}: {profile.name} takes an upload, and a run by schedule has none. "
            "Give the profile a URL, or insist with --force.",
        )
    connect(settings)
    from deployments.automation import automate
    from deployments.deploy import refresh

    made = automate(profile, cron, timezone)
    refresh(settings)
    if profile.type == "upload":
        click.echo(f"{ONLY_FOR_URL}; {profile.name} takes an upload.", err=True)
    console = out()
    console.print(f"{made.profile} imports by itself: {made.cron} ({made.timezone}), one run at a time. Next:")
    for time in made.times:
        console.print(f"  {time:%a %Y-%m-%d %H:%M %Z}")


def stop_automating(name: str, settings: Settings) -> None:
    """Removes a profile's schedule, also of a profile whose file is gone."""
    connect(settings)
    from deployments.automation import stop_automation
    from deployments.deploy import refresh

    removed = stop_automation(name)
    refresh(settings)
    out().print(f"{name} no longer imports by itself." if removed else f"{name} has no schedule.")
