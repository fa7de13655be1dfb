"""Long work tells how far it is, whoever listens."""

import polars as pl
import pytest

from tasks.expression.compiled import compile_expression
from tasks.names import Names
from tasks.progress import counted, listener, progress
from tasks.rendering.structure import compile_structure

FRAME = pl.DataFrame({"#row": [2, 3, 4, 5], "a": ["w", "x", "y", "z"]})
NAMES = Names(["a"])


@pytest.mark.parametrize(
    "source", ["foreach ($row as $cell) { return $cell; }", "{% for i in [a] %}{{ i }}{% endfor %}"]
)
def test_an_expression_that_runs_by_row_tells_how_far_it_is(heard: list[tuple[str, float]], source: str) -> None:
    expression = compile_expression(source, name="x")

    found = expression.evaluate(FRAME, NAMES)

    assert expression.mode == "rows" and found.values.to_list() == ["w", "x", "y", "z"]
    assert heard == [("rows", 25.0), ("rows", 50.0), ("rows", 75.0), ("rows", 100.0), ("rows", 100.0)]


def test_a_structure_that_is_rendered_by_row_tells_how_far_it_is(heard: list[tuple[str, float]]) -> None:
    structure = compile_structure('{"identity": [{"003use_name": "{{ a | upper }}"}]}')

    structure.by_row.render(FRAME.with_columns(pl.col("#row").alias("#line")), NAMES)

    assert heard[-1] == ("rows", 100.0)


def test_work_that_is_soon_done_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[str] = []
    token = listener.set(lambda description, percent: words.append(description))
    assert list(counted("abc", "letters", 3)) == ["a", "b", "c"]
    listener.reset(token)

    assert words == []


def test_nobody_hears_of_a_total_that_is_not_known(heard: list[tuple[str, float]]) -> None:
    with progress("bytes", 0) as advance:
        advance(5)

    assert heard == []
