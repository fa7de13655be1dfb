"""What a person may see of a step's output: counts, issues by code, and the first rows of harmless columns.

Rows are shown by allow-list, never by deny-list: a column has to bear the name of a variable or field that is known
to be harmless, and static analysis of the profile must not have found that it flows into a secret. Without a profile
to analyse, only counts are shown.
"""

from typing import Final, cast

import polars as pl

from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import ROW, Modules, Output, Source, Table, Text
from tasks.preview import Cell, Preview, Previewed
from tasks.profile import Profile
from tasks.redact import scrubbed

FIRST_ROWS: Final = 10
CELL_CHARACTERS: Final = 60

HARMLESS_VARIABLES: Final = frozenset(
    (
        *("displayname", "username", "phone", "givenname", "surname", "email", "organisation", "job"),
        *("mobile", "homephone", "fax", "roles", "phonemac", "phoneip"),
    )
)
HARMLESS_FIELDS: Final = frozenset(
    ("003use_bez", "003use_name", "003use_auth_method", "009ext_extension", "016voi_email", "user_roles")
)


def preview_of(output: object, profile: Profile | None = None) -> Preview:
    """What may be seen of an output; nothing but its kind for one that is unknown."""
    match output:
        case Previewed():
            return output.preview()
        case Source() | Text():
            return Preview(type(output).__name__, _file_facts(output) | _row_facts(output))
        case Table():
            facts = {"kept": output.frame.height, "malformed": output.malformed.height} | _row_facts(output)
            return Preview("Table", facts, _first_rows(output.frame, _harmless_columns(output, profile)))
        case Modules():
            identity = output.frames.get("identity", pl.DataFrame())
            facts = {name: frame.height for name, frame in output.frames.items()} | _row_facts(output)
            return Preview("Modules", facts, _first_rows(identity, _harmless_fields(output, profile)))
        case Output():
            return Preview(type(output).__name__, _row_facts(output))
        case _:
            return Preview(type(output).__name__)


def issue_counts(output: object) -> list[tuple[str, str, int]]:
    """Code, severity and number of an output's issues, the most frequent first."""
    if not isinstance(output, Output):
        return []
    counted = output.issues.group_by("code", "severity").len().sort("len", "code", descending=[True, False])
    return cast("list[tuple[str, str, int]]", counted.rows())


def _file_facts(output: Source | Text) -> dict[str, str | int]:
    facts = {"file": scrubbed(output.facts.name), "bytes": len(output.data), "encoding": output.facts.encoding}
    return {name: fact for name, fact in facts.items() if fact != ""}


def _row_facts(output: Output) -> dict[str, str | int]:
    aside = output.aside.unique(ROW).group_by("outcome").len().sort("outcome")
    return {str(outcome): int(count) for outcome, count in aside.rows()}


def _harmless_columns(table: Table, profile: Profile | None) -> frozenset[str]:
    if profile is None or profile.preview == "counts":
        return frozenset()
    secret = {name.casefold() for name in _secret_names(profile, table.facts.header)}
    return HARMLESS_VARIABLES - secret


def _harmless_fields(modules: Modules, profile: Profile | None) -> frozenset[str]:
    if profile is None or profile.preview == "counts":
        return frozenset()
    secret = _secret_names(profile, modules.facts.header)
    fed = mapping_of(profile).structure.field_reads
    return frozenset(field for field in HARMLESS_FIELDS if not (fed.get(f"identity.{field}") or secret) & secret)


def _secret_names(profile: Profile, header: tuple[str, ...]) -> frozenset[str]:
    return mapping_of(profile).secret_names(Names(header))


def _first_rows(frame: pl.DataFrame, harmless: frozenset[str]) -> list[dict[str, Cell]]:
    shown = [name for name in frame.columns if name.casefold() in harmless]
    if not shown:
        return []
    first = frame.head(FIRST_ROWS).select([ROW, *shown])
    return [{name: _cell(value) for name, value in row.items()} for row in first.to_dicts()]


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, int):
        return value
    text = ", ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    return text if len(text) <= CELL_CHARACTERS else f"{text[: CELL_CHARACTERS - 1]}…"
