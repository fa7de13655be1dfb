"""Map variables: the profile's expressions over each row, as columns.

A row in which one variable fails is rejected; its login is then evaluated alone, so that its record is protected and
not all of them (decision 10).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Map
from typing import Protocol

import polars as pl

from tasks.expression.compiled import Expression
from tasks.issue import Issue, issue_frame
from tasks.login import cleaned_login
from tasks.mapping import Mapping, mapping_of
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
    mapping, names = mapping_of(profile), Names(table.facts.header)
    columns: list[pl.Series] = []
    failures: list[tuple[pl.DataFrame, pl.DataFrame]] = []
    for name, expression in mapping.variables.items():
        evaluated = expression.evaluate(table.frame, names)
        columns.append(evaluated.values.alias(name))
        if evaluated.lists is not None:
            columns.append(evaluated.lists.alias(f"#list:{name}"))
        if evaluated.errors:
            failures.append(failed_rows(table.frame, evaluated.errors, name, "variable-failed"))
    failed = (
        pl.concat([rows for rows, _ in failures]).unique(ROW, maintain_order=True) if failures else table.frame.clear()
    )
    issues = issue_frame(warnings_of_names(mapping.variables, names, absent=False))
    return Table(
        frame=table.frame.with_columns(columns).join(failed.select(ROW), on=ROW, how="anti", maintain_order="left"),
        facts=table.facts,
        malformed=table.malformed,
        issues=pl.concat([table.issues, issues, *(found for _, found in failures)]),
        aside=pl.concat([table.aside, rejected_aside(failed, mapping, names)]),
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


def rejected_aside(rows: pl.DataFrame, mapping: Mapping, names: Names) -> pl.DataFrame:
    """Rows set aside as rejected, each with its login evaluated alone; null where that fails or gives nothing."""
    if rows.is_empty():
        return pl.DataFrame(schema=ASIDE_SCHEMA)
    variables = Names(mapping.variables)
    needed = [name for name in (variables.find(read) for read in mapping.structure.login_reads) if name is not None]
    columns = [mapping.variables[name].evaluate(rows, names).values.alias(name) for name in needed]
    frame = rows.with_columns(columns)
    raw = mapping.structure.render_login(frame, Names(name for name in frame.columns if not name.startswith("#")))
    login = cleaned_login(pl.col("raw"))
    found = rows.select(ROW, LINE).with_columns(raw=raw).with_columns(outcome=pl.lit("rejected"), login=login)
    return found.with_columns(login=pl.when(pl.col("login") != "").then("login")).select(ASIDE_SCHEMA.names())


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


map_variables = step("map-variables", version=1, reads=("variables", "structure"))(map_variables_of_rows)
