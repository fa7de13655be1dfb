"""Render: each row becomes records of the phone system, as the profile's Structure says.

Here the Structure meets the variables: whose columns are all absent stays untouched, and the rows that earlier steps
set aside get their login, rendered alone, so that a rejected row protects its own record and not everybody's.
"""

import polars as pl

from tasks.columns_found import columns_found
from tasks.contact_rules import KEY
from tasks.errors import SourceError
from tasks.issue import Issue, issue_frame, issues_of_rows
from tasks.login import cleaned_login
from tasks.mapping import Mapping, mapping_of
from tasks.names import Names
from tasks.output import LINE, ROW, Modules, Table, no_rows_aside
from tasks.profile import Profile
from tasks.rendering.structure import Rendered, Structure
from tasks.step import step


def render_structure_rows(table: Table, profile: Profile) -> Modules:
    """The records that the Structure makes of every row.

    Shape: one frame a module, as in `Modules`. A row that does not render is set aside; so are the rows that failed
    before, now with the login that each of them has.
    Raises: SourceError when no column behind the login is in the file.
    """
    mapping, header = mapping_of(profile), Names(table.facts.header)
    require_login_column(mapping, header)
    structure = mapping.structure
    names = Names(column for column in table.frame.columns if not column.startswith("#"))
    rendered = structure.render(table.frame, names)
    unrendered = table.frame.join(rendered.failed.select(ROW), on=ROW, how="semi", maintain_order="left")
    aside = unrendered.select(ROW, LINE, outcome=pl.lit("rejected"), login=pl.lit(None, dtype=pl.String))
    failed = pl.concat([table.failed, unrendered.select(ROW, LINE, *header.header)], how="diagonal")
    return Modules(
        frames=_with_contact_keys(rendered.frames, table.frame, names, profile),
        facts=table.facts,
        untouched=mapping.untouched(header),
        issues=pl.concat(
            [
                table.issues,
                issue_frame([*structure.warnings, *_issues_of_names(structure, names)]),
                issues_of_rows(rendered.failed, None, "structure-failed", pl.col("message")),
            ]
        ),
        aside=_with_logins(pl.concat([table.aside, aside, _left_out(table, rendered)]), failed, mapping, profile),
    )


def _left_out(table: Table, rendered: Rendered) -> pl.DataFrame:
    """The rows that the Structure's own conditions leave out: of no user and no contact, as if filtered."""
    making = [rendered.frames[name].select(ROW) for name in ("identity", "contact") if name in rendered.frames]
    if not making:
        return no_rows_aside()
    made = pl.concat([*making, rendered.failed.select(ROW)])
    rows = table.frame.select(ROW, LINE).join(made, on=ROW, how="anti", maintain_order="left")
    return rows.select(ROW, LINE, outcome=pl.lit("filtered"), login=pl.lit(None, dtype=pl.String))


def _with_contact_keys(
    frames: dict[str, pl.DataFrame], rows: pl.DataFrame, names: Names, profile: Profile
) -> dict[str, pl.DataFrame]:
    """The contacts with the value of the variable that the profile knows them by; null where there is none."""
    contacts = frames.get("contact")
    if contacts is None or not profile.contact_key:
        return frames
    found = names.find(profile.contact_key)
    value = pl.lit(None, dtype=pl.String) if found is None else pl.col(found)
    keys = rows.select(ROW, value.alias(KEY))
    return {**frames, "contact": contacts.join(keys, on=ROW, how="left", maintain_order="left")}


def require_login_column(mapping: Mapping, header: Names) -> None:
    """Decision 13: the columns behind the login, of which one must be there; an empty file has nothing to say.

    Raises: SourceError that names what was found, as far as it can be no cell.
    """
    columns = mapping.columns_behind(mapping.structure.login_reads, header)
    if not header.header or not columns or any(header.find(column) is not None for column in columns):
        return
    raise SourceError(
        "login-column-missing",
        f"The file has no column {' or '.join(sorted(columns))}, which holds the login. "
        f"{columns_found(header.header, mapping)} "
        "Check the delimiter and the header, or the variable behind 003use_name.",
    )


def _with_logins(aside: pl.DataFrame, failed: pl.DataFrame, mapping: Mapping, profile: Profile) -> pl.DataFrame:
    """The rows set aside, with the login of each failed one evaluated alone; null where that fails or gives nothing."""
    if failed.is_empty():
        return aside
    columns = [column for column in failed.columns if not column.startswith("#")]
    frame = failed.with_columns(pl.col(columns).fill_null(""))
    variables = Names(mapping.variables)
    needed = [name for name in map(variables.find, sorted(mapping.structure.login_reads)) if name is not None]
    evaluated = [mapping.variables[name].evaluate(frame, Names(columns)).values.alias(name) for name in needed]
    frame = frame.with_columns(evaluated)
    raw = mapping.structure.render_login(frame, Names(name for name in frame.columns if not name.startswith("#")))
    logins = frame.select(ROW, found=cleaned_login(pl.lit(raw), profile.login_cleanup))
    logins = logins.filter(pl.col("found").fill_null("") != "").unique(ROW)
    joined = aside.join(logins, on=ROW, how="left", maintain_order="left")
    return joined.with_columns(login=pl.coalesce("login", "found")).select(aside.columns)


def _issues_of_names(structure: Structure, names: Names) -> list[Issue]:
    """What rule 6.1 has to say about the names that the Structure reads."""
    issues: list[Issue] = []
    for name in sorted(structure.reads):
        found = names.find(name)
        if found is None:
            message = (
                f"the Structure reads {name}, but there is no such variable or column: it is taken as empty; add it"
            )
            issues.append(Issue(None, None, name, "column-absent", message))
        elif found != name:
            message = f"the Structure reads {name}, found {found}: write it in the same way"
            issues.append(Issue(None, None, found, "name-matched-without-case", message))
    return issues


render_structure = step(
    "render-structure", version=4, reads=("structure", "variables", "login_cleanup", "contact_key")
)(render_structure_rows)
