"""What every step hands to the next: its value, what it set aside, what it has to say.

Rows are conserved: `kept + set aside = input` holds at every step, so each output carries the rows that left the
way (`aside`) and the issues so far. `lineage` is the cache key under which the output was made; the next step's key
is built from it, so that no frame is ever hashed twice. Called as plain functions, the steps leave it empty.
"""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from tasks.issue import no_issues

ROW: Final = "#row"
LINE: Final = "#line"

ASIDE_SCHEMA: Final = pl.Schema({ROW: pl.Int64, LINE: pl.Int64, "outcome": pl.String, "login": pl.String})
"""`outcome` is filtered or rejected; `login` is null where it could not be known."""


def no_rows_aside() -> pl.DataFrame:
    """An empty frame of rows set aside."""
    return pl.DataFrame(schema=ASIDE_SCHEMA)


@dataclass(frozen=True, kw_only=True)
class Output:
    """The common part of what steps return."""

    issues: pl.DataFrame = field(default_factory=no_issues)
    aside: pl.DataFrame = field(default_factory=no_rows_aside)
    lineage: str = ""


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """What the intake saw of a file, kept with the run: the brakes compare it with the last applied one.

    `delimiter`, `enclosure` (empty for none) and `line_end` are those found, so that failed rows are written alike.
    `ascii_only`: no byte tells which of the encodings that hold ASCII it is.
    `rows_swallowed`: a cell holds lines like rows, so that people may be in the file without a row of their own.
    `etag` and `last_modified` are what the server said of this version: the next conditional request sends them.
    Units: `size_bytes` of the file as it came, after unpacking; `digest` is its SHA-256.
    """

    name: str = ""
    digest: str = ""
    size_bytes: int = 0
    encoding: str = ""
    ascii_only: bool = False
    confidence: float = 1.0
    header: tuple[str, ...] = ()
    rows: int = 0
    ends_with_line_end: bool = True
    last_record_broken: bool = False
    rows_swallowed: bool = False
    mended: bool = False
    delimiter: str = ","
    enclosure: str = '"'
    line_end: str = "\n"
    etag: str = ""
    last_modified: str = ""
    unchanged: bool = False

    @property
    def read_as(self) -> str:
        """The encoding and how sure it is, in words; empty where nothing was decoded."""
        return f"{self.encoding} (confidence {self.confidence:.0%})" if self.encoding else ""


@dataclass(frozen=True, kw_only=True)
class Source(Output):
    """The bytes of the CSV file as fetched and unpacked."""

    data: bytes
    facts: SourceFacts


@dataclass(frozen=True, kw_only=True)
class Text(Output):
    """The CSV as UTF-8 bytes without a byte order mark, whatever it was before."""

    data: bytes
    facts: SourceFacts


@dataclass(frozen=True, kw_only=True)
class Table(Output):
    """The rows that are on their way.

    Shape: `frame` has `#row` (the header is 1, blank lines count, a `sep=` line does not), `#line` (physical line of
    the record's start), then one String column a CSV column, empty cells as ""; after map-variables also one String
    column a variable, null where it is PHP's null, and `#list:NAME` (List of String) where rows gave arrays.
    `malformed` has `#row`, `#line`, `raw` (the line as read): what parse could not read. Never shown, only sealed.
    `failed` are rows, as they were read, in which an expression failed: whose they are is still to be found out.
    """

    frame: pl.DataFrame
    facts: SourceFacts
    malformed: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64, "raw": pl.String})
    )
    failed: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64}))


@dataclass(frozen=True, kw_only=True)
class Modules(Output):
    """What the Structure made of the rows: one frame a module.

    Shape: `frames` by module (identity, phonebook, phonebooklabel, ipphone, softphone, external, contact), each with
    `#row`, `#line`, `#identity` (position of the identity object in its row), `#index` (position in its array) and one
    String column a field, named as in the Structure (`003use_name`); `user_roles` is a List of String. null = the
    rendered object had no such key. A module that the Structure does not name has no frame. A label also has
    `#parent`, the `#index` of its phonebook entry; a contact has `#key` where the profile names a
    variable for it. `untouched` are "module.field" names whose CSV columns are all absent, and modules ("softphone")
    of which absent columns alone decide whether a record is there: they stay as they are on update.
    """

    frames: dict[str, pl.DataFrame]
    facts: SourceFacts
    untouched: tuple[str, ...] = ()
