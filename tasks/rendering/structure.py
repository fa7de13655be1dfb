"""Render: each row becomes records of the phone system, as the profile's Structure says.

A Structure is JSON and template at once. Both are read together, so its shape is proved before the first row, no cell
can break out of its string, and a fixed shape runs as columns; what needs its rows one by one runs through Jinja.
Users never choose, and both ways give the same records.

Source: phone-system.md sections 3 and 6; decisions 10, 14, 16.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from tasks.errors import Problem
from tasks.issue import Issue
from tasks.modules import BY_NAME
from tasks.names import Names
from tasks.output import ROW
from tasks.rendering.columns import render_columns, why_not_columns
from tasks.rendering.handlebars import read_template
from tasks.rendering.login import LOGIN, login_source
from tasks.rendering.place import StructureError, line_and_column, problem_at, refuse
from tasks.rendering.places import (
    Place,
    Records,
    deciding_reads,
    field_reads,
    fields_of_text,
    find_places,
    printed_reads,
    value_reads,
)
from tasks.rendering.rendered import FAILED_SCHEMA, Rendered, Schemas, schema_of
from tasks.rendering.template import Reads, Template
from tasks.rendering.tolerant_json import read_json

if TYPE_CHECKING:
    from tasks.rendering.rows import RowTemplate

__all__ = ["Rendered", "Structure", "StructureError", "compile_structure", "untouched_fields", "untouched_modules"]

_LOGIN_FIELD: Final = f"identity.{LOGIN}"


@lru_cache(maxsize=64)
def compile_structure(text: str) -> "Structure":
    """A Structure, proved and ready to run.

    Raises: StructureError with every problem of the text.
    """
    template = read_template(text)
    reading = read_json(template.nodes)
    records = find_places(reading.shape) if reading.shape else Records()
    refuse(text, dict(reading.problems) | records.problems)
    if reading.shape:
        modules = frozenset(place.module.name for place in records.places)
        reads, printed, deciding = field_reads(records), printed_reads(records), deciding_reads(records)
    else:
        modules, reads = fields_of_text(template)
        printed, deciding = reads, {}
    why = why_not_columns(template, reading, records.places)
    curly = [] if reading.typographic is None else [(reading.typographic, "typographic-quotes", _CURLY)]
    findings = [*curly, *records.findings]
    structure = Structure(
        text=text,
        modules=modules,
        reads=value_reads(reading.shape) if reading.shape else template.reads,
        field_reads=reads,
        printed_reads=printed,
        deciding_reads=deciding,
        mode="rows" if why else "columns",
        why_rows=_at(text, *why) if why else "",
        warnings=tuple(Issue(None, None, None, code, _at(text, at, said)) for at, code, said in findings),
        findings=tuple(problem_at(text, at, said) for at, _, said in findings),
        template=template,
        places=tuple(records.places),
        login_text=login_source(template, reading.shape) if reading.shape else None,
    )
    if why:
        _prove_rows(structure, is_cut=bool(reading.cut or reading.doubts))
    return structure


@dataclass(frozen=True, eq=False)
class Structure:
    """A compiled Structure.

    `field_reads` tells by "module.field" which names its value and the blocks around it read, `printed_reads` those of
    its value alone. `deciding_reads` tells by module, for each place that makes a record of it, which names decide
    whether it does; nothing where that cannot be told. `findings` are the `warnings` with an excerpt each. `mode` is
    the way it runs, `why_rows` the reason for the slow one.
    """

    text: str
    modules: frozenset[str]
    reads: Reads
    field_reads: Mapping[str, Reads]
    printed_reads: Mapping[str, Reads]
    deciding_reads: Mapping[str, tuple[Reads, ...]]
    mode: Literal["columns", "rows"]
    why_rows: str
    warnings: tuple[Issue, ...]
    findings: tuple[Problem, ...]
    template: Template
    places: tuple[Place, ...]
    login_text: str | None

    @property
    def login_reads(self) -> Reads:
        """The names that the login reads (decision 13)."""
        return self.field_reads.get(_LOGIN_FIELD, frozenset())

    def render(self, frame: pl.DataFrame, names: Names) -> Rendered:
        """The records of a frame.

        Shape: `frame` has `#row`, `#line`, String columns by name, `#list:NAME` where rows hold lists.
        """
        if self.mode == "rows":
            return self.by_row.render(frame, names)
        frames = render_columns(list(self.places), self.schemas, frame, names)
        return Rendered(frames, pl.DataFrame(schema=FAILED_SCHEMA))

    def render_login(self, frame: pl.DataFrame, names: Names) -> pl.Series:
        """The login of each row, rendered alone; null where that fails too."""
        structure = self if self.login_text is None else compile_structure(self.login_text)
        found = structure.render(frame.with_columns(pl.int_range(pl.len()).alias(ROW)), names).frames.get("identity")
        if found is None or LOGIN not in found.columns:
            return pl.repeat(None, frame.height, dtype=pl.String, eager=True).alias(LOGIN)
        first = found.unique(ROW, keep="first", maintain_order=True).select(ROW, LOGIN)
        every = pl.select(pl.int_range(frame.height).alias(ROW))
        return every.join(first, on=ROW, how="left", maintain_order="left")[LOGIN]

    @cached_property
    def schemas(self) -> Schemas:
        """The columns of each module's frame."""
        fields = {name: frozenset(f for key in self.field_reads if (f := _field(key, name))) for name in self.modules}
        return {name: schema_of(name, fields[name]) for name in BY_NAME if name in self.modules}

    @cached_property
    def by_row(self) -> "RowTemplate":
        """The slow way, whatever the mode."""
        from tasks.rendering.rows import RowTemplate

        return RowTemplate(self.template, self.schemas)


def untouched_fields(structure: Structure, present: Callable[[str], bool]) -> tuple[str, ...]:
    """The "module.field" names that stay as they are on update (decision 14).

    Those whose value, or whose value and the blocks around it, read absent names only.
    """
    read, printed = structure.field_reads, structure.printed_reads
    nothing: Reads = frozenset()
    return tuple(
        sorted(key for key in read if _absent(read[key], present) or _absent(printed.get(key, nothing), present))
    )


def untouched_modules(structure: Structure, present: Callable[[str], bool]) -> tuple[str, ...]:
    """The modules whose records stay as they are on update: for one of its blocks, absent names alone decide."""
    deciding = structure.deciding_reads
    return tuple(sorted(name for name in deciding if any(_absent(reads, present) for reads in deciding[name])))


def _absent(reads: Reads, present: Callable[[str], bool]) -> bool:
    return bool(reads) and not any(map(present, reads))


_CURLY: Final = "typographic quotes are read as straight ones; write straight quotes"


def _field(key: str, module: str) -> str:
    prefix, _, name = key.partition(".")
    return name if prefix == module else ""


def _prove_rows(structure: Structure, *, is_cut: bool) -> None:
    from tasks.rendering.samples import problems_of_samples
    from tasks.rendering.sandbox import ExpressionError

    try:
        problems = problems_of_samples(structure.by_row, is_cut=is_cut)
    except ExpressionError as error:
        problems = {0: str(error)}
    refuse(structure.text, problems)


def _at(text: str, offset: int, message: str) -> str:
    line, column = line_and_column(text, offset)
    return f"line {line}, column {column}: {message}"
