"""A Structure rendered in a test: whichever way it runs as columns, it is proved to give the same by row."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tasks.names import Names
from tasks.output import LINE, ROW, SourceFacts, Table
from tasks.rendering.structure import Rendered, Structure, StructureError, compile_structure


def table_of(rows: list[dict[str, str | None]] | dict[str, list[str | None]]) -> Table:
    frame = pl.DataFrame(rows)
    frame = frame.cast(dict.fromkeys((name for name in frame.columns if not name.startswith("#")), pl.String))
    numbers = pl.int_range(2, pl.len() + 2, dtype=pl.Int64)
    frame = frame.select(numbers.alias(ROW), numbers.alias(LINE), pl.all())
    header = tuple(name for name in frame.columns if not name.startswith("#"))
    return Table(frame=frame, facts=SourceFacts(header=header, rows=frame.height))


def names_of(frame: pl.DataFrame) -> Names:
    return Names(name for name in frame.columns if not name.startswith("#"))


def render(text: str, rows: list[dict[str, str | None]]) -> Rendered:
    """Renders, and proves on the way that a Structure that runs as columns gives the same by row."""
    structure, frame = compile_structure(text), table_of(rows).frame
    rendered = structure.render(frame, names_of(frame))
    same_by_row(structure, frame, rendered)
    return rendered


def same_by_row(structure: Structure, frame: pl.DataFrame, rendered: Rendered) -> None:
    by_row = structure.by_row.render(frame, names_of(frame))
    assert rendered.frames.keys() == by_row.frames.keys() == structure.schemas.keys()
    for module, records in rendered.frames.items():
        assert records.schema == structure.schemas[module]
        assert_frame_equal(records, by_row.frames[module])
    assert_frame_equal(rendered.failed, by_row.failed)


def identity(text: str, **row: str | None) -> dict[str, object]:
    """The fields of the one identity that `{"identity": [{text}]}` makes of one row."""
    rendered = render(f'{{"identity": [{{{text}}}]}}', [row or {"x": ""}])
    assert rendered.failed.is_empty(), rendered.failed.to_dicts()
    return {name: value for name, value in rendered.frames["identity"].row(0, named=True).items() if name[0] != "#"}


def failure(text: str, **row: str | None) -> str:
    rendered = render(f'{{"identity": [{{{text}}}]}}', [row])
    assert rendered.frames["identity"].is_empty()
    return rendered.failed["message"].item()


def problems(text: str) -> list[str]:
    with pytest.raises(StructureError) as caught:
        compile_structure(text)
    return [str(problem) for problem in caught.value.problems]
