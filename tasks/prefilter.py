"""Pre-filter: which rows the administrator wants at all; PHP's sense of truth decides.

A row in which the snippet fails is not filtered but rejected: it protects its record, found by its login alone.
"""

import polars as pl

from tasks.errors import SourceError
from tasks.issue import issue_frame
from tasks.mapping import Mapping, mapping_of
from tasks.names import Names
from tasks.output import ASIDE_SCHEMA, LINE, ROW, Table
from tasks.profile import Profile
from tasks.step import step
from tasks.variables import failed_rows, rejected_aside, warnings_of_names


def prefilter_rows(table: Table, profile: Profile) -> Table:
    """The rows that the pre-filter keeps.

    Shape: rows in = rows out + filtered + rejected.
    Raises: SourceError when no column behind the login is in the file.
    """
    mapping, names = mapping_of(profile), Names(table.facts.header)
    _require_login_column(mapping, names)
    kept = mapping.prefilter.keep(table.frame, names)
    failed, issues = failed_rows(table.frame, kept.errors, "prefilter", "prefilter-failed")
    dropped = table.frame.filter(~kept.mask).join(failed, on=ROW, how="anti")
    filtered = dropped.select(ROW, LINE, outcome=pl.lit("filtered"), login=pl.lit(None, dtype=pl.String))
    warnings = issue_frame(warnings_of_names({"prefilter": mapping.prefilter}, names, absent=True))
    return Table(
        frame=table.frame.filter(kept.mask).join(failed, on=ROW, how="anti", maintain_order="left"),
        facts=table.facts,
        malformed=table.malformed,
        issues=pl.concat([table.issues, warnings, issues]),
        aside=pl.concat([table.aside, filtered.cast(ASIDE_SCHEMA), rejected_aside(failed, mapping, names)]),
    )


def _require_login_column(mapping: Mapping, names: Names) -> None:
    columns = mapping.columns_behind(mapping.structure.login_reads, names)
    if columns is None or not columns or any(names.find(column) is not None for column in columns):
        return
    found = ", ".join(names.header[:20]) or "none"
    raise SourceError(
        "login-column-missing",
        f"The file has no column {' or '.join(sorted(columns))}, which holds the login. Columns found: {found}. "
        "Check the delimiter and the header, or the variable behind 003use_name.",
    )


prefilter = step("prefilter", version=1, reads=("prefilter", "variables", "structure"))(prefilter_rows)
