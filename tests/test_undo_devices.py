"""Several devices of one kind are told apart by an undo, and none is left behind."""

import sqlalchemy as sa

from tasks.profile import Profile
from tasks.store.tables import devices, users
from tests.state import state_of
from tests.world import World, people, two_mobiles

HEADER = "username,displayname,mobile,homephone"


def with_two_mobiles(world: World) -> Profile:
    """A profile that gives everybody a mobile device for each of two columns that are filled."""
    template = world.profile()
    variables = {**template.variables, "createMobile": "return true;"}
    return world.profile(structure=two_mobiles(template.structure), variables=variables)


def numbers(world: World, login: str) -> list[str]:
    """The numbers of somebody's devices, in their order."""
    with world.connection() as connection:
        query = sa.select(devices.c.number).join(users, users.c.id == devices.c.user_id)
        return connection.read(query.where(users.c.login == login).order_by(devices.c.id))["number"].to_list()


def all_devices(world: World) -> list[tuple[object, ...]]:
    with world.connection() as connection:
        return connection.read(sa.select(devices.c.kind, devices.c.number, devices.c.user_id)).rows()


def test_each_of_two_mobiles_gets_its_own_number_back(world: World) -> None:
    profile = with_two_mobiles(world)
    world.imports(people("a,A,0171,030", "b,B,1,2", header=HEADER), profile)
    before = state_of(world.store)
    world.imports(people("a,A,0172,031", "b,B,1,2", header=HEADER), profile)

    report = world.undo("run-002")

    assert report.issues.is_empty() and state_of(world.store) == before
    assert numbers(world, "a") == ["0171", "030"] and numbers(world, "b") == ["1", "2"]


def test_no_mobile_of_a_created_person_is_left_behind(world: World) -> None:
    world.imports(people("a,A,0171,030", header=HEADER), with_two_mobiles(world))

    report = world.undo("run-001")

    assert all_devices(world) == []
    assert sorted(phone["action"] for phone in report.document()["phones"]) == ["release", "release"]


def test_devices_that_went_come_back_in_their_order_also_when_the_undo_is_undone(world: World) -> None:
    profile = with_two_mobiles(world)
    world.imports(people("a,A,0171,030", "b,B,1,2", header=HEADER), profile)
    both = state_of(world.store)
    world.imports(people("a,A,0171,", "b,B,1,2", "c,C,5,6", header=HEADER), profile)
    one = state_of(world.store)

    world.undo("run-002")
    assert state_of(world.store) == both and numbers(world, "a") == ["0171", "030"]

    world.undo(world.runs()[0]["run"])
    assert state_of(world.store) == one and numbers(world, "c") == ["5", "6"]


def test_a_mobile_that_a_run_made_and_somebody_changed_since_stays_and_is_named(world: World) -> None:
    profile = with_two_mobiles(world)
    world.imports(people("a,A,0171,", header=HEADER), profile)
    world.imports(people("a,A,0171,030", header=HEADER), profile)
    world.by_hand(sa.update(devices).where(devices.c.number == "030").values(number="031"))

    told = [issue["message"] for issue in world.undo("run-002").document()["issues"]]

    assert told == ["a: the phone mobile stays, since number changed after the run"]
    assert numbers(world, "a") == ["0171", "031"]


def test_a_new_device_never_gets_the_id_of_one_that_is_gone(world: World) -> None:
    profile = with_two_mobiles(world)
    world.imports(people("a,A,0171,030", "b,B,,", header=HEADER), profile)
    world.imports(people("a,A,,", "b,B,0172,", header=HEADER), profile)

    world.undo("run-001")

    assert numbers(world, "b") == ["0172"]


def test_a_softphone_that_somebody_has_since_is_not_doubled(world: World) -> None:
    template = world.profile()
    profile = world.profile(variables={**template.variables, "createSoftphone": "return $row['soft'] === 'yes';"})
    world.imports(people("a,A,yes", header="username,displayname,soft"), profile)
    world.imports(people("a,A,no", header="username,displayname,soft"), profile)
    world.imports(people("a,A,yes", header="username,displayname,soft"), profile)

    told = [issue["message"] for issue in world.undo("run-002").document()["issues"]]

    assert told == ["a: the phone softphone does not come back, since a has another one"]
    assert len(all_devices(world)) == 1


def test_an_undo_of_phones_alone_counts_and_tells_each_as_an_update_of_its_user(world: World) -> None:
    header = "username,displayname,phonemac"
    world.imports(people("a,A,", "b,B,", header=header))
    world.imports(people("a,A,000413a3016f", "b,B,", header=header))

    report = world.undo("run-002")

    assert report.plan.summary["update"] == 1
    assert [change["login"] for change in world.run(world.runs()[0]["run"])["changes"]] == ["a"]
    assert world.story("a")[-1]["phones"][0]["action"] == "release"
