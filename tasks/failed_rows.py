"""The rows that did not get in as a CSV of their own dialect: mend them, import the file again.

Data cells stay as they were read. A malformed line stays malformed, so that it is rejected again until a person mends
it: a padded one would get in by itself. Only the message is ours, and only it is kept from running as a formula.
"""

import csv
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from typing import Final

import polars as pl

from tasks.canonical import canonicalise
from tasks.dialect import Dialect
from tasks.grammar import Grammar
from tasks.issue import CATALOGUE
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import ROW, SourceFacts, Table
from tasks.profile import Profile
from tasks.user import MASK

ADDED: Final = ("row", "code", "message")
BROKEN_GRAMMAR: Final = frozenset({"stray-enclosure", "enclosure-not-closed"})
MALFORMED: Final = BROKEN_GRAMMAR | {"too-many-cells", "too-few-cells"}
FORMULA: Final = re.compile(r"^\s*[=+\-@|%]")
# A cell may be as long as its file. The limit is the whole process's, all threads included: lifted once, for good.
csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True)
class _Writer:
    dialect: Dialect

    @property
    def delimiter(self) -> str:
        return self.dialect.delimiter

    def line(self, cells: Sequence[str]) -> str:
        """One record."""
        return self.delimiter.join(map(self.cell, cells))

    def cell(self, text: str) -> str:
        """A cell that reads back as the text."""
        mark, escape = self.dialect.enclosure, self.dialect.escape
        text = text.replace("\\", "\\\\") if escape else text
        if mark and not set(text).isdisjoint({self.delimiter, mark, "\r", "\n"}):
            return f"{mark}{text.replace(mark, mark + mark)}{mark}"
        return text.replace(self.delimiter, f"\\{self.delimiter}") if escape else text

    def told(self, text: str) -> str:
        """A text of ours: on one line, no formula, readable in the dialect."""
        text = re.sub(r"\s+", " ", text)
        if not self.dialect.enclosure and not self.dialect.escape:
            text = text.replace(self.delimiter, "_" if self.delimiter == " " else " ")
        return f"'{text}" if FORMULA.match(text) else text

    def tail(self, row: int, error: tuple[str, str]) -> list[str]:
        """The cells that are added to a row: its number, and an error's codes and messages."""
        return [str(row), *map(self.told, error)]

    def malformed(self, raw: str, width: int) -> str:
        """A line with too few or too many cells for `width`, as it is, unless it would be whole in this file.

        Where each line of the file that it comes from ends in a delimiter, it has another number of cells here.
        """
        text = canonicalise(raw.encode(), self.dialect)
        cells = Grammar(text.delimiter, text.enclosure).cells(text.data.decode())
        if cells is None or len(cells) != width:
            return raw
        return raw.removesuffix(self.delimiter) if not cells[-1] else raw + self.delimiter


def failed_rows_csv(table: Table, issues: pl.DataFrame, profile: Profile) -> bytes:
    """The rows of `table` that an error of `issues` names, with the columns row, code and message added.

    Shape: one record a row, in the order of the file; several errors of a row are joined by `; `.
    """
    facts = table.facts
    escape = profile.escape != "none"
    writer = _Writer(Dialect(facts.delimiter, facts.enclosure or None, escape, profile.line_separator))
    errors = _errors_by_row(issues)
    lines = [(0, writer.line([*facts.header, *ADDED]))]
    lines.extend(_whole(table, errors, writer))
    lines.extend(_malformed(table, errors, writer))
    text = "".join(f"{line}{facts.line_end}" for _, line in sorted(lines))
    encoding = "utf-8" if profile.encoding == "auto" else profile.encoding
    return text.encode(encoding, "replace")


def without_secrets(table: Table, profile: Profile) -> Table:
    """The rows with the cells that flow into a secret emptied, and malformed lines, whose cells have shifted, whole."""
    secret = mapping_of(profile).secret_names(Names(table.facts.header))
    emptied = [pl.lit("").alias(name) for name in table.facts.header if name in secret]
    malformed = table.malformed.with_columns(raw=pl.lit(""))
    return replace(table, frame=table.frame.with_columns(emptied), malformed=malformed)


def _errors_by_row(issues: pl.DataFrame) -> dict[int, tuple[str, str]]:
    """Codes and messages by row, each code and each message once."""
    errors = [code for code, rule in CATALOGUE.items() if rule.severity == "error"]
    joined = (
        issues.filter(pl.col("row").is_not_null() & pl.col("code").is_in(errors))
        .group_by("row", maintain_order=True)
        .agg(pl.col("code", "message").unique(maintain_order=True).str.join("; "))
    )
    return {row: (code, message) for row, code, message in joined.select("row", "code", "message").iter_rows()}


def _whole(table: Table, errors: dict[int, tuple[str, str]], writer: _Writer) -> Iterator[tuple[int, str]]:
    failed = table.frame.filter(pl.col(ROW).is_in(list(errors))).select(ROW, *table.facts.header)
    for row, *cells in failed.iter_rows():
        yield row, writer.line([*cells, *writer.tail(row, errors[row])])


def _malformed(table: Table, errors: dict[int, tuple[str, str]], writer: _Writer) -> Iterator[tuple[int, str]]:
    """Malformed lines as they are; with an enclosure out of place as one cell, or it would swallow the next line."""
    width = len(table.facts.header)
    for row, raw in table.malformed.select(ROW, "raw").iter_rows():
        tail = writer.line(writer.tail(row, errors[row]))
        if BROKEN_GRAMMAR & set(errors[row][0].split("; ")):
            line = writer.line([raw, *([""] if width == 1 else [])])
        else:
            line = writer.malformed(raw, width)
        yield row, writer.delimiter.join([line, tail])


def masked_rows(content: bytes, facts: SourceFacts, secret: Collection[str]) -> str:
    """Failed rows for a screen: secret columns masked; a malformed line, whose cells have shifted, masked whole."""
    quoting = csv.QUOTE_MINIMAL if facts.enclosure else csv.QUOTE_NONE
    lines = StringIO(_text(content, facts), newline="")
    rows = csv.reader(lines, quoting=quoting, delimiter=facts.delimiter, quotechar=facts.enclosure or None)
    shown = StringIO(newline="")
    writer = csv.writer(shown)
    header = next(rows)
    writer.writerow(header)
    for cells in rows:
        whole = len(cells) == len(header) and not any(code in cells[-2] for code in MALFORMED)
        data = [
            MASK if (not whole or name in secret) and cell else cell
            for name, cell in zip(header[:-3], cells[:-3], strict=False)
        ]
        writer.writerow([*data, *cells[-3:]])
    return shown.getvalue()


def _text(content: bytes, facts: SourceFacts) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode(facts.encoding, "replace")
