"""The Structure: what a row becomes, whichever way it runs."""

from pathlib import Path

import pytest

from tasks.output import ROW
from tasks.profile import Profile
from tasks.rendering.structure import compile_structure, untouched_fields
from tasks.structure import render_structure_rows
from tests.structures import failure, identity, names_of, render, table_of

SEED = """
    {
      "identity": [{

        "003use_bez": "{{{displayname}}}",
        "003use_name": "{{{username}}}",
        "003use_pw": "{{{password}}}",
        "011acc_pin": "{{{pin}}}",
        "009ext_extension": "{{{phone}}}",
        "016voi_email": "{{{email}}}"
        ,"post": {
          "phonebook": [{
            "028pho_bez" :  "{{{displayName}}}",
            "028pho_firstname" :  "{{{givenName}}}",
            "028pho_lastname" : "{{{surname}}}",
            "028pho_email" :  "{{{email}}}",
            "028pho_notes" :  "{{{job}}}"
          }]
        }
      }]
    }
"""


def test_the_seeds_structure_runs_verbatim() -> None:
    row = {"displayname": "Max Muster", "username": "mmuster", "password": "12ab34cd56", "pin": "1234", "phone": "345"}
    row |= {"givenname": "Max", "surname": "Muster", "email": "", "job": "Sales Director"}
    rendered = render(SEED, [row])
    assert compile_structure(SEED).mode == "columns"
    assert rendered.frames["identity"].to_dicts() == [
        {
            "#row": 2,
            "#line": 2,
            "#identity": 0,
            "#index": 0,
            "003use_name": "mmuster",
            "003use_bez": "Max Muster",
            "003use_pw": "12ab34cd56",
            "011acc_pin": "1234",
            "009ext_extension": "345",
            "016voi_email": "",
        }
    ]
    assert rendered.frames["phonebook"].to_dicts() == [
        {
            "#row": 2,
            "#line": 2,
            "#identity": 0,
            "#index": 0,
            "028pho_bez": "Max Muster",
            "028pho_firstname": "Max",
            "028pho_lastname": "Muster",
            "028pho_email": "",
            "028pho_notes": "Sales Director",
        }
    ]


@pytest.mark.parametrize(
    "hole", ["{{x}}", "{{{x}}}", "{{ x }}", "{{{ x }}}", "{{~x~}}", "{{&x}}", "{{[x]}}", "{{this.x}}"]
)
def test_every_spelling_of_a_placeholder_prints_the_cell_raw(hole: str) -> None:
    assert identity(f'"003use_bez": "{hole}"', x='<b> & "q"') == {"003use_bez": '<b> & "q"'}


@pytest.mark.parametrize("name", ["first name", "E-Mail", "Straße", "in", "loop", "003", "a.b", "it's", "true story"])
def test_any_column_name_can_be_read_in_brackets(name: str) -> None:
    assert identity(f'"003use_bez": "{{{{[{name}]}}}}"', **{name: "v"}) == {"003use_bez": "v"}
    assert identity(f'"003use_bez": "{{{{[{name}]}}}}{{{{ other | upper }}}}"', **{name: "v", "other": "o"}) == {
        "003use_bez": "vO"
    }


def test_a_name_is_read_without_regard_to_case_when_one_column_fits() -> None:
    assert identity('"003use_bez": "{{displayName}}"', displayname="Max") == {"003use_bez": "Max"}
    assert identity('"003use_bez": "{{displayName | upper}}"', displayname="Max") == {"003use_bez": "MAX"}


def test_an_absent_name_is_empty_and_said_once() -> None:
    profile = Profile(title="t", structure='{"identity": [{"003use_name": "{{login}}", "003use_bez": "{{gone}}"}]}')
    modules = render_structure_rows(table_of([{"login": "a"}, {"login": "b"}]), profile)
    assert modules.frames["identity"]["003use_bez"].to_list() == ["", ""]
    assert modules.issues.select("column", "code", "severity").rows() == [("gone", "column-absent", "warning")]
    assert modules.untouched == ("identity.003use_bez",)


def test_a_null_cell_is_empty() -> None:
    assert identity('"003use_bez": "<{{x}}>{{#if x}}yes{{/if}}"', x=None) == {"003use_bez": "<>"}


@pytest.mark.parametrize("value", ["", None])
def test_if_skips_what_is_empty(value: str | None) -> None:
    assert identity('"003use_bez": "{{#if x}}a{{else}}b{{/if}}"', x=value) == {"003use_bez": "b"}
    assert identity('"003use_bez": "{{#unless x}}a{{else}}b{{/unless}}"', x=value) == {"003use_bez": "a"}


@pytest.mark.parametrize("value", ["0", "false", " ", "null"])
def test_any_other_text_is_true_as_in_handlebars(value: str) -> None:
    assert identity('"003use_bez": "{{#if x}}a{{else}}b{{/if}}"', x=value) == {"003use_bez": "a"}


def test_else_if_takes_the_first_that_holds() -> None:
    text = '"003use_bez": "{{#if a}}A{{else if b}}B{{else}}C{{/if}}"'
    assert identity(text, a="1", b="1") == {"003use_bez": "A"}
    assert identity(text, a="", b="1") == {"003use_bez": "B"}
    assert identity(text, a="", b="") == {"003use_bez": "C"}


def test_a_block_around_keys_is_a_mask_and_stays_fast() -> None:
    text = """{"identity": [{"003use_name": "{{u}}", "post": {
        "phonebook": [{"028pho_bez": "{{u}}"}]
        {{#if phonemac}} , "ipphone": [{"071ipp_mac": "{{phonemac}}"}] {{/if}} }}]}"""
    rendered = render(text, [{"u": "a", "phonemac": ""}, {"u": "b", "phonemac": "00"}])
    assert compile_structure(text).mode == "columns"
    assert rendered.frames["ipphone"].select(ROW, "071ipp_mac").rows() == [(3, "00")]
    assert rendered.frames["phonebook"].height == 2


def test_a_module_that_no_row_renders_has_an_empty_frame_and_one_not_named_has_none() -> None:
    rendered = render(
        '{"identity": [{"003use_name": "{{u}}"}] {{#if m}}, "ipphone": [{}]{{/if}} }', [{"u": "a", "m": ""}]
    )
    assert rendered.frames["ipphone"].is_empty()
    assert "softphone" not in rendered.frames


def test_a_field_that_is_not_rendered_is_null() -> None:
    assert identity('"003use_name": "a" {{#if x}}, "003use_pw": "{{x}}"{{/if}}', x="")["003use_pw"] is None


def test_every_module_finds_its_frame() -> None:
    text = """{"identity": [{"003use_name": "u", "post": {
        "phonebook": [{"028pho_bez": "p", "post": {"phonebook.phonebooklabel": [{"050lab_bez": "l"}]}}],
        "ipphone": [{"071ipp_mac": "m", "010dev_bez": "ignored"}], "ipdevice.mdsoftphone": [{}],
        "externals": [{"number": "1"}] }}],
        "phonebook": [{"028pho_bez": "c"}]}"""
    structure = compile_structure(text)
    assert structure.modules == {
        "identity",
        "phonebook",
        "phonebooklabel",
        "ipphone",
        "softphone",
        "external",
        "contact",
    }
    frames = render(text, [{"x": ""}]).frames
    assert frames["contact"].select("#identity", "028pho_bez").rows() == [(None, "c")]
    assert frames["phonebook"].select("#identity", "028pho_bez").rows() == [(0, "p")]
    assert frames["phonebooklabel"].select("#identity", "#parent", "050lab_bez").rows() == [(0, 0, "l")]
    assert structure.warnings == ()


def test_a_label_belongs_to_its_entry() -> None:
    entry = '{"028pho_bez": "p", "post": {"phonebook.phonebooklabel": [{"050lab_bez": "A"}, {"050lab_bez": "B"}]}}'
    text = f'{{"identity": [{{"post": {{"phonebook": [{entry} {{{{#if two}}}}, {entry} {{{{/if}}}}]}}}}]}}'
    labels = render(text, [{"two": ""}, {"two": "1"}]).frames["phonebooklabel"]
    assert labels.select(ROW, "#parent", "#index", "050lab_bez").rows() == [
        (2, 0, 0, "A"),
        (2, 0, 1, "B"),
        (3, 0, 0, "A"),
        (3, 0, 1, "B"),
        (3, 1, 0, "A"),
        (3, 1, 1, "B"),
    ]


def test_positions_count_only_what_is_there() -> None:
    text = '{"identity": [{{#if a}}{"003use_name": "a"},{{/if}} {"003use_name": "b", "post": {"externals": [{}]}}]}'
    frames = render(text, [{"a": ""}, {"a": "1"}]).frames
    assert frames["identity"].select(ROW, "#identity", "003use_name").rows() == [(2, 0, "b"), (3, 0, "a"), (3, 1, "b")]
    assert frames["external"].select(ROW, "#identity").rows() == [(2, 0), (3, 1)]


def test_phones_at_the_top_level_belong_to_the_person_of_the_row() -> None:
    frames = render('{"identity": [{}], "ipphone": [{"071ipp_mac": "m"}]}', [{"x": ""}]).frames
    assert frames["ipphone"].select("#identity").item() == 0


def test_roles_are_a_list_whether_written_as_array_or_text() -> None:
    assert identity('"user_roles": ["a", "{{x}}"]', x="b;c") == {"user_roles": ["a", "b;c"]}
    assert identity('"user_roles": "{{x}}"', x="b") == {"user_roles": ["b"]}
    assert identity('"user_roles": []') == {"user_roles": []}
    assert identity('"user_roles": ["a" {{#if x}}, "{{x}}"{{/if}}]', x="") == {"user_roles": ["a"]}


def test_null_counts_as_empty_and_numbers_as_their_text() -> None:
    text = '"003use_bez": null, "011acc_pin": 1234, "009ext_extension": 1.50, "003use_name": true'
    expected = {"003use_bez": "", "011acc_pin": "1234", "009ext_extension": "1.50", "003use_name": "true"}
    assert identity(text) == expected


def test_a_block_that_cuts_through_the_json_runs_by_row() -> None:
    text = '{"identity": [{"003use_name": "{{#if x}}a", "003use_bez": "{{x}}{{else}}b{{/if}}"}]}'
    structure = compile_structure(text)
    rendered = render(text, [{"x": "1"}, {"x": ""}])
    assert structure.mode == "rows"
    assert "line 1, column" in structure.why_rows
    assert rendered.frames["identity"].select("003use_name", "003use_bez").rows() == [("a", "1"), ("b", None)]
    assert structure.field_reads["identity.003use_bez"] == {"x"}


def test_a_block_that_chooses_a_value_is_fast() -> None:
    text = '{"identity": [{"003use_name": {{#if x}}"{{x}}"{{else}}null{{/if}}}]}'
    assert compile_structure(text).mode == "columns"
    assert render(text, [{"x": "1"}, {"x": ""}]).frames["identity"]["003use_name"].to_list() == ["1", ""]


@pytest.mark.parametrize(
    ("cell", "text"), [("12", "12"), ("1.50", "1.50"), ("true", "true"), ("null", ""), ('"a"', "a"), (" 7 ", "7")]
)
def test_a_placeholder_outside_of_quotes_takes_a_json_value(cell: str, text: str) -> None:
    assert identity('"003use_bez": {{x}}', x=cell) == {"003use_bez": text}


@pytest.mark.parametrize("cell", ["", "007", "abc", "NaN", '"a', "{}", "[1]", '"a", "003use_pw": "b"', "[" * 100_000])
def test_a_placeholder_outside_of_quotes_that_is_no_json_text_fails_its_row(cell: str) -> None:
    message = failure('"003use_bez": {{x}}', x=cell)
    assert "{{x}}" in message
    assert "003use_pw" not in message


def test_roles_take_a_json_array_from_a_cell() -> None:
    assert identity('"user_roles": {{x}}', x='["a", 1, null]') == {"user_roles": ["a", "1", ""]}
    assert "nested" in failure('"user_roles": {{x}}', x='[["a"]]')


def test_a_row_that_fails_is_set_aside_with_its_login() -> None:
    structure = '{"identity": [{"003use_name": "{{u}}", "003use_bez": "{{ 1 / n | int }}"}]}'
    table = table_of([{"u": "A.B", "n": "1"}, {"u": "C", "n": "0"}, {"u": "", "n": "0"}])
    modules = render_structure_rows(table, Profile(title="t", structure=structure))
    assert modules.frames["identity"][ROW].to_list() == [2]
    assert modules.aside.rows() == [(3, 3, "rejected", "c"), (4, 4, "rejected", None)]
    assert modules.issues.select("row", "code").rows() == [(3, "structure-failed"), (4, "structure-failed")]
    assert "it divides by zero" in modules.issues["message"][0]


def test_the_login_that_fails_is_unknown() -> None:
    structure = compile_structure('{"identity": [{"003use_name": "{{ 1 / n | int }}", "003use_bez": "x"}]}')
    frame = table_of([{"n": "0"}, {"n": "1"}]).frame
    assert structure.render_login(frame, names_of(frame)).to_list() == [None, "1"]


def test_the_login_is_rendered_with_the_blocks_around_it() -> None:
    login = '{{#if y}}"003use_name": "{{y}}"{{else}}"003use_name": "n"{{/if}}'
    text = f'{{"identity": [{{{{#if x}}}}{{{login}, "003use_bez": {{{{x}}}} }}{{{{/if}}}}]}}'
    structure = compile_structure(text)
    frame = table_of([{"x": "bad", "y": "1"}, {"x": "bad", "y": ""}, {"x": "", "y": "1"}]).frame
    assert structure.render(frame, names_of(frame)).failed.height == 2
    assert structure.render_login(frame, names_of(frame)).to_list() == ["1", "n", None]
    assert structure.login_reads == {"x", "y"}


def test_a_structure_without_login_knows_none() -> None:
    frame = table_of([{"x": "1"}]).frame
    structure = compile_structure('{"phonebook": [{"028pho_bez": "{{x}}"}]}')
    assert structure.render_login(frame, names_of(frame)).to_list() == [None]


def test_reads_are_known_field_by_field() -> None:
    structure = compile_structure(
        '{"identity": [{"003use_pw": "{{Kennwort}}"}] {{#if mac}}, "ipphone": [{"071ipp_mac": "{{mac}}", '
        '"071ipp_pw": "{{#unless a}}{{b}}{{/unless}}"}]{{/if}} // {{commented}}\n}'
    )
    assert structure.reads == {"Kennwort", "mac", "a", "b"}
    assert structure.field_reads == {
        "identity.003use_pw": {"Kennwort"},
        "ipphone.071ipp_mac": {"mac"},
        "ipphone.071ipp_pw": {"mac", "a", "b"},
    }
    assert structure.printed_reads["ipphone.071ipp_pw"] == {"a", "b"}
    assert untouched_fields(structure, lambda name: name in {"a"}) == ("identity.003use_pw", "ipphone.071ipp_mac")


def test_rows_are_conserved() -> None:
    table = table_of([{"n": str(number % 3)} for number in range(30)])
    structure = '{"identity": [{"003use_name": "{{ 1 / n | int }}"}]}'
    modules = render_structure_rows(table, Profile(title="t", structure=structure))
    assert modules.frames["identity"].height + modules.aside.height == table.frame.height


def test_no_rows_render_to_nothing() -> None:
    frame = table_of([{"u": "a"}]).frame.clear()
    for text in ('{"identity": [{"003use_name": "{{u}}"}]}', '{"identity": [{"003use_name": "{{u|upper}}"}]}'):
        structure = compile_structure(text)
        assert structure.render(frame, names_of(frame)).frames["identity"].is_empty()
        assert structure.render_login(frame, names_of(frame)).is_empty()


def test_a_structure_is_compiled_without_jinja_and_prefect() -> None:
    import subprocess
    import sys

    program = (
        "import sys; from tasks.rendering.structure import compile_structure; "
        'assert compile_structure(\'{"identity": [{"003use_name": "{{u}}"}]}\').mode == \'columns\'; '
        "sys.exit(int(any(name in sys.modules for name in ('jinja2', 'prefect'))))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parent.parent).returncode == 0
