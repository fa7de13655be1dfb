"""How every command ends: one text and an exit code for each expected failure, never a traceback."""

import errno
import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from deployments.visible import visible
from tasks.errors import RollcallError, WrongUseError

P = ParamSpec("P")


def told(command: Callable[P, int | None]) -> Callable[P, None]:
    """Turns a command's failure into one text on stderr (and an object on stdout with --json) and an exit code."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            code = command(*args, **kwargs)
        except RollcallError as error:
            code = _tell(error, as_json=bool(kwargs.get("as_json")))
        except OSError as error:
            # Of a file or folder that somebody named; a reader that went away, or a failure without a place, is none.
            if error.filename is None or error.errno == errno.EPIPE:
                raise
            code = _tell(_unusable(error), as_json=bool(kwargs.get("as_json")))
        raise click.exceptions.Exit(code or 0)

    return run


def print_error(code: str, message: str) -> None:
    """The object that `--json` gives in place of a result."""
    sys.stdout.write(json.dumps({"error": {"code": code, "message": message}}) + "\n")


def _tell(error: RollcallError, *, as_json: bool) -> int:
    if as_json:
        print_error(error.code, error.message)
    click.echo(visible(error.message), err=True)
    return error.exit_code


def _unusable(error: OSError) -> WrongUseError:
    text = f"{error.filename} cannot be used: {error.strerror}. Check the path, and who may read and write there."
    return WrongUseError("path-unusable", text)


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object or list on stdout.")
