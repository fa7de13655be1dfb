"""Pages of the phone system: what a search finds, how it is counted and cut, on SQLite and on PostgreSQL."""

import pytest
import sqlalchemy as sa

from tasks.store.pages import (
    Cut,
    codes_of_run,
    last_runs,
    page_of_changes,
    page_of_issues,
    page_of_phones,
    page_of_runs,
    page_of_users,
)
from tasks.store.seen import Sighting, list_seen, note_seen
from tasks.store.tables import import_records, users
from tasks.store.views import find_user, list_users, owned_counts
from tests.world import World, people

HEADER = "username,displayname,phone,email,phonemac,roles,job"
ROWS = (
    "ada,Ada Lovelace,201,ada@example.com,00:04:13:00:00:01,Sales;Board,Countess",
    "bob,Bob 100% Builder,202,bob@example.org,,,",
    "cleo,Cleo_patra,203,,00:04:13:00:00:03,,",
)


@pytest.fixture
def filled(world: World) -> World:
    """Three people of one profile, one of another, the first one's phone taken away again."""
    world.imports(people(*ROWS, header=HEADER), world.profile("staff"))
    world.imports(people("zoe,Zoë,"), world.profile("branch"))
    world.imports(
        people(ROWS[0].replace("00:04:13:00:00:01", ""), *ROWS[1:], "x,X,012,,,,", header=HEADER),
        world.profile("staff"),
    )
    return world


def logins(world: World, **cut: object) -> tuple[list[str], int]:
    with world.connection() as connection:
        page = page_of_users(connection, Cut(**cut))
    return [user["login"] for user in page.rows], page.total


def macs(world: World, **cut: object) -> tuple[list[str], int]:
    with world.connection() as connection:
        page = page_of_phones(connection, Cut(**cut))
    return [phone["mac"][-1] for phone in page.rows], page.total


def test_people_are_found_by_any_part_of_what_names_them_without_regard_to_case(filled: World) -> None:
    assert logins(filled) == (["ada", "bob", "cleo", "zoe"], 4)
    assert logins(filled, search="LOVE") == (["ada"], 1)
    assert logins(filled, search="20") == (["ada", "bob", "cleo"], 3)
    assert logins(filled, search="Example.ORG") == (["bob"], 1)
    assert logins(filled, search="nobody") == ([], 0)


def test_what_means_anything_in_a_pattern_means_itself(filled: World) -> None:
    assert logins(filled, search="100%") == (["bob"], 1)
    assert logins(filled, search="o_p") == (["cleo"], 1)
    assert logins(filled, search="\\") == ([], 0)


def test_people_of_one_profile_are_counted_alone(filled: World) -> None:
    assert logins(filled, only="staff") == (["ada", "bob", "cleo"], 3)
    assert logins(filled, only="branch", search="z") == (["zoe"], 1)
    assert logins(filled, only="nobody") == ([], 0)


def test_a_page_is_cut_out_of_all_that_was_found(filled: World) -> None:
    assert logins(filled, limit=2, offset=1) == (["bob", "cleo"], 4)
    assert logins(filled, search="a", limit=1, offset=1) == (["bob"], 3)
    assert logins(filled, limit=2, offset=9) == ([], 4)


def test_phones_are_found_by_any_notation_of_their_mac_and_by_their_owner(filled: World) -> None:
    assert macs(filled) == (["1", "3"], 2)
    assert macs(filled, search="00:04:13:00:00:03") == (["3"], 1)
    assert macs(filled, search="0004.1300") == (["1", "3"], 2)
    assert macs(filled, search="cleo") == (["3"], 1)
    assert macs(filled, only="free") == (["1"], 1)
    assert macs(filled, only="assigned", search="snom") == (["3"], 1)


def test_a_run_is_shown_by_its_changes_with_the_phones_beside_them(filled: World) -> None:
    with filled.connection() as connection:
        first = page_of_changes(connection, "run-001", Cut(limit=2))
        found = page_of_changes(connection, "run-001", Cut(search="countess"))
        removed = page_of_changes(connection, "run-001", Cut(only="remove"))

    assert ([row["login"] for row in first.rows], first.total, removed.total) == (["ada", "bob"], 3, 0)
    assert [phone["action"] for phone in first.rows[0]["phones"]] == ["assign"] and first.rows[1]["phones"] == []
    assert [row["login"] for row in found.rows] == ["ada"]


def test_a_run_is_shown_by_its_issues_and_by_the_rows_that_failed(filled: World) -> None:
    with filled.connection() as connection:
        every = page_of_issues(connection, "run-003", Cut())
        failed = page_of_issues(connection, "run-003", Cut(), failed=True)
        code = page_of_issues(connection, "run-003", Cut(only="extension-invalid", search="012"))
        codes = codes_of_run(connection, "run-003")

    assert [row["code"] for row in failed.rows] == ["extension-invalid"] and code.total == 1
    assert len(every.rows) == sum(codes.values()) and codes["extension-invalid"] == 1


def test_the_history_is_newest_first_and_tells_the_last_run_of_each_profile(filled: World) -> None:
    with filled.connection() as connection:
        every = page_of_runs(connection, Cut())
        branch = page_of_runs(connection, Cut(only="branch"))
        found = page_of_runs(connection, Cut(search="STAFF", limit=1))
        last = last_runs(connection)

    assert [run["run"] for run in every.rows] == ["run-003", "run-002", "run-001"] and every.total == 3
    assert ([run["run"] for run in branch.rows], found.total) == (["run-002"], 2)
    assert {name: run["run"] for name, run in last.items()} == {"staff": "run-003", "branch": "run-002"}
    assert every.rows == filled.runs()


def test_one_person_alone_is_read_as_among_all(filled: World) -> None:
    with filled.connection() as connection:
        alone = [find_user(connection, login) for login in ("ada", "bob", "cleo", "zoe")]
        assert alone == list_users(connection)
        assert find_user(connection, "nobody") is None


def test_owners_are_counted_and_people_made_by_hand_are_nobodys(filled: World) -> None:
    filled.by_hand(sa.insert(users).values(login="hand", display_name="Hand"))

    with filled.connection() as connection:
        assert owned_counts(connection) == {"staff": (3, 0), "branch": (1, 0)}
        connection.execute(sa.delete(import_records))
        assert owned_counts(connection) == {}


def test_a_phone_that_asked_is_listed_until_it_has_a_user(filled: World) -> None:
    with filled.connection() as connection:
        for mac, at in (("000413000003", "1"), ("000413000009", "2"), ("000413000001", "3"), ("000413000009", "4")):
            note_seen(connection, Sighting(mac, "snom", "10.0.0.9", at))
        seen = list_seen(connection)

    assert [(phone["mac"], phone["first_seen"], phone["last_seen"]) for phone in seen] == [
        ("000413000009", "2", "4"),
        ("000413000001", "3", "3"),
    ]
