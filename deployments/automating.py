"""`rollcall automate`: what a person is told of it."""

import click

from deployments.server import connect
from deployments.terminal import out
from tasks.errors import WrongUseError
from tasks.profile_file import find_profile, load_profile, profile_name, require_in_folder
from tasks.settings import Settings

ONLY_FOR_URL = "An automated import is only recommended for the type Fetch from URL"


def start_automation(name: str, cron: str, timezone: str, settings: Settings, *, force: bool) -> None:
    """Schedules a profile and says when it runs next.

    Raises: WrongUseError for a profile that workers do not find, one of type upload without `force`, a bad schedule, or
    no server.
    """
    path = find_profile(name, settings)
    require_in_folder(path, settings)
    profile = load_profile(path)
    if profile.type == "upload" and not force:
        raise WrongUseError(
            "automate-upload",
            f"{ONLY_FOR_URL}: {profile.name} takes an upload, and a run by schedule has none. "
            "Give the profile a URL, or insist with --force.",
        )
    connect(settings)
    from deployments.automation import automate
    from deployments.deploy import remove_gone, renew_forms

    made = automate(profile, cron, timezone)
    renew_forms(settings)
    tell_gone(remove_gone(settings), settings)
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
    from deployments.deploy import remove_gone, renew_forms

    profile = profile_name(name)
    removed = stop_automation(profile)
    renew_forms(settings)
    tell_gone(remove_gone(settings), settings)
    out().print(f"{profile} no longer imports by itself." if removed else f"{profile} has no schedule.")


def tell_gone(profiles: list[str], settings: Settings) -> None:
    """Says whose schedules were removed, so that nobody waits for imports that no longer come."""
    if profiles:
        click.echo(
            f"The schedules of {', '.join(profiles)} were removed: there is no such profile in "
            f"{settings.profiles.absolute()}. Is that the folder that the others use, too?",
            err=True,
        )
