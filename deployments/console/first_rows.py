"""What the first rows of the last file become at one stage of a profile, so that an edit is seen before it is saved.

The first 64 KiB of the last upload are kept sealed for that (`samples`); which values show, `masking` decides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import polars as pl

from deployments.console.masking import READING, Masking, masking_of, reading_of
from deployments.console.shown import cell
from tasks.decode import decode_text
from tasks.errors import RollcallError, SourceError
from tasks.output import ROW, Source, SourceFacts, Table
from tasks.parse import parse_csv
from tasks.prefilter import prefilter_rows
from tasks.profile import Profile
from tasks.redact import safe
from tasks.structure import render_structure_rows, require_login_column
from tasks.user import MASK
from tasks.variables import map_variables_of_rows

ROWS: Final = 8
_EMPTY: Final[tuple[object, ...]] = (None, "", [])
_OF_THE_FILE: Final = frozenset({"basic", "prefilter"})
"""The stages whose columns are those of the file."""
TABLES_KEPT: Final = 8
NO_NAMES: Final = (
    "Nothing proves that the first line of the file is a header: it may be the first person. So names that are not "
    "known are numbered here. If the file has no header, put one above its rows."
)
MISREAD: Final = (
    "Read like this, the file has no column that holds the login, so nothing of it is shown. Check the encoding, the "
    "delimiter, the enclosure and the header, or the variable behind 003use_name."
)


@dataclass(frozen=True)
class FirstRows:
    """A small table, or the sentence that says why there is none.

    `dropped` are the rows of the table that the stage leaves out; `masked` tells that some values are not shown.
    """

    columns: list[str] = field(default_factory=list[str])
    rows: list[list[str | None]] = field(default_factory=list[list[str | None]])
    dropped: frozenset[int] = frozenset()
    records: list[tuple[int, list[tuple[str, str]]]] = field(default_factory=list[tuple[int, list[tuple[str, str]]]])
    notes: list[str] = field(default_factory=list[str])
    error: str = ""

    @property
    def masked(self) -> bool:
        """Whether a value stands there that is not shown."""
        return any(MASK in row for row in self.rows) or any(
            MASK in value for _, record in self.records for _, value in record
        )


def first_rows(head: bytes, profile: Profile, stage: str, saved: Profile | None = None) -> FirstRows:
    """The first rows at a stage: `basic`, `prefilter`, `variables` or `structure`.

    `saved` is the profile before the edit: what that keeps secret is not shown under the edited one either.
    """
    try:
        return safe(_rows)(head, profile, stage, saved or profile)
    except RollcallError as error:
        return FirstRows(error=error.message)


def _rows(head: bytes, profile: Profile, stage: str, saved: Profile) -> FirstRows:
    table = _parsed(head, reading_of(profile))
    sample = None if reading_of(profile) == reading_of(saved) else _parsed_as_saved(head, saved)
    masking = masking_of(table, profile, saved, sample)
    try:
        require_login_column(masking.mapping, masking.header)
    except SourceError:
        # What is not read right has its cells in the wrong places, or data for a header.
        return FirstRows(error=MISREAD)
    first = replace(table, frame=table.frame.head(ROWS))
    found = _STAGES[stage](first, profile, masking)
    if stage in _OF_THE_FILE and not masking.knows_header:
        return replace(found, columns=masking.shown_names(found.columns), notes=[NO_NAMES])
    return replace(found, notes=[masking.note(note, first.frame) for note in found.notes])


@lru_cache(maxsize=TABLES_KEPT)
def _parsed(head: bytes, reading: tuple[str, ...]) -> Table:
    """The rows of a beginning; a person who edits has the same one read at every pause."""
    blank = Profile(title="reading", structure="{}")
    profile = blank.model_copy(update=dict(zip(READING, reading, strict=True)))
    source = Source(data=head, facts=SourceFacts(name="", size_bytes=len(head)))
    table = parse_csv(decode_text(source, profile), profile)
    return replace(table, issues=table.issues.clear(), aside=table.aside.clear())


def _parsed_as_saved(head: bytes, saved: Profile) -> Table | None:
    try:
        return _parsed(head, reading_of(saved))
    except RollcallError:
        return None


def _basic(table: Table, profile: Profile, masking: Masking) -> FirstRows:
    del profile
    return _shown(table, list(table.facts.header), masking, masking.shows_column)


def _prefilter(table: Table, profile: Profile, masking: Masking) -> FirstRows:
    kept = set(prefilter_rows(table, profile).frame[ROW].to_list())
    numbers = table.frame[ROW].to_list()
    shown = _shown(table, list(table.facts.header), masking, masking.shows_column)
    dropped = frozenset(at for at, number in enumerate(numbers) if number not in kept)
    return FirstRows(shown.columns, shown.rows, dropped)


def _variables(table: Table, profile: Profile, masking: Masking) -> FirstRows:
    mapped = map_variables_of_rows(prefilter_rows(table, profile), profile)
    shown = _shown(mapped, list(profile.variables), masking, masking.shows)
    return FirstRows(shown.columns, shown.rows, notes=mapped.issues["message"].to_list())


def _structure(table: Table, profile: Profile, masking: Masking) -> FirstRows:
    mapped = map_variables_of_rows(prefilter_rows(table, profile), profile)
    modules = render_structure_rows(mapped, profile)
    records: dict[int, list[tuple[str, str]]] = {}
    for module, frame in modules.frames.items():
        for row in frame.to_dicts():
            fields = {name: value for name, value in row.items() if not name.startswith("#") and value not in _EMPTY}
            records.setdefault(row[ROW], []).extend(
                (f"{module} {name}", cell(masking.field(value, shown=masking.shows_field(f"{module}.{name}"))))
                for name, value in fields.items()
            )
    notes = modules.issues["message"].unique(maintain_order=True).to_list()
    return FirstRows(records=sorted(records.items()), notes=notes)


_STAGES: Final[dict[str, Callable[[Table, Profile, Masking], FirstRows]]] = {
    "basic": _basic,
    "prefilter": _prefilter,
    "variables": _variables,
    "structure": _structure,
}


def _shown(table: Table, columns: list[str], masking: Masking, may_show: Callable[[str], bool]) -> FirstRows:
    present = [name for name in columns if name in table.frame.columns]
    rows = table.frame.select(pl.col(name).cast(pl.String) for name in present).rows()
    shows = [may_show(name) for name in present]
    masked = [[masking.cell(value, shown=shown) for value, shown in zip(row, shows, strict=True)] for row in rows]
    return FirstRows(present, masked)
