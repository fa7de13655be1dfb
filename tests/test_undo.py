"""Undo: a run backwards, and nothing that anybody changed since is lost."""

import polars as pl
import pytest
import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.store.tables import extensions, users
from tests.state import state_of
from tests.world import SEED, World, codes, counts, people

HEADER = "username,displayname,phone,password,pin,roles,phonemac,job"
MAC = "000413a3016f"


def test_undo_of_a_first_import_removes_what_it_created(world: World) -> None:
    world.imports(SEED.read_bytes())

    report = world.undo("run-001")

    assert counts(report) == {"remove": 1}
    assert world.users() == {}
    assert [(run["kind"], run["status"]) for run in world.runs()] == [("undo", "applied"), ("import", "undone")]


def test_undo_gives_updated_fields_their_values_back(world: World) -> None:
    world.imports(people(f"a,A,200,longenough,1234,Sales,{MAC},boss", "b,B,,,,,,", header=HEADER))
    before = state_of(world.store)
    world.imports(people("a,New,201,otherlong,4321,Support,,", f"b,B,,,,,{MAC},x", header=HEADER))

    report = world.undo("run-002")

    assert report.issues.is_empty(), report.document()["issues"]
    assert state_of(world.store) == before
    assert counts(world.imports(people(f"a,A,200,longenough,1234,Sales,{MAC},boss", "b,B,,,,,,", header=HEADER))) == {
        "unchanged": 2
    }


def test_undo_brings_a_removed_person_back_with_extension_phones_roles_and_password(world: World) -> None:
    world.imports(people(f"a,A,200,longenough,1234,Sales;Boss,{MAC},boss", "b,B,,,,,,", header=HEADER))
    before = state_of(world.store)
    world.imports(people("b,B,,,,,,", header=HEADER))
    assert set(world.users()) == {"b"}

    world.undo("run-002")

    assert state_of(world.store) == before


def test_what_a_person_changed_since_is_kept_and_named(world: World) -> None:
    world.imports(people("a,A,200,,,,,", "b,B,,,,,,", header=HEADER))
    world.imports(people("a,New,201,,,,,", "b,B,,,,,,", "c,C,,,,,,", header=HEADER))
    world.by_hand(
        sa.update(users).where(users.c.login == "a").values(display_name="By hand"),
        sa.update(users).where(users.c.login == "c").values(display_name="By hand"),
    )

    report = world.undo("run-002")

    assert [code for *_, code in codes(report)] == ["undo-kept", "undo-kept"]
    assert world.users()["a"]["display_name"] == "By hand" and world.users()["a"]["extension"] == "200"
    assert set(world.users()) == {"a", "b", "c"}


def test_an_extension_taken_since_is_replaced_by_the_next_free_one_and_named(world: World) -> None:
    world.imports(people("a,A,200", "b,B,201", header="username,displayname,phone"))
    world.imports(people("b,B,201", header="username,displayname,phone"))
    world.by_hand(sa.insert(extensions).values(number="200", kind="fax", automatic=False))

    report = world.undo("run-002")

    assert codes(report) == [(None, None, "undo-other-number")]
    assert world.users()["a"]["extension"] == "100"


def test_an_undo_can_be_simulated_and_undone(world: World) -> None:
    world.imports(people("a,A"))
    world.imports(people("a,New"))
    plan = world.simulate_undo("run-002").document()
    assert plan["changes"][0]["fields"]["display_name"] == ["New", "A"] and world.users()["a"]["display_name"] == "New"

    world.undo("run-002")
    assert world.users()["a"]["display_name"] == "A"

    undo = world.runs()[0]["run"]
    world.undo(undo)
    assert world.users()["a"]["display_name"] == "New"


def test_a_role_that_is_known_in_another_spelling_does_not_stand_against_undo(world: World) -> None:
    world.imports(people("a,A,,,,sales,,", header=HEADER))
    world.imports(people("a,A,,,,sales,,", "b,B,,,,Sales,,", header=HEADER))

    report = world.undo("run-002")

    assert report.issues.is_empty() and set(world.users()) == {"a"}


def test_since_when_a_person_is_missing_comes_back_with_undo(world: World) -> None:
    profile = world.profile(on_missing="disable")
    world.imports(people("a,A", "b,B"), profile)
    world.imports(people("b,B"), profile)
    missing = state_of(world.store)["a"]["missing_since"]
    world.imports(people("a,A", "b,B"), profile)

    world.undo("run-003")
    assert state_of(world.store)["a"]["missing_since"] == missing

    world.undo("run-002")
    assert state_of(world.store)["a"]["missing_since"] is None

    world.undo(world.runs()[0]["run"])
    assert state_of(world.store)["a"]["missing_since"] == missing


def test_undo_releases_who_was_adopted(world: World) -> None:
    world.by_hand(sa.insert(users).values(login="boss", display_name="The Boss"))
    world.imports(people("boss,Boss"))

    world.undo("run-001")

    assert world.users()["boss"]["profile"] is None and world.users()["boss"]["display_name"] == "The Boss"


def test_undo_takes_a_released_person_back(world: World) -> None:
    world.by_hand(sa.insert(users).values(login="boss", display_name="The Boss"))
    world.imports(people("boss,The Boss", "a,A"))
    world.imports(people("a,A"))

    world.undo("run-002")

    boss = world.users()["boss"]
    assert (boss["profile"], boss["adopted"]) == ("users", True)


def test_after_an_undo_the_same_file_is_held_until_approved(world: World) -> None:
    world.imports(people("a,A", "b,B"))
    world.imports(people("a,New", "b,B"))
    world.undo("run-002")

    held = world.imports(people("a,New", "b,B"))
    assert held.plan.held == "The import of exactly this file was undone."
    assert world.users()["a"]["display_name"] == "A"

    world.imports(people("a,New", "b,B"), approve=held.plan.checksum)
    assert world.users()["a"]["display_name"] == "New"


def test_a_first_import_that_was_undone_is_held_as_well(world: World) -> None:
    world.imports(people("a,A"))
    world.undo("run-001")

    held = world.imports(people("a,A"))

    assert held.plan.held == "The import of exactly this file was undone." and world.users() == {}
    assert world.imports(people("a,A", "b,B")).plan.held is None


def test_a_file_is_held_by_the_undo_of_its_own_import_whatever_was_imported_since(world: World) -> None:
    first, second = people("a,A", "b,New"), people("a,A", "b,Newer")
    world.imports(first)
    world.imports(second)
    world.undo("run-001")

    assert world.imports(second).plan.held is None
    assert world.imports(first).plan.held == "The import of exactly this file was undone."


def test_a_file_that_came_again_before_its_import_was_undone_is_held_too(world: World) -> None:
    world.imports(people("a,A"))
    world.imports(people("a,A"))
    world.undo("run-001")

    held = world.imports(people("a,A"))
    assert held.plan.held == "The import of exactly this file was undone."

    world.imports(people("a,A"), approve=held.plan.checksum)
    assert world.imports(people("a,A")).plan.held is None


def test_an_import_whose_undo_was_undone_stands_again_and_so_on(world: World) -> None:
    world.imports(people("a,A"))
    file = people("a,New")
    world.imports(file)

    def statuses() -> list[str]:
        return [run["status"] for run in reversed(world.runs())]

    world.undo("run-002")
    world.undo("run-003")
    assert statuses() == ["applied", "applied", "undone", "applied"]
    assert world.imports(file).plan.held is None

    world.undo("run-004")
    assert statuses() == ["applied", "undone", "applied", "undone", "nothing", "applied"]
    assert world.imports(file).plan.held == "The import of exactly this file was undone."


@pytest.mark.parametrize("run", ["nothing", "run-002"])
def test_undo_of_what_wrote_nothing_is_wrong_use(world: World, run: str) -> None:
    world.imports(people("a,A"))
    world.imports(people("a,A"))

    with pytest.raises(WrongUseError):
        world.undo(run)


def test_a_removed_softphone_comes_back_with_its_account(world: World) -> None:
    from tasks.store.tables import devices

    profile = world.profile()
    profile = world.profile(variables={**profile.variables, "createSoftphone": "return true;"})
    world.imports(people("a,A", "b,B"), profile)
    account = sa.select(devices.c.sip_user, devices.c.sip_secret).order_by(devices.c.sip_user)
    with world.connection() as connection:
        before = connection.read(account)
    world.imports(people("b,B"), profile)

    world.undo("run-002")

    with world.connection() as connection:
        after = connection.read(account)
    assert isinstance(after, pl.DataFrame) and after.equals(before)


def test_a_device_that_an_undo_took_away_comes_back_as_it_was_when_the_undo_is_undone(world: World) -> None:
    profile = world.profile()
    profile = world.profile(variables={**profile.variables, "createMobile": "return true;"})
    world.imports(people("a,A,0171", "b,B,0172", header="username,displayname,mobile"), profile)
    before = state_of(world.store)
    world.undo("run-001")

    world.undo(world.runs()[0]["run"])

    assert state_of(world.store) == before


def test_a_large_removal_by_undo_is_held(world: World) -> None:
    world.imports(people(*(f"u{number},U" for number in range(30))))

    held = world.undo("run-001")
    assert held.plan.held is not None and len(world.users()) == 30

    world.undo("run-001", approve=held.plan.checksum)
    assert world.users() == {}
