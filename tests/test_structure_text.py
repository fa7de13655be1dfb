"""The text of a Structure: what is tolerated, what is warned of, what is refused and where."""

import pytest

from tasks.rendering.structure import StructureError, compile_structure
from tests.structures import identity, problems, render


def warnings(text: str) -> list[tuple[str, str]]:
    return [(issue.code, issue.message) for issue in compile_structure(text).warnings]


@pytest.mark.parametrize(
    "text",
    [
        '{"identity": [{"003use_name": "a",}],}',
        '{,"identity": [,{"003use_name": "a"},],}',
        '{"identity": [{"003use_name": "a", ,"011acc_pin": "1"}]}',
        '{"identity": [{\n"003use_name": "a"\n,"011acc_pin": "1"\n}]}',
        '{// comment\n"identity": [{"003use_name": "a"/* , "003use_pw": "x" */}] // end',
        '{"identity": [{"003use_name": "a" {{!-- "003use_pw": }} --}} }] {{! short }} }',
        '{"identity": [{"003use_name": "a" {# jinja #} }]}',
        "{“identity”: [{“003use_name”: “a”}]}",
        "{„identity“: [{„003use_name“: „a“}]}",
        '{”identity”: [{”003use_name”: “a"}]}',
        '\ufeff{\u00a0"identity":\u200b[{"003use_name":\u00a0"a"}]}\r\n',
        '{"identity": [{"003use_name": "a", "user_roles": ["x", ,"y",]}]}',
        '\t{"identity":\r[{"003use_name"\n:"a"}]}',
    ],
)
def test_published_oddities_are_tolerated(text: str) -> None:
    if "// end" in text:
        text += "\n}"
    assert render(text, [{"x": ""}]).frames["identity"]["003use_name"].to_list() == ["a"]


def test_commas_may_come_from_blocks() -> None:
    text = '"003use_name": "a"{{#if x}},{{/if}}{{#if x}}"011acc_pin": "1"{{/if}}'
    assert identity(text, x="1")["011acc_pin"] == "1"
    assert compile_structure(f'{{"identity": [{{{text}}}]}}').mode == "rows"


def test_quotes_inside_of_strings_are_kept() -> None:
    text = r'"003use_bez": "Der „Chef“ \"x\" \\ \u00e4\ud83d\ude00 http://a // b /* c */"'
    assert identity(text) == {"003use_bez": 'Der „Chef“ "x" \\ ä😀 http://a // b /* c */'}


def test_typographic_quotes_are_warned_of_once() -> None:
    [(code, message)] = warnings("{“identity”: [{“003use_name”: “a”}]}")
    assert code == "typographic-quotes"
    assert message.startswith("line 1, column 2: ")


def test_a_key_twice_is_warned_of_and_the_last_wins() -> None:
    text = '{"identity": [{"003use_name": "a", "003use_name": "b"}]}'
    assert [code for code, _ in warnings(text)] == ["key-twice"]
    assert render(text, [{"x": ""}]).frames["identity"]["003use_name"].item() == "b"


def test_a_module_twice_is_warned_of_and_the_last_wins() -> None:
    text = '{"identity": [{"003use_name": "a"}] {{#if x}}, "identity": [{"003use_name": "b"}]{{/if}} }'
    assert [code for code, _ in warnings(text)] == ["key-twice"]
    assert render(text, [{"x": ""}, {"x": "1"}]).frames["identity"]["003use_name"].to_list() == ["a", "b"]


def test_a_key_in_either_branch_is_no_key_twice() -> None:
    text = '{"identity": [{ {{#if x}}"003use_name": "a"{{else}}"003use_name": "b"{{/if}} }]}'
    assert warnings(text) == []
    assert render(text, [{"x": ""}, {"x": "1"}]).frames["identity"]["003use_name"].to_list() == ["b", "a"]


def test_an_unknown_field_names_the_nearest_and_is_not_imported() -> None:
    text = '{"identity": [{"003use_nmae": "a", "phonebook": [{"028pho_fistname": "x"}], "post": {"003use_pw": "p"}}]}'
    found = warnings(text)
    assert [code for code, _ in found] == ["field-unknown", "field-unknown", "module-unknown"]
    assert "did you mean 003use_name?" in found[0][1]
    assert "did you mean 028pho_firstname?" in found[1][1]
    assert "003use_nmae" not in render(text, [{"x": ""}]).frames["identity"].columns
    assert "identity.003use_pw" not in compile_structure(text).field_reads


def test_an_unknown_module_names_the_nearest_whatever_it_holds() -> None:
    text = '{"identiti": [{"post": {"a": [1, {"b": {{c}} }]}}], "identity": [{"post": {"ip_phone": [{}]}}]}'
    found = warnings(text)
    assert [code for code, _ in found] == ["module-unknown", "module-unknown"]
    assert "did you mean identity?" in found[0][1]
    assert "did you mean ipphone?" in found[1][1]


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "found the end, expected {"),
        ("[]", 1, 1, "expected {"),
        ('{"identity": [{"003use_name": "a"}]', 1, 1, "never closed: add }"),
        ('{"identity": [{"003use_name": "a"}}', 1, 35, "found }, which closes nothing here"),
        ('{"identity": [{"003use_name": "a}]}', 1, 31, "never closed: add the closing quote"),
        ('{"identity": [{\n  "003use_name": "a\n"}]}', 2, 18, "not closed on its line"),
        ('{"identity": [{\n  "003use_name" "a"}]}', 2, 17, 'found ", expected a colon'),
        ('{"identity": [{\n  "003use_name": "a"\n  "003use_bez": "b"}]}', 3, 3, "a comma is missing"),
        ('{"identity": [{"003use_name": max}]}', 1, 31, 'put it in double quotes: "max"'),
        ('{"identity": [{"011acc_pin": 0049}]}', 1, 30, 'put it in double quotes: "0049"'),
        ("{'identity': []}", 1, 2, "put the key in double quotes"),
        ('{"identity": [{"003use_name": "\\d"}]}', 1, 32, "no such escape"),
        ('{"identity": [{"003use_name": "\\ud800"}]}', 1, 32, "no such escape"),
        ('{"identity": [{"003use_name": }]}', 1, 31, "found }, expected a value"),
        ('{"identity": [{"{{x}}": "a"}]}', 1, 16, "a key must be fixed text"),
        ('{"identity": [{ {{x}}: "a"}]}', 1, 17, "a placeholder cannot be a key"),
        ('{"identity": {"003use_name": "a"}}', 1, 14, "identity is a list of objects"),
        ('{"identity": {{x}} }', 1, 14, "identity is a list of objects"),
        ('{"identity": ["a"]}', 1, 15, "identity is a list of objects"),
        ('{"identity": [{"003use_name": ["a"]}]}', 1, 31, "holds one text"),
        ('{"identity": [{"user_roles": [["a"]]}]}', 1, 31, "is a list of texts"),
        ('{"identity": [{"post": []}]}', 1, 24, "post holds modules by name"),
        ('{"identity": []} x', 1, 18, "expected the end"),
        ('{"identity": [] /* }', 1, 17, "never closed: add */"),
        ('{"identity": [{"003use_name": "{{lookup x 0}}"}]}', 1, 32, "lookup stands before a value like a helper"),
        ('{"identity": [{"003use_name": "{{#if (eq x \'a\')}}b{{/if}}"}]}', 1, 32, "eq stands before a value like a"),
        ('{"identity": [{"003use_name": "{{#if x}}a"}]}', 1, 32, "{{#if x}} is never closed: add {{/if}}"),
        ('{"identity": [{"003use_name": "{{#iff x}}a{{/iff}}"}]}', 1, 32, "did you mean #if?"),
        ('{"identity": [{"003use_name": "a{{/if}}"}]}', 1, 33, "closes a block that was never opened"),
        ('{"identity": [{"003use_name": "{{#if x}}a{{/each}}{{/if}}"}]}', 1, 42, "does not close {{#if x}} of line 1"),
        ('{"identity": [{"003use_name": "{{#each x}}{{#if y}}a{{/each}}"}]}', 1, 43, "add {{/if}}"),
        ('{"identity": [{"003use_name": "{{else}}"}]}', 1, 32, "outside of any block"),
        ('{"identity": [{"003use_name": "{{#if x}}{{else}}{{else}}{{/if}}"}]}', 1, 49, "follows an else"),
        ('{"identity": [{"003use_name": "{{#if}}{{/if}}"}]}', 1, 32, "#if needs a name"),
        ('{"identity": [{"003use_name": "{{}}"}]}', 1, 32, "names nothing"),
        ('{"identity": [{"003use_name": "{{x"}]}', 1, 32, "{{ is never closed: add }}"),
        ('{"identity": [{"003use_name": "{{{x}}"}]}', 1, 32, "{{{ is never closed: add }}}"),
        ('{"identity": [{"003use_name": "{{!-- x }}"}]}', 1, 32, "{{!-- is never closed: add --}}"),
        ('{"identity": [{"003use_name": "{{> part}}"}]}', 1, 32, "does not have"),
        ('{"identity": [{"003use_name": "{{this}}"}]}', 1, 32, "outside of {{#each}}"),
        ('{"identity": [{"003use_name": "{{@root}}"}]}', 1, 32, "does not exist"),
        ('{"identity": [{"003use_name": "{{first name}}"}]}', 1, 32, "{{[first name]}}"),
        ('{"identity": [{"003use_name": "{{ x | uper }}"}]}', 1, 32, "did you mean upper?"),
        ('{"identity": [{"003use_name": "{% include "x" %}"}]}', 1, 32, "{% include %} is not available"),
        ('{"identity": [{"003use_name": "{% if x %}{% endfor %}{% endif %}"}]}', 1, 42, "{% endif %}"),
        ('{"identity": [{"003use_name": "{{#if x}}a", "003use_bez": "b{{/if}}"', 1, 15, "never closed"),
        ('{"identity": [{"003use_name": "a" {{#if x}} "003use_bez": "b"{{/if}} }]}', 1, 45, "a comma is missing"),
        ('{"identity": [{"003use_name": {{#if x}}"a"{{/if}} }]}', 1, 51, "expected a value"),
    ],
)
def test_a_broken_structure_is_refused_with_its_place(text: str, line: int, column: int, said: str) -> None:
    with pytest.raises(StructureError) as caught:
        compile_structure(text)
    problem = caught.value.problems[0]
    assert said in problem.message
    assert (problem.line, problem.column) == (line, column)
    shown, caret = problem.excerpt.split("\n")
    assert caret.endswith("^")
    assert len(caret) - 5 <= len(shown) - 4


def test_every_problem_is_said_at_once() -> None:
    tags = problems('{"identity": [{"a": "{{#iff x}}{{/iff}} {{ y | uper }}", "b": "{{else}}"}]}')
    assert len(tags) == 3
    json = problems('{"identity": [{"a": max "b": 007, c: "\\d"}], "phonebook": {}}')
    assert len(json) == 6


def test_the_caret_stands_under_the_place_in_a_long_line() -> None:
    [problem] = problems('{"identity": [{"003use_bez": "' + "x" * 300 + '", "003use_name": max}]}')
    _, shown, caret = problem.split("\n")
    assert shown[caret.index("^") :].startswith("max")


@pytest.mark.parametrize("text", ['{"identity": ' + "[" * 5_000, '{"a":' * 5_000, "{{#if x}}" * 5_000])
def test_deep_nesting_is_refused(text: str) -> None:
    assert "deep" in problems(text)[0] or "never closed" in problems(text)[0]
