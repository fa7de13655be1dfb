from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.keyring import Keyring
from tasks.lineage import Recipe, cache_key
from tasks.output import Modules, Output, Source, SourceFacts, Table
from tasks.profile import Profile

RING = Keyring(bytes(range(32)))
RECIPE = Recipe("parse", 1, ("delimiter",))
PROFILE = Profile(title="Users", structure="{}")
FACTS = SourceFacts(digest="d")
TABLE = Table(frame=pl.DataFrame({"#row": [2, 3], "a": ["x", "y"], "#list:b": [["p"], None]}), facts=FACTS)


@dataclass(frozen=True)
class Request:
    facts: Mapping[str, object] | None

    def cache_facts(self) -> Mapping[str, object] | None:
        return self.facts


def key(*, recipe: Recipe = RECIPE, ring: Keyring = RING, **arguments: Any) -> str | None:
    return cache_key(recipe, arguments, ring)


def test_the_same_inputs_give_the_same_key_in_any_order() -> None:
    assert key(a=1, b="x") == key(b="x", a=1)
    assert key(table=TABLE) == key(table=replace(TABLE, frame=TABLE.frame.clone().rechunk()))


def test_a_key_names_its_step_and_tells_nothing_else() -> None:
    assert (key(pin="1234") or "").partition("-")[0] == "parse"
    assert "1234" not in (key(pin="1234") or "")


@pytest.mark.parametrize(
    "other",
    [
        {"recipe": Recipe("prefilter", 1, ("delimiter",))},
        {"recipe": Recipe("parse", 2, ("delimiter",))},
        {"ring": Keyring(bytes(32))},
        {"profile": PROFILE.model_copy(update={"delimiter": ";"})},
        {"table": replace(TABLE, frame=TABLE.frame.reverse())},
        {"table": replace(TABLE, frame=TABLE.frame.rename({"a": "b"}))},
        {"table": replace(TABLE, facts=SourceFacts(digest="e"))},
        {"table": replace(TABLE, aside=pl.DataFrame({"#row": [1]}))},
        {"table": replace(TABLE, lineage="parse-1")},
        {"number": 2},
    ],
)
def test_whatever_matters_changes_the_key(other: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"profile": PROFILE, "table": TABLE, "number": 1}

    assert key(**(usual | other)) != key(**usual)


def test_what_the_step_does_not_read_does_not_change_the_key() -> None:
    other = PROFILE.model_copy(update={"structure": '{"identity": []}', "title": "Others"})

    assert key(profile=other) == key(profile=PROFILE)


def test_lineage_stands_for_the_content() -> None:
    made = replace(TABLE, lineage="parse-1")

    assert key(table=made) == key(table=replace(made, frame=pl.DataFrame()))


def test_of_a_source_the_digest_stands_for_the_bytes() -> None:
    known, unknown = Source(data=b"x", facts=FACTS), Source(data=b"x", facts=SourceFacts())

    assert key(source=known) == key(source=replace(known, data=b"y"))
    assert key(source=unknown) != key(source=replace(unknown, data=b"y"))


def test_modules_are_covered_frame_by_frame() -> None:
    modules = Modules(frames={"identity": TABLE.frame}, facts=FACTS)

    assert key(m=modules) != key(m=replace(modules, frames={"phonebook": TABLE.frame}))
    assert key(m=modules) != key(m=replace(modules, frames={"identity": TABLE.frame, "phonebook": TABLE.frame}))


def test_an_argument_may_forbid_caching() -> None:
    assert key(request=Request(None)) is None
    assert key(request=Request({"digest": "a"})) != key(request=Request({"digest": "b"}))


def test_an_argument_that_no_key_can_cover_is_named() -> None:
    with pytest.raises(TypeError, match="given a object, which no cache key can cover"):
        key(store=object())


@settings(deadline=None)
@given(st.lists(st.text(), max_size=5), st.lists(st.text(), max_size=5))
def test_different_columns_have_different_keys(one: list[str], other: list[str]) -> None:
    tables = [Table(frame=pl.DataFrame({"a": cells}, schema={"a": pl.String}), facts=FACTS) for cells in (one, other)]

    assert (key(table=tables[0]) == key(table=tables[1])) == (one == other)


def test_kinds_of_outputs_are_told_apart() -> None:
    assert key(made=Output()) != key(made=Table(frame=pl.DataFrame(), facts=SourceFacts()))
