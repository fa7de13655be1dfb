"""The commands of who runs Rollcall, not of who imports: servers, schedules, keys, housekeeping."""

from pathlib import Path
from typing import Any, Final

import click

from deployments.told import told
from tasks.errors import WrongUseError
from tasks.settings import Settings


@click.group()
def key() -> None:
    """The key under which secrets lie."""


@key.command("rotate")
@told
def rotate_key() -> None:
    """Put a new key in force: everything is sealed anew, then the old key is forgotten."""
    from deployments.keys import rotate

    rotate(Settings())


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True, help="Where phones can reach it.")  # noqa: S104
@click.option("--port", default=8443, show_default=True, type=click.IntRange(1, 65535))
@told
def provisioning(host: str, port: int) -> None:
    """Serve phones their settings, over TLS, or in clear in the LAN where that is switched on."""
    from deployments.provisioning.serve import serve

    serve(Settings(), host, port)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@told
def upload(file: Path) -> None:
    """Keep a file sealed in the database, for a run that any worker may take; print its id."""
    from deployments.imports import upload_file

    click.echo(upload_file(file, Settings()))


@click.command()
@click.argument("profile")
@click.option("--cron", help='When, as cron says it: "0 12 * * *" is every noon.')
@click.option("--timezone", default="UTC", show_default=True, help="Of the schedule, such as Europe/Berlin.")
@click.option("--force", is_flag=True, help="Automate a profile of type upload all the same.")
@click.option("--off", is_flag=True, help="Remove the profile's schedule.")
@told
def automate(profile: str, cron: str | None, timezone: str, force: bool, off: bool) -> None:
    """Import a profile by itself, at the times of a schedule."""
    from deployments.automating import start_automation, stop_automating

    if (cron is None) == (not off):
        raise WrongUseError("automate-what", 'Say when with --cron "0 12 * * *", or remove the schedule with --off.')
    if cron is None:
        stop_automating(profile, Settings())
    else:
        start_automation(profile, cron, timezone, Settings(), force=force)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Of Prefect's pages; the last one or a free one otherwise.")
@told
def up(port: int | None) -> None:
    """Run Prefect's server, a worker and the console on this machine until Ctrl-C."""
    from deployments.up import run_up

    run_up(Settings(), port)


@click.command()
@click.option("--check", is_flag=True, help="Run none: say whether the one of this machine is online.")
@told
def worker(check: bool) -> None:
    """Run a worker: it takes the runs of Prefect's server, on this machine or another."""
    from deployments.worker import check_worker, run_worker

    if check:
        click.echo(f"{check_worker(Settings())} is online")
    else:
        run_worker(Settings())


@click.command()
@told
def doctor() -> int:
    """Check versions, database, key, storage, profiles, server, workers and clocks."""
    from deployments.doctor import run_doctor

    return run_doctor(Settings())


@click.command()
@click.option("--simulate", "only_simulate", is_flag=True, help="Say what would go; remove nothing.")
@told
def prune(only_simulate: bool) -> None:
    """Remove what the history keeps no longer: ROLLCALL_HISTORY_DAYS, _FAILED_DAYS, _HELD_DAYS."""
    from deployments.housekeeping import prune_history

    prune_history(Settings(), only_simulate=only_simulate)


@click.command()
@click.option("--clear", is_flag=True, required=True, help="Remove every cached output.")
@told
def cache(clear: bool) -> None:
    """Housekeeping of the cached outputs."""
    from tasks.cache import clear_cache

    click.echo(clear_cache(Settings()).sentence)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Any other address needs people or a proxy.")
@click.option("--port", default=8140, show_default=True, type=click.IntRange(1, 65535))
@click.option("--add-user", metavar="NAME", help="Ask for a password, let this person log in, and end.")
@click.option("--role", type=click.Choice(["viewer", "operator", "admin"]), default="operator", show_default=True)
@click.option("--proxy", metavar="ADDRESS", multiple=True, help="A reverse proxy whose header is believed.")
@click.option("--proxy-header", default="", help="The header in which it names the person.")
@told
def console(host: str, port: int, **choices: Any) -> None:
    """Serve the console: upload, look, decide, in a browser."""
    from deployments.console.serve import add_user, serve

    if choices["add_user"]:
        add_user(choices["add_user"], choices["role"], Settings())
    else:
        proxies = frozenset(choices["proxy"])
        serve(host, port, Settings(), proxy_header=choices["proxy_header"], proxies=proxies)


OPERATING: Final[tuple[click.Command, ...]] = (
    *(key, upload, automate, up, worker, console, provisioning),
    *(doctor, prune, cache),
)
