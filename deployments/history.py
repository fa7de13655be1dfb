"""`rollcall show`: one run change by change, one person's story."""

import polars as pl

from deployments.terminal import out, print_issues, print_json, print_story
from tasks.errors import WrongUseError
from tasks.issue import ISSUE_SCHEMA
from tasks.plan import summary_line
from tasks.settings import Settings
from tasks.store.store import open_store
from tasks.store.views import show_login, show_run


def show_one_run(run: str, settings: Settings, *, as_json: bool) -> None:
    """What a run was and did.

    Raises: WrongUseError when there is no such run.
    """
    with open_store(settings).open() as connection:
        found = show_run(connection, run)
    if found is None:
        raise WrongUseError("run-unknown", f"There is no run {run}. `rollcall runs` lists them.")
    if as_json:
        print_json(found)
        return
    console = out()
    console.print(f"{found['kind']} of {found['profile']} ({found['mode']}), {found['started']}, by {found['actor']}")
    console.print(f"{found['status']}: {summary_line(found['summary']) if found['summary'] else found['held']}")
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
