"""Any dialect to the one that polars reads: marks of one byte, line ends `\\n` or `\\r\\n`, no escapes.

What must change for that becomes a stand-in, a control character that the text does not hold, and is put back into the
cells afterwards. So nothing is lost, and the reader knows one dialect only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl

from tasks.dialect import Dialect
from tasks.errors import SourceError
from tasks.issue import Issue

CONTROL_BYTES: Final = (*range(1, 9), 11, 12, *range(14, 32), 127)


@dataclass(frozen=True)
class Canonical:
    """A text in the canonical dialect.

    `restore` maps each stand-in to what it means, and `written` to how that was written, where this is not the same;
    `lines_before` counts the `sep=` line that was taken away.
    """

    data: bytes
    delimiter: str
    enclosure: str | None
    restore: dict[str, str] = field(default_factory=dict[str, str])
    written: dict[str, str] = field(default_factory=dict[str, str])
    issues: tuple[Issue, ...] = ()
    lines_before: int = 0

    @cached_property
    def spares(self) -> tuple[str, str]:
        """Two more characters that the text does not hold."""
        stand_ins = StandIns(self.data, "".join([self.delimiter, self.enclosure or "", *self.restore]))
        return stand_ins.spare(), stand_ins.spare()

    def restored(self, column: pl.Expr) -> pl.Expr:
        """A column with its stand-ins put back."""
        return column.str.replace_many(self.restore) if self.restore else column

    def as_written(self, column: pl.Expr) -> pl.Expr:
        """A column of text as it stood in the file, escapes included."""
        written = {**self.restore, **self.written}
        return column.str.replace_many(written) if written else column

    def restored_text(self, text: str) -> str:
        """A text with its stand-ins put back."""
        if not self.restore:
            return text
        return re.sub("|".join(map(re.escape, self.restore)), lambda match: self.restore[match[0]], text)


OTHER_LINE_ENDS: Final = Issue(
    None,
    None,
    None,
    "line-separator-other",
    "The file has other line ends than the profile states; they were found out. Use `line_separator: auto`.",
)


class StandIns:
    """Characters of one byte that a text does not hold, handed out one by one."""

    def __init__(self, data: bytes, taken: str) -> None:
        self._free: Iterator[int] = (b for b in CONTROL_BYTES if chr(b) not in taken and bytes([b]) not in data)
        self.restore: dict[str, str] = {}
        self.written: dict[str, str] = {}

    def spare(self) -> str:
        """A character that nothing stands for.

        Raises: SourceError where the text holds every control character.
        """
        byte = next(self._free, None)
        if byte is None:
            raise SourceError("control-characters", "The file is full of control characters: it is no CSV text.")
        return chr(byte)

    def stand_in(self, original: str) -> str:
        """A character that stands for `original`."""
        character = self.spare()
        self.restore[character] = original
        return character


def canonicalise(data: bytes, dialect: Dialect) -> Canonical:
    """The text in the canonical dialect, the same bytes where it is written so already."""
    stand_ins = StandIns(data, dialect.delimiter + (dialect.enclosure or ""))
    delimiter, enclosure = dialect.delimiter, dialect.enclosure
    data = data[dialect.start :] if dialect.start else data
    if not delimiter.isascii():
        delimiter = stand_ins.stand_in(dialect.delimiter)
        data = data.replace(dialect.delimiter.encode(), delimiter.encode())
    if enclosure and not enclosure.isascii():
        data = data.replace(enclosure.encode(), (enclosure := stand_ins.stand_in(enclosure)).encode())
    if dialect.escape:
        data = _without_escapes(data, (delimiter, enclosure), stand_ins)
    data, issues = _with_unix_line_ends(data, dialect, (delimiter, enclosure), stand_ins)
    return Canonical(
        data,
        delimiter,
        enclosure,
        restore=stand_ins.restore,
        written=stand_ins.written,
        issues=issues,
        lines_before=1 if dialect.start else 0,
    )


def _without_escapes(data: bytes, marks: tuple[str, str | None], stand_ins: StandIns) -> bytes:
    """Each backslash before a backslash, a delimiter or an enclosure taken away, the character itself stood in for.

    A backslash before anything else is data: `C:\\temp` keeps its own.
    """
    if b"\\" not in data:
        return data
    plain = [mark for mark in ("\\", *marks) if mark]
    standing = {mark.encode(): _escaped(stand_ins.restore.get(mark, mark), stand_ins).encode() for mark in plain}
    escaped = b"|".join(re.escape(mark) for mark in standing)
    return re.sub(rb"\\(" + escaped + rb")", lambda match: standing[match[1]], data)


def _escaped(mark: str, stand_ins: StandIns) -> str:
    character = stand_ins.stand_in(mark)
    stand_ins.written[character] = f"\\{mark}"
    return character


def _with_unix_line_ends(
    data: bytes, dialect: Dialect, marks: tuple[str, str | None], stand_ins: StandIns
) -> tuple[bytes, tuple[Issue, ...]]:
    returns = data.count(b"\r") if b"\r" in data else 0
    if not returns and dialect.line_separator in {"auto", "unix"}:
        return data, ()
    pairs, feeds = data.count(b"\r\n"), data.count(b"\n")
    present = {"windows": pairs > 0, "mac": returns > 0, "unix": feeds > pairs, "auto": True}
    separator = dialect.line_separator if present[dialect.line_separator] else "auto"
    issues = () if separator == dialect.line_separator or not returns + feeds else (OTHER_LINE_ENDS,)
    match separator:
        case "unix":
            return data.replace(b"\r", stand_ins.stand_in("\r").encode()), issues
        case "windows" if returns != pairs or feeds != pairs:
            return _with_windows_ends_only(data, stand_ins), issues
        case "mac":
            return _with_mac_ends_only(data, stand_ins), issues
        case "auto" if returns != pairs:
            return _with_any_ends(data, feeds, marks, stand_ins), issues
        case _:
            return data, issues


def _with_windows_ends_only(data: bytes, stand_ins: StandIns) -> bytes:
    end = stand_ins.spare().encode()
    feed, carriage = stand_ins.stand_in("\n").encode(), stand_ins.stand_in("\r").encode()
    stand_ins.restore["\n"] = "\r\n"
    return data.replace(b"\r\n", end).translate(bytes.maketrans(b"\n\r" + end, feed + carriage + b"\n"))


def _with_mac_ends_only(data: bytes, stand_ins: StandIns) -> bytes:
    feed = stand_ins.stand_in("\n").encode()
    stand_ins.restore["\n"] = "\r"
    return data.translate(bytes.maketrans(b"\n\r", feed + b"\n"))


def _with_any_ends(data: bytes, feeds: int, marks: tuple[str, str | None], stand_ins: StandIns) -> bytes:
    """Each single carriage return outside enclosures made a line end; inside enclosures it is data."""
    delimiter, enclosure = marks
    if not feeds:
        return _with_mac_ends_only(data, stand_ins)
    if not enclosure or enclosure.encode() not in data:
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    mark, edge = re.escape(enclosure), re.escape(delimiter)
    enclosed = rf"(?:\A|(?<=[\r\n{edge}])){mark}(?:[^{mark}]|{mark}{mark})*+{mark}(?=\Z|[\r\n{edge}])"
    either = re.compile(rf"({enclosed})|\r(?!\n)".encode())
    return either.sub(lambda match: match[1] or b"\n", data)
