"""Columns, rows and real PHP mean the same: random snippets of what can be columns, random cells."""

from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from php_oracle import missing, run_php

from tasks.expression.compiled import compile_expression
from tasks.expression.outcome import evaluated, kept
from tasks.names import Names

COLUMNS = ("a", "b", "Name")
# ASCII and whole characters only: where PHP counts bytes, ours counts characters (phone-system.md 6.9).
CELLS = st.one_of(
    st.sampled_from(
        ["", "0", "1", "00", "0.0", "10", "1e1", " 1", "abc", "ABC", " padded \t", "a,b;c", "Max Muster", "null"]
    ),
    st.text(alphabet="abcXYZ019 .,-\t\"'\\$%_", max_size=8),
)
TEXTS = ["", "0", "1", "a", "abc", "x y", "Z", ".", "it's", 'say "hi"', "back\\slash", "$row"]
QUOTED = st.sampled_from(["'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'" for text in TEXTS])
WORDS = st.sampled_from(["'a'", "'abc'", "'x y'", "'Z'", "' '"])
NUMBERS = st.sampled_from(["0", "1", "2", "3", "-1", "-3", "7"])
CELL = st.sampled_from(['$row["a"]', "$row['b']", '$row["Name"]', '$row["missing"]'])
LEAVES = st.one_of(CELL, QUOTED, st.sampled_from(["true", "false", "null", "\"$row[a]-{$row['b']}\""]))


def compounds(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    one = inner
    call = st.sampled_from(
        [
            "trim",
            "ltrim",
            "rtrim",
            "strtolower",
            "strtoupper",
            "mb_strtolower",
            "ucfirst",
            "lcfirst",
            "strval",
            "(string)",
        ]
    )
    test = st.sampled_from(["empty", "!", "(bool)", "is_null", "boolval"])
    compare = st.sampled_from(["===", "!==", "==", "!=", "<", ">=", "xor", "&&", "||"])
    return st.one_of(
        st.builds("({} . {})".format, one, one),
        st.builds("{}({})".format, call, one),
        st.builds("{}({})".format, test, one),
        st.builds("({} {} {})".format, one, compare, one),
        st.builds("({} {} {})".format, one, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), WORDS),
        st.builds("({} ? {} : {})".format, one, one, one),
        st.builds("({} ?: {})".format, one, one),
        st.builds("({} ?? {})".format, CELL, one),
        st.builds("isset({}, {})".format, CELL, CELL),
        st.builds("substr({}, {}, {})".format, one, NUMBERS, NUMBERS),
        st.builds("substr({}, {})".format, one, NUMBERS),
        st.builds("(strlen({}) {} {})".format, one, st.sampled_from(["<", ">", "===", "=="]), NUMBERS),
        st.builds("strlen({})".format, one),
        st.builds("str_replace({}, {}, {})".format, WORDS, QUOTED, one),
        st.builds("str_replace(['a', 'b'], ['b', 'c'], {})".format, one),
        st.builds("{}({}, {})".format, st.sampled_from(["str_contains", "str_starts_with", "str_ends_with"]), one, one),
        st.builds("str_pad({}, {}, '-', {})".format, one, NUMBERS, st.sampled_from(["STR_PAD_LEFT", "STR_PAD_RIGHT"])),
        st.builds("trim({}, {})".format, one, WORDS),
        st.builds("in_array({}, ['a', 'abc', 'x y'], {})".format, CELL, st.sampled_from(["true", "false"])),
        st.builds("match({}) {{ 'a', '1' => {}, default => {} }}".format, CELL, one, one),
        st.builds("array_key_exists('a', $row) && {}".format, one).map("({})".format),
    )


EXPRESSIONS = st.recursive(LEAVES, compounds, max_leaves=6)
SNIPPETS = st.one_of(
    st.builds("return {};".format, EXPRESSIONS),
    st.builds("if ({}) {{ return {}; }} return {};".format, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS),
    st.builds(
        "if ({}) return {}; elseif ({}) {{ return {}; }} else {{ return {}; }}".format, *[EXPRESSIONS for _ in range(5)]
    ),
    st.builds("$x = {}; if ({}) {{ $x .= {}; }} return $x;".format, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS),
    st.builds("$x = {}; $y = $x . {}; return $y ?: $x;".format, EXPRESSIONS, EXPRESSIONS),
)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, CELLS)), min_size=1, max_size=6)


def ways(snippet: str, rows: list[dict[str, str]]) -> tuple[str, list[Any], list[Any]]:
    """The mode, and what columns (or what was chosen) and rows give: printed and truthy, or an error."""
    expression = compile_expression(snippet, name="x")
    frame = pl.DataFrame(
        {"#row": range(len(rows)), "#line": range(len(rows)), **{c: [r[c] for r in rows] for c in COLUMNS}}
    )
    names = Names(COLUMNS)
    values = expression.plan.rows(frame, names)
    chosen = expression.evaluate(frame, names), expression.keep(frame, names)
    by_row = evaluated(*values), kept(*values)
    return expression.mode, *(answers(value.values, mask.mask, value.errors) for value, mask in (chosen, by_row))


def answers(values: pl.Series, mask: pl.Series, errors: list[Any]) -> list[Any]:
    failed = {error.index for error in errors}
    pairs = zip(values.to_list(), mask.to_list(), strict=True)
    return ["error" if index in failed else pair for index, pair in enumerate(pairs)]


@pytest.mark.parametrize(
    "snippet",
    [
        "return trim(substr($n, 2), 'Z') ? 'x y' . ('.' == $row['a'] . '-' . $row['b']) : ('x y' ?: '0');",
        "if (trim(substr($n, 2), 'Z')) { return $row['a']; } return substr('x y', 1);",
        "$x = substr('xyz', 1); if (trim($n) == 'n') { $x = $row['a']; } return trim($x);",
    ],
)
def test_a_test_of_constants_that_passes_a_column_by_gives_every_row_its_value(snippet: str) -> None:
    mode, chosen, by_row = ways(snippet, [dict.fromkeys(COLUMNS, text) for text in ("", "1", "x")])

    assert mode == "columns" and chosen == by_row


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SNIPPETS, ROWS)
def test_columns_mean_what_rows_mean(snippet: str, rows: list[dict[str, str]]) -> None:
    _, chosen, by_row = ways(snippet, rows)
    assert chosen == by_row, snippet


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_columns_rows_and_php_mean_the_same() -> None:
    drawn: list[tuple[str, list[dict[str, str]]]] = []

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(SNIPPETS, ROWS)
    def draw(snippet: str, rows: list[dict[str, str]]) -> None:
        drawn.append((snippet, rows))

    draw()
    asked = [{"snippet": snippet, "row": row} for snippet, rows in drawn for row in rows]
    php = iter(run_php(asked))
    columns = 0
    for snippet, rows in drawn:
        wanted = ["error" if "error" in o else (o["printed"], o["truthy"]) for o in (next(php) for _ in rows)]
        mode, chosen, by_row = ways(snippet, rows)
        columns += mode == "columns"
        assert by_row == wanted, (snippet, rows)
        assert chosen == wanted, (snippet, rows)
    assert columns > len(drawn) / 3
