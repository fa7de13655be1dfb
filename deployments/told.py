"""How every command ends: one text and an exit code for each expected failure, never a traceback."""

import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from tasks.errors import RollcallError

P = ParamSpec("P")


def told(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turns a command's failure into one text on stderr (and an object on stdout with --json) and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except RollcallError as error:
            if kwargs.get("as_json"):
                sys.stdout.write(json.dumps({"error": {"code": error.code, "message": error.message}}) + "\n")
            click.echo(f"{error.message}", err=True)
            code = error.exit_code
        raise click.exceptions.Exit(code or 0)

    return run


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object or list on stdout.")
