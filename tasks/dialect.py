"""How a CSV is written: what the profile states, what a `sep=` line states, and what `auto` finds.

A `sep=` line, Excel's own mark, wins over the profile: it belongs to this very file.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from tasks.errors import SourceError
from tasks.profile import Profile

LineSeparator = Literal["windows", "unix", "mac", "auto"]

SAMPLE_BYTES: Final = 1 << 16
DELIMITERS: Final = (",", ";", "\t", "|", ":", "^", "~")
LINE_END: Final = re.compile(r"\r\n|\n|\r")
SEPARATOR_LINE: Final = re.compile(rb'"?sep=((?:[\x00-\x7f]|[\xc0-\xff][\x80-\xbf]+))"?(\r\n|\n|\r|\Z)', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """The dialect that a text is read with.

    `start` is the offset in bytes behind a `sep=` line, 0 where there is none. `line_separator` is what the profile
    states; the line ends themselves are looked at by `tasks.canonical`.
    """

    delimiter: str
    enclosure: str | None
    escape: bool = False
    line_separator: LineSeparator = "auto"
    start: int = 0


def resolve_dialect(data: bytes, profile: Profile) -> Dialect:
    """The dialect of a text, nothing left to guess.

    Raises: SourceError where the delimiter found is the enclosure as well.
    """
    mark = SEPARATOR_LINE.match(data)
    start = mark.end() if mark else 0
    sample = data[start : start + SAMPLE_BYTES].decode("utf-8", "ignore")
    delimiter = mark[1].decode("utf-8", "replace") if mark else profile.delimiter
    if delimiter == "auto":
        delimiter = find_delimiter(sample, profile.enclosure)
    enclosure = None if profile.enclosure == "none" else profile.enclosure
    if enclosure == "auto":
        enclosure = find_enclosure(data, start, delimiter)
    if delimiter == enclosure or delimiter in "\r\n":
        raise SourceError(
            "delimiter-impossible",
            f"The sep= line of the file says that {delimiter!r} is the delimiter, which it cannot be here: remove that "
            "line, and state the delimiter in the profile.",
        )
    return Dialect(delimiter, enclosure, profile.escape != "none", profile.line_separator, start)


def first_line_end(data: bytes) -> str:
    """The line end that the text uses first; `\\n` where it has none."""
    found = re.search(rb"\r\n|\n|\r", data)
    return found[0].decode() if found else "\n"


def find_delimiter(sample: str, enclosure: str = "auto") -> str:
    """The delimiter that cuts the lines of a sample most evenly; a comma where no candidate cuts the first line."""
    marks = {"auto": "\"'", "none": ""}.get(enclosure, enclosure)
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        if delimiter == enclosure:
            continue
        counts = _delimiters_by_line(sample, delimiter, marks)
        if counts and counts[0]:
            evenness = Counter(counts)[counts[0]] / len(counts)
            best, best_score = max((best, best_score), (delimiter, (evenness, counts[0])), key=lambda pair: pair[1])
    return best


def _delimiters_by_line(sample: str, delimiter: str, marks: str) -> list[int]:
    """How often the delimiter stands outside enclosures, in each line but blank ones and a cut last one."""
    for mark in marks:
        cell = rf"(?:^|(?<=[{re.escape(delimiter)}\r\n])) *{mark}(?:[^{mark}]|{mark}{mark})*+{mark}"
        sample = re.sub(cell, "", sample)
    lines = LINE_END.split(sample)
    complete = lines[:-1] if len(lines) > 2 else lines
    return [line.count(delimiter) for line in complete if line.strip() or delimiter in line]


def find_enclosure(data: bytes, start: int, delimiter: str) -> str | None:
    """The double quote where a cell stands in a pair of them, the apostrophe where the header does so.

    A double quote that opens the last of all cells and is never closed is one of a pair, too: the file was cut there.
    """
    if _enclosed_cell('"', delimiter).search(data, start) or _cut_cell('"', delimiter).search(data, start):
        return '"'
    header = data[start : start + SAMPLE_BYTES].lstrip().partition(b"\n")[0]
    apostrophe = _enclosed_cell("'", delimiter).match(header)
    return "'" if apostrophe else None


def _enclosed_cell(mark: str, delimiter: str) -> re.Pattern[bytes]:
    edge = re.escape(delimiter)
    cell = rf"{_cell_start(delimiter)}{mark}(?:[^{mark}]|{mark}{mark})*+{mark}(?=\Z|[\r\n]|{edge})"
    return re.compile(cell.encode())


def _cut_cell(mark: str, delimiter: str) -> re.Pattern[bytes]:
    return re.compile(rf"{_cell_start(delimiter)}{mark}[^{mark}]*+\Z".encode())


def _cell_start(delimiter: str) -> str:
    return rf"(?:\A|(?<=[\r\n])|(?<={re.escape(delimiter)}))"
