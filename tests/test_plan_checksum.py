"""The checksum approves exactly what was seen: same plan, same checksum; any change, another."""

from dataclasses import replace

import polars as pl
import pytest

from tasks.checksum import people_digest, plan_checksum, with_further_changes
from tasks.keyring import Keyring
from tasks.output import SourceFacts
from tasks.plan import CONTACT_CHANGES_SCHEMA, PHONE_CHANGES_SCHEMA, Plan, fields_json, json_text

RING = Keyring(b"k" * 32)
CHANGES = pl.DataFrame(
    {
        "action": ["update", "create"],
        "login": ["anna", "bert"],
        "user_id": [7, None],
        "fields": ['{"email":["a@b",null]}', '{"display_name":[null,"Bert"]}'],
        "password_fingerprint": ["aa", None],
        "pin_fingerprint": [None, "bb"],
        "number": ["101", "102"],
        "automatic": [False, True],
    }
)
PHONES = pl.DataFrame(
    [{"action": "assign", "login": "anna", "kind": "ip_phone", "mac": "000413a3016f", "fields": "{}"}],
    schema=PHONE_CHANGES_SCHEMA,
)
PLAN = Plan(profile="users", mode="sync", changes=CHANGES, phones=PHONES, facts=SourceFacts(digest="d1"))
SEEN = plan_checksum(PLAN, RING)


def test_the_order_in_which_a_database_gives_the_rows_changes_nothing() -> None:
    assert plan_checksum(replace(PLAN, changes=CHANGES.reverse()), RING) == SEEN


def test_another_key_makes_another_checksum() -> None:
    assert plan_checksum(PLAN, Keyring(b"l" * 32)) != SEEN


@pytest.mark.parametrize("column", CHANGES.columns)
def test_any_other_value_of_a_person_is_another_plan(column: str) -> None:
    for row in range(CHANGES.height):
        present = CHANGES[column][row]
        other = not present if column == "automatic" else f"{present or ''}x" if column != "user_id" else 99
        altered = CHANGES[column].scatter([row], [other])
        assert plan_checksum(replace(PLAN, changes=CHANGES.with_columns(altered)), RING) != SEEN


@pytest.mark.parametrize("column", ["action", "login", "kind", "mac", "before", "fields"])
def test_any_other_value_of_a_phone_is_another_plan(column: str) -> None:
    altered = PHONES[column].scatter([0], ["other"])
    assert plan_checksum(replace(PLAN, phones=PHONES.with_columns(altered)), RING) != SEEN


@pytest.mark.parametrize("column", ["action", "key", "entry_id", "fields"])
def test_any_other_value_of_a_contact_is_another_plan(column: str) -> None:
    contact = {"action": "update", "key": '["Taxi","112233"]', "entry_id": 7, "fields": "{}"}
    plans = [
        replace(PLAN, contacts=pl.DataFrame([row], schema=CONTACT_CHANGES_SCHEMA))
        for row in (contact, {**contact, column: 9 if column == "entry_id" else "other"})
    ]
    assert len({SEEN, *(plan_checksum(plan, RING) for plan in plans)}) == 3


def test_a_value_that_is_missing_is_not_an_empty_one() -> None:
    emptied = CHANGES.with_columns(pl.col("password_fingerprint").fill_null(""))
    assert plan_checksum(replace(PLAN, changes=emptied), RING) != SEEN


def test_text_that_moves_to_the_next_column_is_another_plan() -> None:
    moved = CHANGES.with_columns(login=pl.col("login") + "7", user_id=pl.lit(None, dtype=pl.Int64))
    assert plan_checksum(replace(PLAN, changes=moved), RING) != SEEN


@pytest.mark.parametrize("end", ["\x1d", "\x1e", "\x00", '"', "\\"])
def test_text_that_looks_like_the_end_of_a_value_is_another_plan(end: str) -> None:
    plans = [
        replace(PLAN, changes=CHANGES.with_columns(pl.lit(login).alias("login"), pl.lit(number).alias("number")))
        for login, number in ((f"a{end}", "1"), ("a", f"{end}1"))
    ]
    assert len({plan_checksum(plan, RING) for plan in plans}) == 2


def test_another_file_profile_mode_or_phone_system_is_another_plan() -> None:
    for altered in (
        replace(PLAN, facts=SourceFacts(digest="d2")),
        replace(PLAN, profile="others"),
        replace(PLAN, mode="upsert"),
        replace(PLAN, contents="moved"),
    ):
        assert plan_checksum(altered, RING) != SEEN


def test_people_who_are_added_later_are_seen_too() -> None:
    digested = replace(PLAN, changes=CHANGES.head(1), people_digest=people_digest(CHANGES.head(1)))
    seen = plan_checksum(digested, RING)
    added = with_further_changes(digested, CHANGES.tail(1))
    other = with_further_changes(digested, CHANGES.tail(1).with_columns(number=pl.lit("103")))
    assert added.changes.equals(CHANGES)
    assert len({seen, plan_checksum(added, RING), plan_checksum(other, RING)}) == 3


def test_the_digest_of_people_is_no_shorter_way_past_the_key() -> None:
    digested = replace(PLAN, people_digest=people_digest(CHANGES))
    assert plan_checksum(digested, RING) == SEEN
    assert plan_checksum(digested, Keyring(b"l" * 32)) != SEEN


def test_changed_fields_are_json_in_their_order_whoever_has_them() -> None:
    frame = pl.DataFrame({"a": ["1", "2", "3"], "b": ["x", 'q"', None], "was": [None, "y", "z"]})
    has_b, has_was = pl.col("b").is_not_null(), pl.col("was") != "z"
    differs = {"none": pl.lit(False), "b": has_b, "a": pl.lit(True), "unknown": has_was}
    asked: list[str] = []

    def sides(name: str) -> tuple[pl.Expr, pl.Expr]:
        asked.append(name)
        texts = {"b": (json_text(frame, "was"), json_text(frame, "b")), "a": (pl.lit("null"), json_text(frame, "a"))}
        return texts.get(name, (pl.lit("1"), pl.lit("2")))

    assert fields_json(frame, differs, sides).to_list() == [
        '{"b":[null,"x"],"a":[null,"1"]}',
        '{"b":["y","q\\""],"a":[null,"2"],"unknown":[1,2]}',
        '{"a":[null,"3"]}',
    ]
    assert asked == ["b", "a", "unknown"], "what changes nowhere is not made JSON of"
    assert fields_json(frame, {"a": differs["a"]}, sides).to_list() == [
        '{"a":[null,"1"]}',
        '{"a":[null,"2"]}',
        '{"a":[null,"3"]}',
    ]
    assert fields_json(frame, {"none": differs["none"]}, sides).to_list() == ["{}"] * 3
