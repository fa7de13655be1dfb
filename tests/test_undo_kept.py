"""What was changed after a run stays, and is named: no undo overwrites it, none passes over it in silence."""

import pytest
import sqlalchemy as sa

from tasks.snapshot import Circumstances
from tasks.store.tables import devices, extensions, users
from tests.state import state_of
from tests.world import World, codes, people

PHONES = "username,displayname,phonemac,phoneip,phonepass"
MAC = "000413a3016f"


def messages(world: World, run: str) -> list[str]:
    """What an undo of the run has to say."""
    return [issue["message"] for issue in world.undo(run).document()["issues"]]


def person(login: str) -> sa.ScalarSelect[int]:
    return sa.select(users.c.id).where(users.c.login == login).scalar_subquery()


def disabled(login: str) -> sa.Update:
    return sa.update(users).where(users.c.login == login).values(enabled=False)


def test_a_number_that_somebody_has_now_stays_there_though_the_undo_changes_something_else_of_him(world: World) -> None:
    header = "username,displayname,phone,email"
    world.imports(people("a,A,100,", "b,B,150,", header=header))
    world.imports(people("a,A,200,", "b,B,150,b@example.org", header=header))
    world.by_hand(
        sa.delete(extensions).where(extensions.c.number == "150"),
        sa.insert(extensions).values(number="100", user_id=person("b")),
    )

    report = world.undo("run-002")

    numbers = {login: user["extension"] for login, user in world.users().items()}
    assert codes(report) == [(None, None, "undo-other-number")] and numbers == {"a": "101", "b": "100"}
    assert world.users()["b"]["email"] == ""


def test_a_web_password_that_a_later_run_set_stays_and_is_named(world: World) -> None:
    world.imports(people(f"a,A,{MAC},10.0.0.1,web-one", header=PHONES))
    world.imports(people(f"a,A,{MAC},10.0.0.2,web-two", header=PHONES))
    world.imports(people(f"a,A,{MAC},10.0.0.2,web-three", header=PHONES))

    told = messages(world, "run-002")

    device = state_of(world.store)["a"]["devices"][0]
    assert (device["web_password"], device["ip"]) == ("web-three", "10.0.0.1")
    assert told == [f"a: the phone {MAC} stays set as it is in web_password, which changed after the run"]


def test_a_web_password_goes_back_where_nobody_changed_it(world: World) -> None:
    world.imports(people(f"a,A,{MAC},10.0.0.1,web-one", header=PHONES))
    before = state_of(world.store)
    world.imports(people(f"a,A,{MAC},10.0.0.1,web-two", header=PHONES))

    world.undo("run-002")
    assert state_of(world.store) == before

    world.undo(world.runs()[0]["run"])
    assert state_of(world.store)["a"]["devices"][0]["web_password"] == "web-two"


def test_a_phone_that_was_set_otherwise_since_stays_so_and_is_named(world: World) -> None:
    world.imports(people(f"a,A,{MAC},10.0.0.1,", header=PHONES))
    world.imports(people(f"a,A,{MAC},10.0.0.2,", header=PHONES))
    world.by_hand(sa.update(devices).values(ip="10.9.9.9"))

    assert messages(world, "run-002") == [f"a: the phone {MAC} stays set as it is in ip, which changed after the run"]
    assert state_of(world.store)["a"]["devices"][0]["ip"] == "10.9.9.9"


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (disabled("a"), "enabled"),
        (sa.update(devices).values(ip="10.9.9.9"), "a phone"),
        (sa.update(devices).values(internal_delay_seconds=5), "a phone"),
    ],
)
def test_a_created_person_who_was_changed_since_stays_with_phones_and_is_named(
    world: World, edit: sa.Update, what: str
) -> None:
    world.imports(people("z,Z,,,", header=PHONES))
    world.imports(people("z,Z,,,", f"a,A,{MAC},10.0.0.1,", header=PHONES))
    world.by_hand(edit)
    before = state_of(world.store)

    assert messages(world, "run-002") == [f"a: stays, since {what} changed after the run"]
    assert state_of(world.store) == before


def test_a_phone_whose_former_owner_is_gone_is_said_to_go_to_nobody(world: World) -> None:
    world.imports(people(f"a,A,{MAC},,", "b,B,,,", header=PHONES))
    world.imports(people("a,A,,,", "b,B,,,", header=PHONES))
    world.by_hand(sa.delete(users).where(users.c.login == "a"))

    assert f"a: the phone {MAC} does not come back, since a is gone" in messages(world, "run-002")


def test_who_was_taken_over_from_a_profile_that_is_gone_goes_back_as_he_was(world: World) -> None:
    world.imports(people("a,A"), world.profile("earlier"))
    before = state_of(world.store)
    taking = world.profile("new", on_existing="adopt")
    world.imports(people("a,A"), taking, circumstances=Circumstances(profiles=("new",)))

    world.undo("run-002")

    assert state_of(world.store) == before


def test_who_was_disabled_by_hand_is_disabled_still_when_an_import_that_missed_him_is_undone(world: World) -> None:
    profile = world.profile(on_missing="disable")
    world.imports(people("a,A", "b,B"), profile)
    world.by_hand(disabled("a"))
    before = state_of(world.store)
    report = world.imports(people("b,B"), profile)
    missing = state_of(world.store)

    world.undo("run-002")
    assert report.document()["changes"][0]["fields"] == {"enabled": [False, False]}
    assert state_of(world.store) == before

    world.undo(world.runs()[0]["run"])
    assert state_of(world.store) == missing


def test_who_was_disabled_by_hand_is_disabled_still_when_he_is_in_the_file_again(world: World) -> None:
    profile = world.profile(on_missing="disable")
    world.imports(people("a,A", "b,B"), profile)
    world.by_hand(disabled("a"))
    before = state_of(world.store)
    world.imports(people("b,B"), profile)
    missing = state_of(world.store)

    back = world.imports(people("a,A", "b,B"), profile)
    assert [change["action"] for change in back.document()["changes"]] == ["update"]
    assert state_of(world.store) == before

    world.undo("run-003")
    assert state_of(world.store) == missing


def test_who_was_disabled_by_hand_and_removed_later_comes_back_so(world: World) -> None:
    profile = world.profile(on_missing="disable")
    world.imports(people("a,A", "b,B"), profile)
    world.by_hand(disabled("a"))
    world.imports(people("b,B"), profile)
    missing = state_of(world.store)
    world.imports(people("b,B"), world.profile(on_missing="remove"))

    world.undo("run-003")

    assert state_of(world.store) == missing
