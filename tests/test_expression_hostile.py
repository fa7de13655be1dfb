"""Hostile snippets end in a clear error, and soon; nothing that a snippet says becomes code."""

import polars as pl
import pytest

from tasks.expression.compiled import compile_expression
from tasks.expression.errors import ExpressionError
from tasks.names import Names

ROWS = 1_000
FRAME = pl.DataFrame(
    {"#row": range(2, ROWS + 2), "#line": range(2, ROWS + 2), "a": ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"] * ROWS}
)

REFUSED = {
    "program": ('return system("id");', "system() is unknown"),
    "program by exec": ('return exec("id");', "exec() is unknown"),
    "backticks": ("return `id`;", "backticks"),
    "include": ('include "/etc/passwd"; return 1;', "files cannot be included"),
    "require": ('return require_once("x.php");', "files cannot be included"),
    "eval": ('return eval("return 1;");', "eval() is unknown"),
    "assert": ('return assert("1");', "assert() is unknown"),
    "file": ('return file_get_contents("/etc/passwd");', "file_get_contents() is unknown"),
    "network": ('return fsockopen("h", 1);', "fsockopen() is unknown"),
    "environment": ('return getenv("ROLLCALL_KEY");', "getenv() is unknown"),
    "variable function": ('$f = "system"; return $f("id");', "not through a variable"),
    "computed function": ('return ("sys" . "tem")("id");', "not through a variable"),
    "variable variable": ("return $$row;", "variable variables"),
    "callback by value": ('$f = "system"; return array_map($f, ["id"]);', "a callback is the name of a function"),
    "callback unknown": ('return array_map("system", ["id"]);', "a callback is the name of a function"),
    "call_user_func": ('return call_user_func("system", "id");', "call_user_func() is unknown"),
    "globals": ('return $GLOBALS["x"];', "$GLOBALS is not available"),
    "server": ("return $_SERVER;", "$_SERVER is not available"),
    "object": ("return new ReflectionFunction('system');", "objects cannot be made"),
    "method": ("return $row->x();", "there are no objects"),
    "static": ("return Closure::fromCallable('system');", "there are no classes"),
    "function": ("function f() { return f(); } return f();", "functions cannot be defined"),
    "closure": ("$f = fn() => 1; return 2;", "functions cannot be defined"),
    "reference": ("$a = &$row; return $a;", "references"),
    "foreach by reference": ("foreach ($row as &$v) { $v = 1; } return 1;", "references"),
    "exit": ("exit(1);", "cannot end the run"),
    "goto": ("a: goto a; return 1;", "not available"),
    "extract": ("return extract($row);", "extract() is unknown"),
    "preg e flag": ('return preg_replace("/x/e", "y", "x");', "flag e is unknown"),
    "clock": ("return time();", "time() is unknown"),
    "deep brackets": ("return " + "(" * 5_000 + "1" + ")" * 5_000 + ";", "levels deep"),
    "deep arrays": ("return " + "[" * 5_000 + "]" * 5_000 + ";", "levels deep"),
    "deep ifs": ("if (1) {" * 1_500 + "}" * 1_500 + "return 1;", "levels deep"),
    "endless text": ("return 1; //" + "x" * 30_000, "longer than"),
    "jinja class": ("{{ a.__class__.__mro__ }}", "names that begin with _"),
    "jinja subscript": ("{{ a['__class__'] }}", "names that begin with _"),
    "jinja attr": ("{{ a | attr('__class__') }}", "the filter attr is unknown"),
    "jinja include": ("{% include '/etc/passwd' %}", "not available"),
    "jinja macro": ("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}", "not available"),
    "jinja recursion": ("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "recursive loops"),
    "jinja nesting": ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested too deeply"),
}
FAILING = {
    "endless while": ("while (true) { $i++; } return $row['a'];", "steps|seconds"),
    "endless for": ("for (;;) {} return $row['a'];", "steps|seconds"),
    "endless do": ("do { $x = $row['a']; } while (1); return $x;", "steps|seconds"),
    "growing foreach": (
        "$l = [1]; while (true) { foreach ($l as $v) { $l[] = $v; } } return $row['a'];",
        "steps|items|seconds",
    ),
    "doubled text": ("$s = $row['a']; while (true) { $s .= $s; } return $s;", "longer than"),
    "doubled text in a string": ('$s = $row["a"]; while (true) { $s = "$s$s"; } return $s;', "longer than"),
    "doubled text without a loop": ("$s = $row['a'];" + "$s = $s . $s;" * 60 + "return $s;", "longer than"),
    "giant repetition": ("return str_repeat($row['a'], 1000000000);", "longer than"),
    "giant padding": ("return str_pad($row['a'], 1000000000);", "longer than"),
    "giant width": ("return sprintf('%999999999s', $row['a']);", "longer than"),
    "giant replacement": (
        "$s = str_repeat('a', 900000); return str_replace('a', $s, $s) . $row['a'];",
        "longer than",
    ),
    "many giant strings": (
        "while (true) { $l[] = str_repeat($row['a'], 9999) . $i++; } return $l;",
        "characters for one row",
    ),
    "giant range": ("return count(range(1, 1000000000)) . $row['a'];", "items"),
    "giant fill": ("return count(array_fill(0, 1000000000, $row['a']));", "items"),
    "giant array": ("while (true) { $l[] = $row['a']; } return $l;", "items"),
    "doubled array": ("$l = [$row['a']]; while (true) { $l = array_merge($l, $l); } return $l;", "items"),
    "sorting without end": ("$l = range(9999, 1); while (true) { rsort($l); } return $row['a'];", "steps|seconds"),
    "backtracking": ("return preg_match('/^(a|aa)+$/', $row['a'] . $row['a'] . 'b');", "seconds for one text"),
    "backtracking in replace": ("return preg_replace('/(a|aa)+$/', '', str_repeat($row['a'], 5) . 'b');", "seconds"),
    "giant power": ("$x = 9; while (true) { $x **= 9; $s .= $x; } return $row['a'];", "steps|characters"),
    "nested comparison": (
        "$l = [$row['a']]; $m = [$row['a']]; for ($i = 0; $i < 90; $i++) { $l = [$l, $l]; $m = [$m, $m]; } "
        "return $l == $m;",
        "steps|seconds|deeply",
    ),
    "nested identity": (
        "$l = [$row['a']]; $m = [$row['a']]; for ($i = 0; $i < 90; $i++) { $l = [$l, $l]; $m = [$m, $m]; } "
        "return $l === $m;",
        "steps|seconds|deeply",
    ),
    "jinja range": ("{{ range(10**9) }}{{ a }}", "items"),
    "jinja loops": (
        "{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}{{ a }}",
        "steps",
    ),
    "jinja repetition": ("{{ a * 10**9 }}", "cannot be multiplied"),
    "jinja format": ("{{ '%0999999999d' % 1 }}{{ a }}", "cannot be formatted"),
    "jinja method": ("{{ a.ljust(1000000000) }}", "not allowed"),
    "jinja str.format": ("{{ '{0.__class__}'.format(a) }}", "not allowed"),
    "jinja doubled": ("{% set s = a %}" + "{% set s = s ~ s %}" * 60 + "{{ s }}", "longer than"),
    "jinja doubled block": (
        "{% set s = a %}" + "{% set s %}{{ s }}{{ s }}{% endset %}" * 60 + "{{ s }}",
        "longer than",
    ),
    "jinja power": ("{% set x = 3 %}" + "{% set x = x * x %}" * 60 + "{{ x }}{{ a }}", "too large"),
    "jinja built name": ("{{ a['__cla' ~ 'ss__'].mro() }}", "does not exist|not allowed"),
}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("case", REFUSED)
def test_what_a_snippet_may_not_say_is_refused_before_the_first_row(case: str) -> None:
    source, words = REFUSED[case]
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source, name=case)
    assert words in str(caught.value)
    assert all(problem.line and problem.column for problem in caught.value.problems)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("case", FAILING)
def test_what_has_no_end_is_an_error_of_its_rows(case: str) -> None:
    source, words = FAILING[case]
    result = compile_expression(source, name=case).evaluate(FRAME, Names(["a"]))
    assert [error.index for error in result.errors] == list(range(ROWS))
    assert result.values.null_count() == ROWS
    assert any(word in result.errors[0].message for word in words.split("|")), result.errors[0].message
    assert not any("aaaa" in error.message for error in result.errors)


def test_one_expensive_row_does_not_stop_the_others() -> None:
    frame = pl.DataFrame({"#row": [2, 3, 4], "#line": [2, 3, 4], "n": ["5", "999999999", "7"]})
    source = 'for ($i = 0; $i < $row["n"]; $i++) { $s .= "x"; } return strlen($s);'
    result = compile_expression(source, name="x").evaluate(frame, Names(["n"]))
    assert result.values.to_list() == ["5", None, "7"]
    assert [(error.index, error.code) for error in result.errors] == [(1, "budget-spent")]


@pytest.mark.parametrize("wasteful", [1, 9, 10, 11, 40, 200])
def test_many_expensive_rows_do_not_stop_the_others(wasteful: int) -> None:
    cells = ["999999999"] * wasteful + ["5"] * 2_000 + ["999999999", "7"]
    numbers = range(2, len(cells) + 2)
    source = 'for ($i = 0; $i < $row["n"]; $i++) { $s .= "x"; } return strlen($s);'

    frame = pl.DataFrame({"#row": numbers, "#line": numbers, "n": cells})
    result = compile_expression(source, name="x").evaluate(frame, Names(["n"]))

    assert [error.index for error in result.errors] == [*range(wasteful), wasteful + 2_000]
    assert {error.code for error in result.errors} == {"budget-spent"}


def test_an_error_of_a_row_holds_no_cell() -> None:
    frame = pl.DataFrame({"#row": [2], "#line": [2], "secret": ["hunter2"]})
    for source in ('return $row["secret"] * 2;', '{{ secret | int + "x" }}', "{{ secret.nothing.at.all }}"):
        (error,) = compile_expression(source, name="x").evaluate(frame, Names(["secret"])).errors
        assert "hunter2" not in error.message


def test_compiled_code_has_no_builtins() -> None:
    from tasks.expression.budget import Budget
    from tasks.expression.snippet import compile_snippet

    run = compile_snippet("foreach ($row as $k => $v) { $l[] = strtolower($v); } return $l;", "x").program.bind(
        Budget()
    )
    assert run.__globals__["__builtins__"] == {}
    assert not {name for name in run.__globals__ if name in ("open", "eval", "exec", "getattr", "__import__")}
