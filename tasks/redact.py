"""What may leave a task as text: safe errors, and log records without values.

An exception of a library quotes what it failed on, which may be a cell with a password; Prefect copies its text into
states, logs and events. So nothing but our own errors, whose texts hold no cell, passes the `safe` boundary as it is.
"""

import functools
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar

from polars.exceptions import PanicException

from tasks.errors import RollcallError

P = ParamSpec("P")
R = TypeVar("R")

MASK: Final = "•••"

_URL_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s]+@")
_NAMED_SECRET: Final = re.compile(
    r"""(?ix) \b (pass(?:word|wd|phrase)? | kennwort | passwort | pin | secret | token | authorization | api[-_]?key) \b
        (["']? \s* [:=] \s* (?:(?:basic|bearer|digest)\s+)?) ("[^"]*" | '[^']*' | [^\s,;&}]+)"""
)
_HERE: Final = Path(__file__).parent


class RedactedError(RollcallError):
    """An unexpected failure whose text may quote a cell: its kind and place are kept, its words are not."""

    def __init__(self, message: str) -> None:
        super().__init__("unexpected-failure", message)

    def __reduce__(self) -> tuple[type[RollcallError], tuple[object, ...]]:
        return type(self), (self.message,)


def safe(function: Callable[P, R]) -> Callable[P, R]:
    """The function behind a boundary that only our own errors pass as they are.

    Raises: RedactedError for anything unexpected, without the original's text and without a link to it.
    """

    @functools.wraps(function)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - this is the boundary
            failure = _without_history(error)
        # Outside of `except`, where Python would attach the original as context.
        raise failure

    return bounded


def safe_flow(function: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """`safe` for the async function of a flow."""

    @functools.wraps(function)
    async def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - this is the boundary
            failure = _without_history(error)
        raise failure

    return bounded


def _without_history(error: BaseException) -> BaseException:
    """What may pass in place of an exception; signals such as an interrupt pass as what they are, without any text."""
    if isinstance(error, (Exception, PanicException)) and not isinstance(error, RollcallError):
        return RedactedError(f"{type(error).__name__} at {_place(error.__traceback__)} (details withheld)")
    error.__cause__ = error.__context__ = None
    if isinstance(error, KeyboardInterrupt):
        error.args = ()
    return error


def _place(trace: TracebackType | None) -> str:
    """The last line of ours in a traceback, or its very last line."""
    frames = traceback.extract_tb(trace)
    ours = [frame for frame in frames if _is_ours(Path(frame.filename))]
    last = [*frames, *ours][-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _is_ours(file: Path) -> bool:
    return file.parent.is_relative_to(_HERE) and file != Path(__file__)


def scrubbed(text: str) -> str:
    """A text without URL credentials and without what follows `password=` and its like."""
    return _NAMED_SECRET.sub(rf"\1\2{MASK}", _URL_CREDENTIALS.sub(f"{MASK}@", text))


class RedactFilter(logging.Filter):
    """Takes values out of every record: `prefect_logging.yml` sets it on each handler."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True: a record is cleaned, never dropped."""
        record.msg, record.args = scrubbed(_message(record)), None
        if record.exc_info:
            record.exc_text, record.exc_info = _without_values(record.exc_info[1]), None
        record.stack_info = None
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def _without_values(error: BaseException | None) -> str:
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    said = f": {scrubbed(error.message)}" if isinstance(error, RollcallError) else " (details withheld)"
    return "\n".join([*lines, f"{type(error).__name__}{said}"])
