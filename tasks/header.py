"""The names of a CSV's columns, numbered where they are empty or doubled."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.dialect import Dialect
from tasks.issue import Issue


@dataclass(frozen=True)
class Header:
    """The column names, and where the body begins.

    Units: `end` is the offset in bytes of the first line after the header, `line` the header's physical line.
    """

    names: tuple[str, ...]
    end: int
    line: int
    issues: tuple[Issue, ...] = ()


def read_header(data: bytes, dialect: Dialect) -> Header:
    """The first line's names."""
    end = data.find(b"\n") + 1 or len(data)
    line = data[:end].decode("utf-8").rstrip("\r\n")
    quoting = csv.QUOTE_MINIMAL if dialect.enclosure else csv.QUOTE_NONE
    cells = next(csv.reader([line], delimiter=dialect.delimiter, quotechar=dialect.enclosure, quoting=quoting), [])
    names, issues = name_columns(cells, 1)
    return Header(names, end, 1, tuple(issues))


def name_columns(cells: Sequence[str], line: int) -> tuple[tuple[str, ...], list[Issue]]:
    """The cells of a header as names: trimmed, never empty, never twice, never reserved; a warning for each change."""
    issues: list[Issue] = []
    taken = {cell.strip() for cell in cells}
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name, code = _wanted_name(cell.strip(), position, names)
        if code:
            name = _free_name(name, taken | set(names))
            issues.append(Issue(1, line, name, code, _sentence(code, position, cell.strip(), name)))
        names.append(name)
    return tuple(names), issues


def _wanted_name(name: str, position: int, before: list[str]) -> tuple[str, str]:
    if not name:
        return f"column_{position}", "column-name-empty"
    if name.startswith("#"):
        return "_" + name.lstrip("#"), "column-name-reserved"
    if name in before:
        return name, "column-name-twice"
    return name, ""


def _free_name(name: str, taken: set[str]) -> str:
    candidates = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _sentence(code: str, position: int, found: str, name: str) -> str:
    match code:
        case "column-name-empty":
            return f"Column {position} of the header has no name; it is called {name!r} in this run. Name it."
        case "column-name-reserved":
            return (
                f"The column name {found[:40]!r} begins with #, which is reserved; it is called {name!r} in this run."
            )
        case _:
            return f"The column name {found[:40]!r} stands twice in the header; column {position} is called {name!r} in this run."
