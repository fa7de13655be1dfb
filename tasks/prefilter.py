"""Pre-filter: which rows the administrator wants at all; PHP's sense of truth decides.

A row in which the snippet fails is not filtered but rejected: it protects its record.
"""

import polars as pl

from tasks.expression.compiled import compile_expression
from tasks.issue import issue_frame
from tasks.names import Names
from tasks.output import ASIDE_SCHEMA, LINE, ROW, Table
from tasks.profile import Profile
from tasks.step import step
from tasks.variables import failed_rows, rejected_aside, warnings_of_names


def prefilter_rows(table: Table, profile: Profile) -> Table:
    """The rows that the pre-filter keeps.

    Shape: rows in = rows out + filtered + rejected.
    """
    expression, names = compile_expression(profile.prefilter, name="prefilter"), Names(table.facts.header)
    kept = expression.keep(table.frame, names)
    failed, issues = failed_rows(table.frame, kept.errors, "prefilter", "prefilter-failed")
    dropped = table.frame.filter(~kept.mask).join(failed, on=ROW, how="anti")
    filtered = dropped.select(ROW, LINE, outcome=pl.lit("filtered"), login=pl.lit(None, dtype=pl.String))
    warnings = issue_frame(warnings_of_names({"prefilter": expression}, names, absent=True))
    return Table(
        frame=table.frame.filter(kept.mask).join(failed, on=ROW, how="anti", maintain_order="left"),
        facts=table.facts,
        malformed=table.malformed,
        failed=pl.concat([table.failed, failed], how="diagonal"),
        issues=pl.concat([table.issues, warnings, issues]),
        aside=pl.concat([table.aside, filtered.cast(ASIDE_SCHEMA), rejected_aside(failed)]),
    )


prefilter = step("prefilter", version=3, reads=("prefilter",))(prefilter_rows)
