"""`rollcall show`: one run change by change, one person's story."""

import os
import sys
from pathlib import Path

import polars as pl
from rich.text import Text

from deployments.terminal import out, print_issues, print_json, print_story, talk
from deployments.visible import visible
from tasks.errors import WrongUseError
from tasks.failed_rows import masked_rows
from tasks.issue import ISSUE_SCHEMA
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import SourceFacts
from tasks.plan import summary_line
from tasks.profile_file import find_profile, load_profile
from tasks.settings import Settings
from tasks.store.files import read_file
from tasks.store.runs import facts_of_run, find_run
from tasks.store.store import open_store
from tasks.store.views import show_login, show_run


def show_one_run(run: str, settings: Settings, *, as_json: bool) -> None:
    """What a run was and did.

    Raises: WrongUseError when there is no such run.
    """
    with open_store(settings).open() as connection:
        found = show_run(connection, run)
        facts = facts_of_run(connection, run) if found else None
    if found is None:
        raise WrongUseError("run-unknown", f"There is no run {run}. `rollcall runs` lists them.")
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(f"{found['kind']} of {found['profile']} ({found['mode']}), {found['started']}, by {found['actor']}")
    console.print(f"{found['status']}: {summary_line(found['summary']) if found['summary'] else found['held']}")
    if facts and facts.read_as and found["kind"] != "undo":
        console.print(f"The file was read as {facts.read_as}.")
    if found["held"] and found["summary"]:
        console.print(Text(found["held"]))
    if found["changes"]:
        print_story(found["changes"])
    print_issues(pl.DataFrame(found["issues"], schema=ISSUE_SCHEMA))


def show_login_story(login: str, settings: Settings, *, as_json: bool) -> None:
    """Everything that runs did to one person.

    Raises: WrongUseError when no run ever touched the login.
    """
    with open_store(settings).open() as connection:
        story = show_login(connection, login)
    if not story:
        raise WrongUseError("login-unknown", f"No run ever changed {login}. `rollcall users` lists who there is.")
    if as_json:
        print_json(story)
    else:
        print_story(story)


def write_failed_rows(run: str, output: Path | None, settings: Settings) -> None:
    """The rejected rows of a run: whole to a file or a pipe, with secrets masked on a terminal (decision 30).

    Raises: WrongUseError when there is no such run, or it keeps none.
    """
    store = open_store(settings)
    with store.open() as connection:
        found = find_run(connection, run)
        content = read_file(connection, run, "failed", store.keyring)
        facts = facts_of_run(connection, run) if found else None
    if facts is None:
        raise WrongUseError("run-unknown", f"There is no run {run}. `rollcall runs` lists them.")
    if content is None:
        raise WrongUseError("nothing-failed", f"Run {run} keeps no rejected rows: none were, or they have expired.")
    if output is not None:
        write_private(output, content)
        talk().print(f"{output} holds passwords in clear: delete it when it is imported.")
    elif sys.stdout.isatty():
        secret = secret_columns(found["profile"] if found else "", facts, settings)
        sys.stdout.write(visible(masked_rows(content, facts, secret)))
    else:
        sys.stdout.buffer.write(content)


def write_private(output: Path, content: bytes) -> None:
    """Writes a file that only its owner may read.

    Raises: WrongUseError when it cannot be written there.
    """
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise WrongUseError("file-unwritable", f"{output} cannot be written: {error.strerror}.") from None


def secret_columns(profile: str, facts: SourceFacts, settings: Settings) -> frozenset[str]:
    """The columns to mask; all of them where the profile is gone and nobody can tell."""
    try:
        mapping = mapping_of(load_profile(find_profile(profile, settings)))
    except WrongUseError:
        return frozenset(facts.header)
    return mapping.secret_names(Names(facts.header))
