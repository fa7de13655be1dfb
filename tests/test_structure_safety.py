"""Nothing in a cell breaks out of its string, and nothing in a template does harm or takes long."""

import pytest

from tasks.rendering.rendered import Rendered
from tasks.rendering.structure import StructureError, compile_structure
from tests.structures import identity, names_of, problems, render, table_of

ATTEMPTS = [
    '"',
    "\\",
    '\\"',
    "a\nb\r\nc",
    '"}],"identity":[{"003use_name":"admin',
    '", "003use_pw": "injected',
    "{{password}}",
    "{{{password}}}",
    "{% for x in range(9) %}{{ x }}{% endfor %}",
    "{{#if x}}",
    "// comment",
    "/* comment",
    "0;1;2;",
    "\x00\x01\x02",
    "\u2028\ud7ff\uffff",
    "“”„‟",
    "${x} $row %s %(x)s {0}",
    "]]]}}}",
    "null",
]
FIELDS = '"003use_bez": "{{x}}", "016voi_email": "<{{x}}>"'
IN_EACH = '"003use_bez": "{{this}}", "016voi_email": "<{{../x}}>"'
WAYS = {
    "columns": '"003use_name": "u", "003use_bez": "{{{x}}}", "016voi_email": "<{{x}}>"',
    "rows": '"003use_name": "u", "003use_bez": "{{x|string}}", "016voi_email": "<{{ x ~ "" }}>"',
    "each": f'"003use_name": "u", {{{{#each x}}}}{IN_EACH}{{{{/each}}}}',
    "cut": '"003use_name":"u", {{#if x}}"003use_bez": "{{x}}", "016voi_email": "<{{else}}"003use_pw": "{{/if}}{{x}}>"',
    "comment": f'"003use_name": "u", // {{{{x}}}} {{{{#if x}}}}{{{{x}}}}{{{{/if}}}}\n{FIELDS}',
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
@pytest.mark.parametrize("way", WAYS)
def test_no_cell_breaks_out_of_its_string(way: str, attempt: str) -> None:
    rendered: Rendered = render(f'{{"identity": [{{{WAYS[way]}}}]}}', [{"x": attempt, "password": "secret"}])
    assert rendered.failed.is_empty()
    fields = ("003use_name", "003use_bez", "016voi_email")
    assert rendered.frames["identity"].select(fields).rows() == [("u", attempt, f"<{attempt}>")]
    assert rendered.frames.keys() == {"identity"}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_no_cell_brings_fields_through_a_placeholder_outside_of_quotes(attempt: str) -> None:
    frame = table_of([{"x": attempt}]).frame
    structure = compile_structure('{"identity": [{"003use_name": {{x}} }]}')
    rendered = structure.render(frame, names_of(frame))
    assert rendered.failed.height + rendered.frames["identity"].height == 1
    assert set(rendered.frames["identity"].columns) == {"#row", "#line", "#identity", "#index", "003use_name"}


def template(body: str) -> str:
    return f'{{"identity": [{{"003use_name": "{body}"}}]}}'


REFUSED = [
    "{{ x.__class__ }}",
    "{{ x.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ x | attr('__class__') }}",
    "{{ range(10**9) }}",
    "{{ range(1000000000) | list }}",
    "{{ lipsum(9999) }}",
    "{{ cycler('a') }}",
    "{{ self.__init__ }}",
    "{{ x.format(x) }}",
    "{{ x.encode() }}",
    "{{ x.ljust(1000000000) }}",
    "{{ x | center(1000000000) }}",
    "{{ '%9999999999d' | format(1) }}",
    "{{ x | random }}",
    "{{ x | pprint }}",
    "{{ x ** 9 ** 9 }}",
    "{{ (" + "(" * 3_000 + "x" + ")" * 3_000 + ") }}",
    "{{ 1 + " + "9" * 5_000 + " }}",
    "{% for a in x recursive %}{{ loop(a) }}{% endfor %}",
    "{% set a %}{{ x }}{% endset %}",
    "{% set ns.a = x %}",
    "{% macro a() %}{% endmacro %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% filter upper %}{% endfilter %}",
    "{% raw %}{% endraw %}",
    "{% if %}{% endif %}",
    "{{ x.upper }}",
    "{{ x['upper']() }}",
]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("body", REFUSED)
def test_what_a_structure_does_not_have_is_refused_at_load(body: str) -> None:
    assert problems(template(body))


TOO_MUCH = [
    "{{ 'x' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{% for a in 'x' * 9999999 %}{{ a }}{% endfor %}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "{% set a = 9999999999 %}" + "{% set a = a * a %}" * 40 + "{{ a }}",
    "{% set a = ['x'] %}" + "{% set a = a + a %}" * 40 + "{{ a }}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a.replace('x', 'xxxxxxxxxx') %}" * 20 + "{{ a }}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a | replace('', 'xxxxxxxxxx') %}" * 20 + "{{ a }}",
    "{% set a = 'xxxxxxxxxx' %}" + "{% set a = a | list | join(a) %}" * 20 + "{{ a }}",
    "{{ x[u] }}",
    "{{ '%9999999999d' % 1 }}",
]
LETTERS = "{% for a in 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz' %}"


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("body", [*TOO_MUCH, LETTERS * 5 + "{{ a }}" + "{% endfor %}" * 5])
def test_work_without_bounds_ends_in_a_clear_error(body: str) -> None:
    frame = table_of([{"x": "1", "u": "__class__"}]).frame
    try:
        rendered = compile_structure(template(body)).render(frame, names_of(frame))
    except StructureError as error:
        assert "too" in str(error)
    else:
        assert rendered.frames["identity"]["003use_name"].to_list() in ([], [""])


def test_a_failing_expression_does_not_tell_the_cell() -> None:
    secret = "hunter2secret"
    for body in ("{{ x.split('') }}", "{{ 1 + x }}", "{{ x % 3 }}", "{{ 'abc'.split(x).pop }}", "{{ [1][x] | sum }}"):
        try:
            frame = table_of([{"x": secret}]).frame
            rendered = compile_structure(template(body)).render(frame, names_of(frame))
        except StructureError as error:
            assert secret not in str(error)
        else:
            assert secret not in str(rendered.failed["message"].to_list())


def test_a_huge_number_fails_its_row_only() -> None:
    frame = table_of([{"x": "f" * 9_000}, {"x": "a"}]).frame
    structure = compile_structure(template("{{ x | int(base=16) }}"))
    rendered = structure.render(frame, names_of(frame))
    assert rendered.frames["identity"]["003use_name"].to_list() == ["10"]
    assert "too large a number" in rendered.failed["message"].item()


def test_a_lookup_in_a_dictionary_is_an_ordinary_expression() -> None:
    text = "\"003use_bez\": \"{{ {'IT': 'Technik', 'HR': 'Personal'}[x] | default('-') }}\""
    assert identity(text, x="IT") == {"003use_bez": "Technik"}
    assert identity(text, x="__class__") == {"003use_bez": "-"}


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("text", ["{{", "{{x", "{{!--", '{"', "{{#if x}}", '"{{x}}",', "/*", "{% if x", '{{"'])
def test_a_long_broken_text_is_refused_soon(text: str) -> None:
    assert problems(text * 5_000)
