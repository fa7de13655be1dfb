"""Whatever the Structure and the cells: columns, rows and a naive model of both give the same records."""

import json
import random
from dataclasses import dataclass

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from ruamel.yaml import YAML

from tasks.modules import BY_NAME
from tasks.rendering.structure import StructureError, compile_structure
from tests.structures import names_of, table_of
from tests.test_profile_template import TEMPLATE

NAMES = ("a", "b", "B", "first name", "xs", "absent")
COLUMNS = ("a", "b", "B", "first name", "xs")
CELLS = ["", None, "0", "x", '"', "\\", "{{a}}", "\n", "ä„“", '"}],"identity":[{', "false"]
TOKENS = (
    *("{", "}", "[", "]", ":", ",", '"', "“", "”", "\\", "//", "/*", "*/", "\n", "null", "12", "{%", "{#"),
    *("{{x}}", "{{{x}}}", "{{#if x}}", "{{else}}", "{{/if}}", "{{#each x}}", "{{this}}", "{{/each}}", "{{x|upper}}"),
    *('"identity"', '"003use_name"', '"post"', '"identity":[{', '"003use_name":"a"', "}]"),
)
MODULES = {"phonebook": "phonebook", "ipphone": "ipphone", "externals": "external"}


@dataclass(frozen=True)
class Choice:
    """A block of the model: `name` decides between two lists of the same kind."""

    name: str
    negated: bool
    then: list[object]
    otherwise: list[object]

    def taken(self, row: dict[str, object]) -> list[object]:
        return self.then if bool(row.get(self.name)) is not self.negated else self.otherwise

    def text(self, then: str, otherwise: str) -> str:
        word = "unless" if self.negated else "if"
        return f"{{{{#{word} {path(self.name)}}}}}{then}{{{{else}}}}{otherwise}{{{{/{word}}}}}"


@dataclass(frozen=True)
class Hole:
    name: str


@dataclass(frozen=True)
class Pair:
    key: str
    value: list[object]


def path(name: str) -> str:
    return f"[{name}]" if " " in name else name


def blocks(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.builds(
        Choice, st.sampled_from(NAMES), st.booleans(), st.lists(inner, max_size=3), st.lists(inner, max_size=3)
    )


literals = st.sampled_from(["", "x", " ", '"', "\\", "//", "/*", "„“”", "{", "ä\n", ","])
pieces = st.recursive(st.one_of(literals, st.builds(Hole, st.sampled_from(NAMES))), blocks, max_leaves=4)


def pairs(module: str) -> st.SearchStrategy[object]:
    keys = [name for name in BY_NAME[module].fields if name != "user_roles"][:3]
    pair = st.builds(Pair, st.sampled_from(keys), st.lists(pieces, max_size=3))
    return st.one_of(pair, pair, blocks(pair))


def objects(module: str) -> st.SearchStrategy[object]:
    record = st.lists(pairs(module), max_size=4)
    return st.one_of(record, record, blocks(record))


children = st.sampled_from(sorted(MODULES)).flatmap(
    lambda key: st.builds(Pair, st.just(key), st.lists(objects(MODULES[key]), max_size=2))
)
identities = st.tuples(
    st.lists(pairs("identity"), max_size=4), st.lists(st.one_of(children, blocks(children)), max_size=3)
)
rows = st.lists(st.fixed_dictionaries({name: st.sampled_from(CELLS) for name in COLUMNS}), min_size=1, max_size=6)
items = st.lists(st.one_of(st.none(), st.lists(st.sampled_from(["x", None, '"']), max_size=2)), min_size=6, max_size=6)


def string_text(parts: list[object]) -> str:
    out: list[str] = []
    for part in parts:
        match part:
            case Hole():
                out.append(f"{{{{{{{path(part.name)}}}}}}}")
            case Choice():
                out.append(part.text(string_text(part.then), string_text(part.otherwise)))
            case _:
                out.append(json.dumps(part, ensure_ascii=False)[1:-1].replace("{", "\\u007b"))
    return "".join(out)


def pair_text(entries: list[object]) -> str:
    """Every member with a comma after it, wherever it stands: trailing commas are tolerated."""
    return "".join(
        entry.text(pair_text(entry.then), pair_text(entry.otherwise))
        if isinstance(entry, Choice)
        else f'"{entry.key}": "{string_text(entry.value)}", '  # type: ignore[attr-defined]
        for entry in entries
    )


def object_text(entries: list[object]) -> str:
    return "".join(
        entry.text(object_text(entry.then), object_text(entry.otherwise))
        if isinstance(entry, Choice)
        else f"{{ {pair_text(entry)} }},"  # type: ignore[arg-type]
        for entry in entries
    )


def child_text(entries: list[object]) -> str:
    return "".join(
        entry.text(child_text(entry.then), child_text(entry.otherwise))
        if isinstance(entry, Choice)
        else f'"{entry.key}": [{object_text(entry.value)}],'  # type: ignore[attr-defined]
        for entry in entries
    )


def taken(entries: list[object], row: dict[str, object]) -> list[object]:
    out: list[object] = []
    for entry in entries:
        out += taken(entry.taken(row), row) if isinstance(entry, Choice) else [entry]
    return out


def printed(parts: list[object], row: dict[str, object]) -> str:
    values = [row.get(part.name) if isinstance(part, Hole) else part for part in taken(parts, row)]
    return "".join(
        ",".join("" if item is None else item for item in value) if isinstance(value, list) else str(value or "")
        for value in values
    )


def record(entries: list[object], row: dict[str, object]) -> dict[str, str]:
    return {pair.key: printed(pair.value, row) for pair in taken(entries, row)}  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(model=identities, cells=rows, lists=items)
def test_columns_rows_and_model_agree(
    model: tuple[list[object], list[object]], cells: list[dict[str, str | None]], lists: list[list[str | None] | None]
) -> None:
    fields, posts = model
    structure = compile_structure(f'{{"identity": [{{ {pair_text(fields)} "post": {{ {child_text(posts)} }} }}]}}')
    frame = table_of(cells).frame
    frame = frame.with_columns(pl.Series("#list:xs", lists[: frame.height], dtype=pl.List(pl.String)))
    rendered = structure.render(frame, names_of(frame))
    by_row = structure.by_row.render(frame, names_of(frame))
    assert structure.mode == "columns", structure.why_rows
    assert rendered.failed.is_empty()
    assert by_row.failed.is_empty()
    assert rendered.frames.keys() == by_row.frames.keys()
    for module, records in rendered.frames.items():
        assert_frame_equal(records, by_row.frames[module])
    expected: dict[str, list[dict[str, object]]] = {module: [] for module in rendered.frames}
    for number, (cell, items) in enumerate(zip(cells, lists, strict=False), start=2):
        row: dict[str, object] = cell | ({} if items is None else {"xs": items})
        expected["identity"].append({"#row": number, "#index": 0} | record(fields, row))
        for key, module in MODULES.items():
            made = [child for child in taken(posts, row) if child.key == key]  # type: ignore[attr-defined]
            for index, entries in enumerate(taken(made[-1].value, row) if made else []):  # type: ignore[attr-defined]
                expected[module].append({"#row": number, "#index": index} | record(entries, row))  # type: ignore[arg-type]
    for module, records in rendered.frames.items():
        found = [{k: v for k, v in r.items() if v is not None} for r in records.drop("#line", "#identity").to_dicts()]
        assert found == expected[module]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=25))
def test_any_text_compiles_or_says_why(tokens: list[str]) -> None:
    for text in ("".join(tokens), '{"identity": [{"003use_name": "a' + " ".join(tokens) + '"}]}'):
        try:
            structure = compile_structure(text)
        except StructureError as error:
            assert error.problems
            assert all(problem.line and problem.column and problem.excerpt for problem in error.problems)
        else:
            frame = table_of([{"x": "1"}, {"x": ""}, {"x": '"'}]).frame
            rendered = structure.render(frame, names_of(frame))
            by_row = structure.by_row.render(frame, names_of(frame))
            assert rendered.frames.keys() == by_row.frames.keys()
            assert_frame_equal(rendered.failed, by_row.failed)
            for module, records in rendered.frames.items():
                assert_frame_equal(records, by_row.frames[module])


def test_500_random_rows_are_the_same_either_way() -> None:
    structure = compile_structure(YAML(typ="safe").load(TEMPLATE.read_text("utf-8"))["structure"])
    drawn = random.Random(7)
    cells = [{name: drawn.choice(CELLS) for name in sorted(structure.reads)} for _ in range(500)]
    frame = table_of(cells).frame
    rendered, by_row = (way.render(frame, names_of(frame)) for way in (structure, structure.by_row))
    assert structure.mode == "columns"
    assert rendered.frames["ipphone"].height == sum(bool(cell["phonemac"]) for cell in cells)
    for module, records in rendered.frames.items():
        assert_frame_equal(records, by_row.frames[module])
