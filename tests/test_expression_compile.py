"""What is known of an expression before the first row: its language, what it reads, how it runs, what is wrong."""

import polars as pl
import pytest

from tasks.expression.compiled import NO_RETURN, TYPOGRAPHIC_QUOTES, compile_expression
from tasks.expression.errors import ExpressionError
from tasks.names import Names


def value_of(source: str, **row: str) -> str | None:
    frame = pl.DataFrame({"#row": [2], "#line": [2], **{name: [cell] for name, cell in row.items()}})
    result = compile_expression(source, name="x").evaluate(frame, Names(row))
    assert not result.errors
    return result.values[0]


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("job", "column"),
        ("First Name", "column"),
        ("E-Mail", "column"),
        ("tel.1", "column"),
        ("true", "column"),
        ("Straße und Nr", "column"),
        ('return $row["job"];', "php"),
        ("return true;", "php"),
        ("// nothing\nreturn 1;", "php"),
        ('if ($row["a"]) { return "{{x}}"; } return 1;', "php"),
        ("{{ givenname }} {{ surname }}", "jinja"),
        ("{% if job %}{{ job }}{% endif %}", "jinja"),
        ("givenname ~ ' ' ~ surname", "jinja"),
        ("givenname | upper", "jinja"),
        ("job if email else phone", "jinja"),
        ('["a", job]', "jinja"),
    ],
)
def test_the_language_is_seen_without_a_switch(source: str, language: str) -> None:
    assert compile_expression(source, name="x").language == language


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("return $row[\"job\"] . $row['mail'];", {"job", "mail"}),
        ("return array_key_exists('displayName', $row);", {"displayName"}),
        ('return isset($row["a"]) ? "$row[b]" : "{$row[\'c\']}";', {"a", "b", "c"}),
        ('$key = "a"; return $row[$key];', None),
        ("foreach ($row as $v) { $x .= $v; } return $x;", None),
        ("return true;", set()),
        ("job", {"job"}),
        ("{{ givenname }} {{ Surname | upper }}", {"givenname", "Surname"}),
        ('{{ row["First Name"] }}{{ row.job }}', {"First Name", "job"}),
        ("{% for k in row %}{{ k }}{% endfor %}", None),
        ("{{ 1 + 1 }}", set()),
    ],
)
def test_the_columns_that_it_reads_are_known(source: str, reads: set[str] | None) -> None:
    expression = compile_expression(source, name="x")
    assert expression.reads == (None if reads is None else frozenset(reads))
    assert expression.constant is (reads == set())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("foreach ($row as $v) $x .= $v; return $x;", "it has a loop"),
        ('return $row["a"] == $row["b"];', "it compares values that may be numbers (=== compares as text)"),
        ('return explode(";", $row["a"]);', "explode() has no equal for columns"),
        ('return $row["a"] + 1;', "it calculates"),
        ('return $row["a"] . "x";', ""),
        ("for (;;) { break; } return 1;", ""),
        ("{{ a }}-{{ b }}", ""),
        ("{{ a | upper }}", "it is more than text and names"),
    ],
)
def test_it_says_why_it_runs_by_row(source: str, reason: str) -> None:
    expression = compile_expression(source, name="x")
    assert (expression.mode, expression.why_rows) == ("rows" if reason else "columns", reason)


def test_all_reasons_come_at_once_with_place_caret_and_nearest_name() -> None:
    source = 'if ($row["a"]) {\n    return strtoloer($row["ü"]) . `ls`;\n}\nreturn trimm("x");'
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, name="job")
    problems = caught.value.problems
    assert [(problem.line, problem.column) for problem in problems] == [(2, 12), (2, 35), (4, 8)]
    assert "did you mean strtolower()?" in problems[0].message
    assert "checked before the first row" in problems[0].message
    assert problems[1].excerpt.splitlines()[1].index("^") == problems[1].excerpt.splitlines()[0].index("`ls`")


@pytest.mark.parametrize(
    ("source", "line", "column", "words"),
    [
        ('return $row["a"]', 1, 17, "`;` is missing"),
        ("return (1;", 1, 10, "`)` is missing"),
        ('return "abc;', 1, 8, "never closed"),
        ("if (1) {\n return 2;\n", 1, 1, "{ is never closed"),
        ("return strlen();", 1, 8, "expected strlen(string $string): int"),
        ('return preg_match("abc", "x");', 1, 8, "delimiters"),
        ('return preg_match("/(/", "x");', 1, 8, "not valid"),
        ("return FOO;", 1, 8, "text stands in quotes"),
        ("return 1 + $x->y;", 1, 12, "no objects"),
        ("break;", 1, 1, "outside of a loop"),
        ("{{ a | uper }}", 1, 8, "did you mean upper?"),
        ("{% if a %}", 1, 1, "end of template"),
        ("   ", 1, 1, "there is no expression"),
    ],
)
def test_an_error_has_its_place(source: str, line: int, column: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, name="x")
    problem = caught.value.problems[0]
    assert words in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_typographic_quotes_outside_of_strings_count_as_straight_ones() -> None:
    pasted = 'return $row[“job”] . ‘x’ . "a“b";'
    assert value_of(pasted, job="boss") == "bossxa“b"
    assert compile_expression(pasted, name="x").warnings == (TYPOGRAPHIC_QUOTES,)
    assert compile_expression('return "„quoted“";', name="x").warnings == ()


def test_a_snippet_that_returns_nothing_is_warned_about() -> None:
    assert compile_expression('$row["a"];', name="x").warnings == (NO_RETURN,)
    assert value_of('$row["a"];', a="1") is None


def test_names_are_found_without_case_when_that_finds_one() -> None:
    for source in ('return $row["displayName"];', "displayName", "{{ displayName }}", '{{ row["displayName"] }}'):
        assert value_of(source, displayname="Max") == "Max"
    assert value_of('$k = "displayName"; return $row[$k];', displayname="Max") == "Max"
    assert value_of("foreach ($row as $k => $v) { return $k; }", displayname="Max") == "displayname"
    assert value_of('return $row["A"];', a="1", A="2") == "2"


def test_empty_cells_are_missing_in_snippets_and_empty_in_templates() -> None:
    assert value_of('return array_key_exists("a", $row) ? "there" : "missing";', a="") == "missing"
    assert value_of("return count($row);", a="", b="x") == "1"
    assert value_of("{{ a | upper }}|{{ nope }}|{{ a | default('d', true) }}", a="") == "||d"


def test_a_row_that_fails_does_not_stop_the_others() -> None:
    frame = pl.DataFrame({"#row": [2, 3, 4], "#line": [2, 3, 4], "n": ["4", "0", "x"]})
    result = compile_expression('return 8 / $row["n"];', name="x").evaluate(frame, Names(["n"]))
    assert result.values.to_list() == ["2", None, None]
    assert [error.index for error in result.errors] == [1, 2]
    assert result.errors[0].message == "division by zero"


def test_lists_are_given_for_the_rows_that_have_one() -> None:
    frame = pl.DataFrame({"#row": [2, 3], "#line": [2, 3], "roles": ["a;b", ""]})
    source = 'return $row["roles"] ? explode(";", $row["roles"]) : null;'
    result = compile_expression(source, name="x").evaluate(frame, Names(["roles"]))
    assert result.lists is not None
    assert result.lists.to_list() == [["a", "b"], None]
    assert result.values.to_list() == ["Array", None]
    assert compile_expression(source, name="x").keep(frame, Names(["roles"])).mask.to_list() == [True, False]


def test_an_absent_column_reads_as_null_in_every_row() -> None:
    frame = pl.DataFrame({"#row": [2, 3], "#line": [2, 3], "a": ["x", "y"]})
    for source in ('return $row["absent"];', "absent", 'return $row["absent"] ?: substr($row["absent"], 1) ?: null;'):
        result = compile_expression(source, name="x").evaluate(frame, Names(["a"]))
        assert result.values.to_list() == [None, None]


def test_no_rows_are_no_values() -> None:
    frame = pl.DataFrame(schema={"#row": pl.Int64, "#line": pl.Int64, "a": pl.String})
    for source in ('return $row["a"];', "return true;", "return count($row);", "{{ a | upper }}", "a"):
        assert compile_expression(source, name="x").evaluate(frame, Names(["a"])).values.to_list() == []
        assert compile_expression(source, name="x").keep(frame, Names(["a"])).mask.to_list() == []


def test_one_select_computes_many_expressions() -> None:
    frame = pl.DataFrame({"#row": [2, 3], "#line": [2, 3], "a": ["x", ""]})
    columns = {
        n: compile_expression(s, name=n).column(Names(["a"])) for n, s in {"p": 'return $row["a"];', "q": "a"}.items()
    }
    assert frame.select(**{n: c for n, c in columns.items() if c is not None}).to_dict(as_series=False) == {
        "p": ["x", None],
        "q": ["x", None],
    }
    assert compile_expression("return count($row);", name="x").column(Names(["a"])) is None


def test_prefect_stays_away() -> None:
    import subprocess
    import sys

    code = "import sys, tasks.expression.compiled; print('prefect' in sys.modules, 'jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('return "ACME"', "the ; at its end is missing"),
        ("return $x", "`;` is missing here"),
        ('$row["u"]', "a snippet gives its value by `return …;`"),
        ('strtoupper($row["u"])', "a snippet gives its value by `return …;`"),
    ],
)
def test_a_snippet_that_lacks_its_end_or_its_return_is_told_so(source: str, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, name="x")
    assert words in str(caught.value)
