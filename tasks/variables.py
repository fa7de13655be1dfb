"""Map variables: the profile's expressions over each row, as columns.

A row in which one variable fails is rejected; its login is evaluated alone when the Structure is rendered, so that its
own record is protected and not all of them (decision 10).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from typing import Protocol

import polars as pl

from tasks.expression.compiled import Expression, compile_expression
from tasks.issue import Issue, issue_frame
from tasks.names import Names
from tasks.output import ASIDE_SCHEMA, LINE, ROW, Table
from tasks.profile import Profile
from tasks.step import step


class _RowError(Protocol):
    @property
    def index(self) -> int: ...
    @property
    def message(self) -> str: ...


def map_variables_of_rows(table: Table, profile: Profile) -> Table:
    """The rows with one column a variable; a variable hides a CSV column of its name.

    Shape: rows in = rows out + rejected.
    """
    names = Names(table.facts.header)
    expressions = {name: compile_expression(source, name=name) for name, source in profile.variables.items()}
    columns: list[pl.Series] = []
    failures: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    for name, expression in expressions.items():
        evaluated = expression.evaluate(table.frame, names)
        columns.append(evaluated.values.alias(name))
        if evaluated.lists is not None:
            columns.append(evaluated.lists.alias(f"#list:{name}"))
        if evaluated.errors:
            failures.append(failed_rows(table.frame, evaluated.errors, name, "variable-failed"))
    failed = (
        pl.concat([rows for rows, _ in failures]).unique(ROW, maintain_order=True) if failures else table.frame.clear()
    )
    issues = issue_frame(warnings_of_names(expressions, names, absent=False))
    return Table(
        frame=table.frame.with_columns(columns).join(failed.select(ROW), on=ROW, how="anti", maintain_order="left"),
        facts=table.facts,
        malformed=table.malformed,
        issues=pl.concat([table.issues, issues, *(found for _, found in failures)]),
        failed=pl.concat([table.failed, failed], how="diagonal"),
        aside=pl.concat([table.aside, rejected_aside(failed)]),
    )


def failed_rows(
    frame: pl.DataFrame, errors: Sequence[_RowError], column: str, code: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows in which an expression failed, and an issue for each."""
    rows = frame[[error.index for error in errors]]
    places = zip(rows[ROW].to_list(), rows[LINE].to_list(), errors, strict=True)
    return rows, issue_frame(
        Issue(row, line, column, code, f"{column}: {error.message}") for row, line, error in places
    )


def rejected_aside(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows set aside as rejected; whose they are is found out when the Structure is rendered."""
    return rows.select(ROW, LINE, outcome=pl.lit("rejected"), login=pl.lit(None, dtype=pl.String)).cast(ASIDE_SCHEMA)


def warnings_of_names(expressions: Map[str, Expression], names: Names, *, absent: bool) -> list[Issue]:
    """What is to be said about the names that expressions read: found without case, or (if asked, or bare) absent."""
    return list(dict.fromkeys(_name_issues(expressions, names, absent)))


def _name_issues(expressions: Map[str, Expression], names: Names, absent: bool) -> Iterable[Issue]:
    for variable, expression in expressions.items():
        for read in sorted(expression.reads or ()):
            found = names.find(read)
            if found is None and expression.language == "column":
                text = f'{variable}: the file has no column “{read}”; for a constant write: return "{read}";'
                yield Issue(None, None, read, "column-absent", text)
            elif found is None and absent:
                yield Issue(None, None, read, "column-absent", f"{variable}: the file has no column “{read}”")
            elif found is not None and found != read:
                text = f"“{read}” was read as “{found}”, the header's spelling"
                yield Issue(None, None, found, "name-matched-without-case", text)


map_variables = step("map-variables", version=3, reads=("variables",))(map_variables_of_rows)
