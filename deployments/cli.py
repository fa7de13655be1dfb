"""The command line `rollcall`: reads its words, calls the house, turns the outcome into text and an exit code.

Everything heavy is imported by the command that needs it: `simulate` never waits for an orchestrator.
"""

import atexit
import errno
import gc
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from deployments.cli_operating import OPERATING
from deployments.told import as_json, print_error, told
from tasks.errors import WrongUseError
from tasks.settings import Settings

EXIT_REJECTED: Final = 1
EXIT_HELD: Final = 4


def main() -> None:
    """The entry point: wrong use is exit 2, every expected failure its own code, never a traceback."""
    # Importing libraries makes many objects and no garbage; collecting as often as by default costs a sixth of a start.
    gc.set_threshold(100_000)
    ended: list[int] = []
    # Registered first, it is called last, when all others have done what they had to do.
    atexit.register(_leave_at_once, ended)
    try:
        # Outside its standalone mode click returns the code of an Exit instead of raising it.
        code = rollcall(standalone_mode=False) or 0
        ended.append(code)
        sys.exit(code)
    except click.ClickException as error:
        if "--json" in sys.argv:
            print_error("wrong-use", error.format_message())
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except OSError as error:
        # One of a path is told by the command itself: this is the terminal, pipe or disk that takes what we print.
        ended.append(_tell_unprinted(error))


def _leave_at_once(ended: list[int]) -> None:
    """Ends the process without taking Python apart, which costs a seventh of a simulation and frees what ends anyway.

    Only after a command that came to its end; whatever else happens ends as Python does.
    """
    if not ended:
        return
    logging.shutdown()
    code = ended[0]
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _tell_unprinted(error)
    os._exit(code)


def _tell_unprinted(error: OSError) -> int:
    """The exit code where nobody takes what we print; a reader that has read enough, as `head`, is told nothing."""
    if error.errno == errno.EPIPE:
        return 1
    with suppress(OSError):
        told = (
            f"What was to be printed could not be written: {error.strerror}. What was done stands in `rollcall runs`."
        )
        sys.stderr.write(f"{told}\n")
        sys.stderr.flush()
    return 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="rollcall", prog_name="rollcall")
def rollcall() -> None:
    """Brings a phone system in line with the CSV of users that a company already keeps."""


@rollcall.command()
@as_json
@told
def profiles(as_json: bool) -> None:
    """List the profiles."""
    from deployments.profiles import list_profiles

    list_profiles(Settings(), as_json=as_json)


@rollcall.command()
@click.argument("profile")
@click.option("--strict", is_flag=True, help="Take warnings for errors: a key that is not imported, for example.")
@told
def check(profile: str, strict: bool) -> None:
    """Prove a profile valid: errors with file, line and column, all at once."""
    from deployments.profiles import check_profile

    check_profile(profile, Settings(), strict=strict)


@rollcall.command()
@click.argument("name")
@click.option("--type", "type_", type=click.Choice(["upload", "url"]), help="Where the CSV comes from.")
@click.option("--url", help="The CSV's URL, for type url.")
@click.option("--encoding", help="A Python codec name, or auto.")
@click.option("--delimiter", help="One character, or auto.")
@click.option("--line-separator", type=click.Choice(["windows", "unix", "mac", "auto"]))
@click.option("--enclosure", help="One character, none, or auto.")
@told
def new(name: str, **choices: str | None) -> None:
    """Write a profile from the template "Users from CSV"."""
    from tasks.profile_file import new_profile

    given = {key.rstrip("_"): value for key, value in choices.items() if value is not None}
    if "url" in given:
        given.setdefault("type", "url")
    path = new_profile(name, Settings(), given)
    _renew_forms()
    click.echo(path)
    file = "" if given.get("type") == "url" else " FILE.csv"
    click.echo(f"Look at it, then: rollcall simulate {name}{file}", err=True)


@rollcall.command()
@click.argument("profile")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@as_json
@click.option("--save", type=click.Path(path_type=Path), help="Keep the plan, without secrets, for import --plan.")
@told
def simulate(profile: str, file: Path | None, as_json: bool, save: Path | None) -> int:
    """Make and show the plan; write nothing."""
    from deployments.imports import save_plan, simulate_file
    from deployments.progress import shown_steps

    with shown_steps():
        report = simulate_file(profile, file, Settings())
    if save is not None:
        save_plan(report, save)
    return _shown(report, as_json)


@rollcall.command("import")
@click.argument("profile")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@as_json
@click.option("--plan", type=click.Path(path_type=Path), help="Apply exactly this saved plan, or refuse it as stale.")
@click.option("--approve", metavar="CHECKSUM", help="Let the held plan with this checksum pass.")
@told
def import_(profile: str, file: Path | None, as_json: bool, plan: Path | None, approve: str | None) -> int:
    """Bring the phone system in line with the CSV."""
    from deployments.imports import import_file, saved_checksum
    from deployments.progress import shown_steps

    if plan is not None and approve is not None:
        raise WrongUseError("plan-and-approve", "Use --plan or --approve, not both: each names the plan that may pass.")
    expected = saved_checksum(plan) if plan is not None else None
    with shown_steps():
        report = import_file(profile, file, Settings(), approve=approve, expected=expected)
    return _shown(report, as_json)


@rollcall.command()
@click.option("--profile", help="Only the users of this profile, in its columns.")
@click.option("--format", "form", type=click.Choice(["csv", "io-json"]), default="csv", show_default=True)
@click.option("--with-secrets", is_flag=True, help="With io-json: passwords and pins in clear.")
@told
def export(profile: str | None, form: str, with_secrets: bool) -> None:
    """Write a CSV that imports again with no change, or the phone system's own import JSON."""
    from deployments.export import export_users

    export_users(profile, form, Settings(), with_secrets=with_secrets)


@rollcall.command()
@click.argument("login")
@told
def reveal(login: str) -> None:
    """Show a person's pin, initial password and softphone account, on a terminal only; it stands in the history."""
    from deployments.export import reveal_login

    reveal_login(login, Settings())


@rollcall.command()
@click.argument("run")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write them to a file, mode 0600, with secrets.")
@told
def failed(run: str, output: Path | None) -> None:
    """Print a run's rejected rows as CSV with row, code and message, ready to mend and import again."""
    from deployments.history import write_failed_rows

    write_failed_rows(run, output, Settings())


@rollcall.command()
@click.argument("run")
@click.option("--simulate", "only_simulate", is_flag=True, help="Show what would go back; write nothing.")
@click.option("--approve", metavar="CHECKSUM", help="Let the held undo with this checksum pass.")
@as_json
@told
def undo(run: str, only_simulate: bool, approve: str | None, as_json: bool) -> int:
    """Take an applied run back."""
    from deployments.imports import simulate_undo, undo_run
    from deployments.progress import shown_steps

    settings = Settings()
    with shown_steps():
        report = simulate_undo(run, settings) if only_simulate else undo_run(run, settings, approve)
    return _shown(report, as_json)


@rollcall.command()
@as_json
@told
def users(as_json: bool) -> None:
    """Show the users of the phone system; no secrets."""
    from deployments.terminal import print_users
    from tasks.store.views import list_users

    _listed(list_users, print_users, as_json)


@rollcall.command()
@as_json
@told
def contacts(as_json: bool) -> None:
    """Show the phonebook entries without a user."""
    from deployments.terminal import print_contacts
    from tasks.store.views import list_contacts

    _listed(list_contacts, print_contacts, as_json)


@rollcall.command()
@as_json
@click.option("--rotate", metavar="MAC", help="Give this phone (or this login's softphone) a new SIP secret.")
@click.option("--seen", is_flag=True, help="Show the phones that asked for their settings and have no user.")
@told
def phones(as_json: bool, rotate: str | None, seen: bool) -> None:
    """Show the phones of the phone system, assigned or free."""
    from deployments.phones import print_seen, rotate_phone
    from deployments.terminal import print_phones
    from tasks.store.seen import list_seen
    from tasks.store.views import list_phones

    if rotate is not None:
        click.echo(rotate_phone(rotate, Settings()))
    elif seen:
        _listed(list_seen, print_seen, as_json)
    else:
        _listed(list_phones, print_phones, as_json)


@rollcall.command()
@as_json
@told
def runs(as_json: bool) -> None:
    """Show the history, newest first."""
    from deployments.terminal import print_runs
    from tasks.store.views import list_runs

    _listed(list_runs, print_runs, as_json)


@rollcall.command()
@click.argument("run", required=False)
@click.option("--login", help="One person's story over all runs.")
@as_json
@told
def show(run: str | None, login: str | None, as_json: bool) -> None:
    """Show one run change by change, or one person's story."""
    from deployments.history import show_login_story, show_one_run

    if (run is None) == (login is None):
        raise WrongUseError("show-what", "Name a run (see `rollcall runs`), or a person with --login.")
    if run is not None:
        show_one_run(run, Settings(), as_json=as_json)
    else:
        show_login_story(str(login), Settings(), as_json=as_json)


for operating in OPERATING:
    rollcall.add_command(operating)


def _renew_forms() -> None:
    """Tells a running server of the new profile, so that its forms offer it."""
    from deployments.server import connect, has_server

    settings = Settings()
    if not has_server(settings):
        return
    try:
        connect(settings)
    except WrongUseError as error:
        click.echo(f"The forms of Prefect's pages do not offer it yet: {error.message}", err=True)
        return
    from deployments.deploy import renew_forms

    renew_forms(settings)


def _shown(report: Any, as_json: bool) -> int:
    from deployments.terminal import print_json, print_report

    if as_json:
        print_json(report.document())
    else:
        print_report(report)
    if report.plan.held is not None:
        return EXIT_HELD
    return 0 if report.plan.clean else EXIT_REJECTED


def _listed(read: Callable[..., Any], render: Callable[[Any], None], as_json: bool) -> None:
    from deployments.terminal import print_json
    from tasks.store.store import open_store

    with open_store(Settings()).open() as connection:
        found = read(connection)
    if as_json:
        print_json(found)
    else:
        render(found)
