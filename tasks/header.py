"""The names of a CSV's columns, numbered where they are empty or doubled.

The header is read more kindly than the rows: spaces around a name, inside or outside its enclosures, are none of it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from tasks.canonical import Canonical
from tasks.errors import SourceError
from tasks.grammar import Grammar
from tasks.issue import Issue

POLARS_PATTERN: Final = re.compile(r"\*|\^.*\$", re.DOTALL)
"""Names that `pl.col` would take for many columns."""
HEADER_LINES: Final = 50
SAMPLE_LINES: Final = 100
BROKEN: Final = (
    "In the header an enclosure is never closed, or stands in the middle of a name. Enclose each name that holds one "
    "and double it there, or set `enclosure: none` in the profile."
)
TRAILING_DELIMITER: Final = (
    "Each record ends in a delimiter that the header has not; it was ignored. Check that no cell holds a delimiter "
    "without enclosures around it, which would shift the cells."
)


@dataclass(frozen=True)
class Header:
    """The column names, where the body begins, and how many cells a record has.

    `width` is one more than there are names where each record ends in a delimiter (`trailing`).
    Units: `end` is the offset in bytes of the first line after the header, `lines` the number of lines before that.
    """

    names: tuple[str, ...]
    end: int
    lines: int
    issues: tuple[Issue, ...] = ()
    trailing: bool = False

    @property
    def width(self) -> int:
        """How many cells polars finds in a record."""
        return len(self.names) + self.trailing


def read_header(text: Canonical) -> Header:
    """The first record that is not blank; a text without one has no names.

    Raises: SourceError where an enclosure of the header does not fit.
    """
    grammar = Grammar(text.delimiter, text.enclosure)
    lines = _lines_from(text.data, 0)
    start, record = next(((at, line) for at, line in lines if line.strip(" \t\r")), (0, ""))
    if not record:
        return Header((), len(text.data), text.data.count(b"\n"))
    cells = grammar.kind_cells(record)
    for _, line in islice(lines, HEADER_LINES):
        if cells is not None:
            break
        record = f"{record}\n{line}"
        cells = grammar.kind_cells(record)
    if cells is None:
        raise SourceError("header-broken", BROKEN)
    end = min(start + len(record.encode()) + 1, len(text.data))
    line = text.lines_before + text.data.count(b"\n", 0, start) + 1
    names = [text.restored_text(cell).strip() for cell in cells]
    header = Header((), end, line + record.count("\n"))
    return _named(header, names, line, _first_records(text, header, grammar))


def _lines_from(data: bytes, at: int) -> Iterator[tuple[int, str]]:
    """Offset and text of each line, without its line end `\\n`."""
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield at, data[at:end].decode("utf-8")
        at = end + 1


def _first_records(text: Canonical, header: Header, grammar: Grammar) -> list[list[str]]:
    """The first records that stand on one line each."""
    lines = islice(_lines_from(text.data, header.end), SAMPLE_LINES)
    records = [grammar.cells(line.removesuffix("\r")) for _, line in lines if line.strip()]
    return [record for record in records if record is not None]


def _named(header: Header, cells: list[str], line: int, records: list[list[str]]) -> Header:
    """The header with its names; a delimiter at the end of the header only, or of the records only, is none of them.

    Where both end in one there is a column without a name: parse drops it when all its cells are empty.
    """
    widths = Counter(map(len, records))
    usual = max(widths, key=lambda width: widths[width], default=len(cells))
    only_in_header = not cells[-1] and usual == len(cells) - 1
    cells = cells[:-1] if only_in_header else cells
    trailing = not only_in_header and _all_end_in_delimiter(records, len(cells) + 1)
    names, issues = name_columns(cells, line)
    if trailing:
        issues.append(Issue(None, None, None, "delimiter-trailing", TRAILING_DELIMITER))
    return replace(header, names=names, issues=tuple(issues), trailing=trailing)


def _all_end_in_delimiter(records: list[list[str]], width: int) -> bool:
    """True where each record ends in one surplus empty cell.

    A cell that begins with a space tells of a delimiter inside a text without enclosures (`Muster, Max`): never shift.
    """
    return bool(records) and all(
        len(record) == width and not record[-1] and not any(cell.startswith(" ") for cell in record)
        for record in records
    )


def name_columns(cells: Sequence[str], line: int) -> tuple[tuple[str, ...], list[Issue]]:
    """The cells of a header as names: never empty, never twice, never reserved; a warning for each change.

    A warning counts columns instead of naming them: where a file has no header, its first person stands there.
    """
    issues: list[Issue] = []
    taken = set(cells)
    names: list[str] = []
    for position, cell in enumerate(cells, start=1):
        name, code = _wanted_name(cell, position, names)
        if code:
            name = _free_name(name, taken)
            column = name if code == "column-name-empty" else None
            issues.append(Issue(1, line, column, code, _sentence(code, position, cells, name)))
        taken.add(name)
        names.append(name)
    return tuple(names), issues


def _wanted_name(name: str, position: int, before: list[str]) -> tuple[str, str]:
    if not name:
        return f"column_{position}", "column-name-empty"
    if name.startswith("#") or POLARS_PATTERN.fullmatch(name):
        return "_" + name.lstrip("#"), "column-name-reserved"
    if name in before:
        return name, "column-name-twice"
    return name, ""


def _free_name(name: str, taken: set[str]) -> str:
    candidates = (name, *(f"{name}_{number}" for number in range(2, len(taken) + 3)))
    return next(candidate for candidate in candidates if candidate not in taken)


def _sentence(code: str, position: int, cells: Sequence[str], name: str) -> str:
    match code:
        case "column-name-empty":
            return (
                f"Column {position} of the header has no name and is called {name!r} in this run. Name it in the file."
            )
        case "column-name-reserved":
            return (
                f"The name of column {position} is reserved (# at its start, *, ^…$); "
                "it begins with _ in this run. Rename it."
            )
        case _:
            first, number = cells.index(cells[position - 1]) + 1, name.rpartition("_")[2]
            return (
                f"Columns {first} and {position} of the header have the same name; the second one ends in _{number} "
                "in this run. Rename it."
            )
