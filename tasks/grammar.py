"""What a record of a CSV may look like, as regular expressions: one for polars, one for single records.

A cell is enclosed as a whole, with enclosures inside it doubled, or it holds no enclosure at all (RFC 4180, section 2).
"""

import re
from typing import Final

WIDEST_PATTERN: Final = 256
"""Regular expressions with a count above this grow too large for the engine of polars; records are then read singly."""


class Grammar:
    """The records of one canonical dialect."""

    def __init__(self, delimiter: str, enclosure: str | None) -> None:
        self.delimiter = delimiter
        self.enclosure = enclosure
        edge = re.escape(delimiter)
        mark = re.escape(enclosure or "")
        self._plain = f"[^{edge}{mark}]*"
        self._enclosed = f"{mark}(?:[^{mark}]|{mark}{mark})*{mark}" if enclosure else ""
        cell = (
            f"(?:{mark}((?:[^{mark}]|{mark}{mark})*+){mark}|({self._plain}+))" if enclosure else f"()({self._plain}+)"
        )
        self._cell = re.compile(f"{cell}(?={edge}|\\Z)")
        space = "".join({" ", "\t"} - {delimiter})
        self._kind_cell = re.compile(f"[{space}]*{cell}[{space}\r]*(?={edge}|\\Z)")

    def line_pattern(self, width: int, trailing: bool) -> str | None:
        """A pattern that a line fulfils exactly when it is a whole record of `width` cells; None for too wide ones."""
        if width > WIDEST_PATTERN:
            return None
        edge = re.escape(self.delimiter)
        cell = f"(?:{self._enclosed}|{self._plain})" if self.enclosure else self._plain
        return f"^(?:{cell}{edge}){{{width - 1}}}{'' if trailing else cell}$"

    def cells(self, record: str) -> list[str] | None:
        """The cells of a record; None where it is not one."""
        return self._read(record, self._cell)

    def kind_cells(self, record: str) -> list[str] | None:
        """The cells of a header, where spaces may stand around enclosures."""
        return self._read(record, self._kind_cell)

    def fault(self, record: str) -> str:
        """The code of what is wrong with a record that has no cells."""
        at = self._fault_at(record)
        opened = self.enclosure is not None and record.startswith(self.enclosure, at)
        rest = record[at + 1 :].replace(f"{self.enclosure}{self.enclosure}", "") if opened else ""
        closed = self.enclosure is not None and self.enclosure in rest
        return "enclosure-not-closed" if opened and not closed else "stray-enclosure"

    def _fault_at(self, record: str) -> int:
        at = 0
        while match := self._cell.match(record, at):
            at = match.end() + 1
        return at

    def _read(self, record: str, pattern: re.Pattern[str]) -> list[str] | None:
        cells: list[str] = []
        at = 0
        while match := pattern.match(record, at):
            enclosed, plain = match.groups()
            cells.append(plain if plain is not None else self._without_doubles(enclosed))
            at = match.end() + 1
            if at > len(record):
                return cells
        return None

    def _without_doubles(self, cell: str) -> str:
        return cell.replace(f"{self.enclosure}{self.enclosure}", self.enclosure or "")
