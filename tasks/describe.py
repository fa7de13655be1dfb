"""What a person may see of a step's output: counts, issues by code, and the first rows of harmless columns.

Rows are shown by allow-list, never by deny-list (`tasks.harmless`). Of bytes only facts are shown, of lines that could
not be read only their number.
"""

from collections.abc import Mapping
from typing import Final, cast

import polars as pl

from tasks.describe_plan import preview_of_plan
from tasks.harmless import FIELD_KEYS, harmless_columns, harmless_fields
from tasks.output import ROW, Modules, Output, Source, SourceFacts, Table, Text
from tasks.plan import Plan
from tasks.preview import Cell, Preview, Previewed, shown_cell
from tasks.profile import Profile
from tasks.records import Records
from tasks.redact import scrubbed
from tasks.report import Report
from tasks.run import Outcome
from tasks.summary import preview_of_report

FIRST_ROWS: Final = 10


def preview_of(output: object, profile: Profile | None = None) -> Preview:
    """What may be seen of an output; nothing but its kind for one that is unknown."""
    match output:
        case Previewed():
            return output.preview()
        case Source() | Text():
            return Preview(type(output).__name__, _file_facts(output.facts, len(output.data)) | row_counts(output))
        case Table():
            return _preview_of_table(output, profile)
        case Modules():
            return _preview_of_modules(output, profile)
        case Records():
            return _preview_of_records(output, profile)
        case Plan():
            return preview_of_plan(output, profile)
        case Outcome():
            return _preview_of_outcome(output)
        case Report():
            return preview_of_report(output)
        case Output():
            return Preview(type(output).__name__, row_counts(output))
        case _:
            return Preview(type(output).__name__)


def issue_counts(output: object) -> list[tuple[str, str, int]]:
    """Code, severity and number of an output's issues, the most frequent first."""
    if not isinstance(output, Output):
        return []
    counted = output.issues.group_by("code", "severity").len().sort("len", "code", descending=[True, False])
    return cast("list[tuple[str, str, int]]", counted.rows())


def row_counts(output: Output) -> dict[str, int]:
    """How many rows were set aside, by outcome."""
    aside = output.aside.unique(ROW).group_by("outcome").len().sort("outcome")
    return {str(outcome): int(count) for outcome, count in aside.rows()}


def _preview_of_table(table: Table, profile: Profile | None) -> Preview:
    outcomes = {"kept": table.frame.height} | row_counts(table)
    facts = outcomes | {"columns": len(table.facts.header)}
    rows = _first_rows(table.frame, harmless_columns(profile, table.facts.header))
    return Preview("Table", facts, rows, outcomes=outcomes)


def _preview_of_modules(modules: Modules, profile: Profile | None) -> Preview:
    identity = modules.frames.get("identity", pl.DataFrame({ROW: []}, schema={ROW: pl.Int64}))
    outcomes = {"kept": identity[ROW].n_unique()} | row_counts(modules)
    facts = {name: frame.height for name, frame in modules.frames.items()} | row_counts(modules)
    keys = {key for field in harmless_fields(profile, modules.facts.header) for key in FIELD_KEYS[field]}
    shown = frozenset(key.partition(".")[2] for key in keys if key.startswith("identity."))
    return Preview("Modules", facts, _first_rows(identity, shown), outcomes=outcomes)


def _preview_of_records(records: Records, profile: Profile | None) -> Preview:
    outcomes = {"kept": records.users[ROW].n_unique()} | row_counts(records)
    facts = {"users": records.users.height, "phones": records.phones.height} | row_counts(records)
    shown = harmless_fields(profile, records.facts.header)
    return Preview("Records", facts, _first_rows(records.users, shown), outcomes=outcomes)


def _preview_of_outcome(outcome: Outcome) -> Preview:
    facts = {"run": outcome.run, "status": outcome.status} | _without_zeroes(outcome.summary)
    if outcome.remade is None:
        return Preview("Outcome", facts)
    text = (
        "Somebody else wrote to the phone system after the plan above was made. The plan was made again, with its "
        f"brakes, while nobody could write; `rollcall show {outcome.run}` lists it change by change."
    )
    facts |= {"checksum": outcome.checksum}
    return Preview("Outcome", facts, text=text)


def _file_facts(facts: SourceFacts, size_bytes: int) -> dict[str, str | int]:
    told = {"file": scrubbed(facts.name), "bytes": size_bytes, "encoding": facts.read_as}
    return {name: fact for name, fact in told.items() if fact != ""}


def _without_zeroes(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _first_rows(frame: pl.DataFrame, harmless: frozenset[str]) -> list[dict[str, Cell]]:
    shown = [name for name in frame.columns if name.casefold() in harmless]
    if not shown:
        return []
    first = frame.head(FIRST_ROWS).select([ROW, *shown])
    return [{name: shown_cell(value) for name, value in row.items()} for row in first.to_dicts()]
