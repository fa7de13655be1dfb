"""What is more than a cell in a Structure: lists, loops over them, and what Jinja makes itself."""

import polars as pl

from tasks.rendering.structure import compile_structure
from tests.structures import identity, names_of, same_by_row, table_of


def test_jinja_values_print_as_php_prints_them_and_are_json_outside_of_quotes() -> None:
    inside = {"003use_bez": "{{ n|int / 5 }}", "003use_name": "{{ n == '10' }}", "011acc_pin": "{{ n == '9' }}"}
    text = ", ".join(f'"{field}": "{value}"' for field, value in inside.items())

    assert identity(text, n="10") == {"003use_bez": "2", "003use_name": "1", "011acc_pin": ""}
    assert identity('"003use_name": {{ n == "10" }}, "003use_bez": {{ 1 / 3 }}', n="10") == {
        "003use_name": "true",
        "003use_bez": "0.33333333333333",
    }


def lists(values: list[list[str | None] | None], scalars: list[str | None]) -> pl.DataFrame:
    frame = table_of({"xs": scalars}).frame
    return frame.with_columns(pl.Series("#list:xs", values, dtype=pl.List(pl.String)))


def test_a_list_and_a_text_have_a_length() -> None:
    text = (
        '{"identity": [{"003use_bez": "{{xs.length}}", "003use_name": "{{#if xs.length}}some{{else}}none{{/if}}", '
        '"user_roles": [{{#each xs}}"{{this.length}}"{{#unless @last}},{{/unless}}{{/each}}]}]}'
    )
    frame = lists([["ab", "c"], [], None], ["Array", "Array", "abc"])

    found = compile_structure(text).render(frame, names_of(frame)).frames["identity"]

    assert found["003use_bez"].to_list() == ["2", "0", "3"]
    assert found["003use_name"].to_list() == ["some", "none", "some"]
    assert found["user_roles"].to_list() == [["2", "1"], [], ["3"]]


def test_each_walks_lists_and_the_one_text_that_is_no_list() -> None:
    text = '{"identity": [{"user_roles": [{{#each xs}}"{{@index}}{{this}}"{{#unless @last}},{{/unless}}{{/each}}]}]}'
    frame = lists([["a", None], [], None, None], [None, None, "s", ""])
    rendered = compile_structure(text).render(frame, names_of(frame))
    assert rendered.frames["identity"]["user_roles"].to_list() == [["0a", "1"], [], ["0s"], []]


def test_a_list_is_truthy_when_it_has_items_and_prints_joined() -> None:
    text = '{"identity": [{"003use_bez": "{{#if xs}}yes{{else}}no{{/if}} {{xs}}"}]}'
    frame = lists([["a", None, "b"], [], None, None], ["9", "9", "s", ""])
    structure = compile_structure(text)
    rendered = structure.render(frame, names_of(frame))
    assert structure.mode == "columns"
    assert rendered.frames["identity"]["003use_bez"].to_list() == ["yes a,,b", "no ", "yes s", "no "]
    same_by_row(structure, frame, rendered)


def test_each_nests_and_reaches_outwards() -> None:
    inner = "{{#each xs}}{{../this}}{{this}}{{@first}}{{../@index}}{{y}} {{else}}none{{/each}}"
    text = f'{{"identity": [{{"003use_bez": "{{{{#each xs}}}}{inner}{{{{/each}}}}"}}]}}'
    frame = lists([["a", "b"]], [None]).with_columns(y=pl.lit("Y"))
    rendered = compile_structure(text).render(frame, names_of(frame))
    assert rendered.frames["identity"]["003use_bez"].item() == "aa10Y ab0Y ba11Y bb1Y "


def test_jinja_stands_beside_handlebars() -> None:
    choice = '{% if x == "1" %}{{x}}{% elif x %}!{% else %}?{% endif %}'
    text = f'"003use_bez": "{{{{ surname | upper }}}}, {{{{ givenname[:1] }}}}.{choice}"'
    assert identity(text, surname="Muster", givenname="Max", x="1") == {"003use_bez": "MUSTER, M.1"}
    assert identity(text, surname="Muster", givenname="Max", x="2") == {"003use_bez": "MUSTER, M.!"}
    assert identity(text, surname="", givenname=None, x="") == {"003use_bez": ", .?"}


def test_jinja_loops_and_assignments_work() -> None:
    text = """{% set name = u | lower %}"003use_name": "{{name}}",
        "user_roles": [{% for r in roles.split(";") if r %}
            "{{ loop.index }}{{r}}"{% if not loop.last %},{% endif %}
        {% endfor %}]"""
    assert identity(text, u="MAX", roles="a;;b") == {"003use_name": "max", "user_roles": ["1a", "2b"]}
    assert compile_structure(f'{{"identity": [{{{text}}}]}}').field_reads == {
        "identity.003use_name": {"u"},
        "identity.user_roles": {"roles"},
    }


def test_jinjas_own_values_print_as_php_would() -> None:
    text = "\"003use_bez\": \"{{ x == x }} {{ 7 // 2 }} {{ none }} {{ x.split(',') }} {{ x.split(',') | length }}\""
    assert identity(text, x="a,b") == {"003use_bez": "1 3  a,b 2"}
