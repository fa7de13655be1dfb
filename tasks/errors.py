"""The errors that reach a person, grouped by what the run must do.

RollcallError
├── WrongUseError        exit 2   mend the command, the settings or the profile
│   └── ProfileError              every problem of a profile at once, each with line and column
├── SourceError          exit 3   stop, the source is broken
│   └── TransientSourceError      try again, the source may come back
├── HeldError            exit 4   stop, a person decides
└── StaleError           exit 5   stop, plan again
StoreBusyError (RollcallError)    try again, the database was locked or gone

A text gives the place, what was found, what was expected and what to do. It never holds the content of a cell.
"""

from dataclasses import dataclass


class RollcallError(Exception):
    """What every expected failure derives from: a stable code, a sentence for a person, an exit code."""

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type["RollcallError"], tuple[object, ...]]:
        return type(self), (self.code, self.message)


class WrongUseError(RollcallError):
    """The command, a setting or a profile must be mended first."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a profile: where it stands in the file and what to do about it."""

    message: str
    line: int | None = None
    column: int | None = None
    excerpt: str = ""

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}" + (f", column {self.column}" if self.column else "")
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}\n{self.excerpt}" if self.excerpt else text


class ProfileError(WrongUseError):
    """A profile that cannot run; `problems` holds all reasons at once."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        lines = [f"{file}, {problem}" if problem.line else f"{file}: {problem}" for problem in problems]
        super().__init__("profile-invalid", "\n".join(lines))

    def __reduce__(self) -> tuple[type["RollcallError"], tuple[object, ...]]:
        return type(self), (self.file, self.problems)


class SourceError(RollcallError):
    """The source could not be fetched, decoded or parsed; nothing is written."""


class TransientSourceError(SourceError):
    """The source failed in a way that may pass; `retry_after_seconds` is what the server asked for."""

    def __init__(self, code: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(code, message)
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[type["RollcallError"], tuple[object, ...]]:
        return type(self), (self.code, self.message, self.retry_after_seconds)


class HeldError(RollcallError):
    """A brake holds the plan until a person approves exactly this one."""

    exit_code = 4


class StaleError(RollcallError):
    """The phone system is no longer as it was when the plan was made."""

    exit_code = 5


class StoreBusyError(RollcallError):
    """The phone system's database was locked or could not be reached; the same call may succeed later."""
