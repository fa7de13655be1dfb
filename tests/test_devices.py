"""Devices that no MAC knows, softphones and mobile ones; and how long each device rings."""

import sqlalchemy as sa

from tasks.store.tables import devices
from tests.world import World, codes, counts, people, with_devices

MAC = "000413a3016f"


def test_a_softphone_for_everyone_is_one_word_changed(world: World) -> None:
    profile = world.profile()
    profile = world.profile(variables={**profile.variables, "createSoftphone": "return true;"})

    world.imports(people("a,A", "b,B"), profile)

    assert set(world.phones()) == {"softphone a", "softphone b"}
    assert counts(world.imports(people("a,A", "b,B"), profile)) == {"unchanged": 2}


def test_a_mobile_device_needs_its_number_and_goes_with_its_user(world: World) -> None:
    header = "username,displayname,mobile"
    profile = world.profile()
    profile = world.profile(variables={**profile.variables, "createMobile": "return true;"})

    report = world.imports(people("a,A,+49170", "b,B,", header=header), profile)
    assert codes(report) == [(3, "mobile", "mobile-number-missing")] and set(world.phones()) == {"mobile a"}

    world.imports(people("b,B,1", header=header), profile)
    assert set(world.phones()) == {"mobile b"}


def test_follow_me_times_are_seconds_from_0_to_999(world: World) -> None:
    header = "username,displayname,phonemac,inttimeout,extdelay"
    report = world.imports(people(f"a,A,{MAC},20,5", "b,B,000413000001,1000,x", header=header))

    assert codes(report) == [(3, "inttimeout", "follow-me-invalid"), (3, "extdelay", "follow-me-invalid")]
    with world.connection() as connection:
        row = connection.read(sa.select(devices.c.internal_timeout_seconds, devices.c.external_delay_seconds))
    assert row.rows() == [(20, 5)]


def test_a_person_has_one_softphone_however_often_it_stands_there(world: World) -> None:
    profile = with_devices(world, '"ipdevice.mdsoftphone": [{}, {}], "ipphone.mdsoftphone": [{}]')

    world.imports(people("a,A", header="username,displayname"), profile)
    assert counts(world.imports(people("a,A", header="username,displayname"), profile)) == {"unchanged": 1}

    with world.connection() as connection:
        assert connection.read(sa.select(devices.c.kind))["kind"].to_list() == ["softphone"]


def test_each_mobile_number_is_a_device_and_an_absent_column_leaves_it(world: World) -> None:
    profile = with_devices(world, '"externals": [{"number": "{{{one}}}"}, {"number": "{{{two}}}"}]')
    header = "username,displayname,one,two"

    world.imports(people("a,A,+4917,+4918", header=header), profile)
    assert numbers(world) == ["+4917", "+4918"]
    assert counts(world.imports(people("a,A,+4917,+4918", header=header), profile)) == {"unchanged": 1}

    world.imports(people("a,A,+4917,+4999", header=header), profile)
    assert numbers(world) == ["+4917", "+4999"]
    assert counts(world.imports(people("a,A"), profile)) == {"unchanged": 1}

    report = world.imports(people("a,A", "b,B"), profile)
    assert [code for *_, code in codes(report) if code.startswith("mobile")] == ["mobile-number-missing"] * 2
    assert numbers(world) == ["+4917", "+4999"]


def test_devices_stay_when_only_absent_columns_decide_on_them_and_a_new_user_has_none(world: World) -> None:
    chosen = {
        "createSoftphone": "return $row['soft'] === 'yes';",
        "createMobile": "return $row['cell'] === 'yes';",
        "phonemac": "return $row['hasphone'] ? $row['phonemac'] : '';",
    }
    profile = world.profile(variables={**world.profile().variables, **chosen})
    header = "username,displayname,mobile,soft,cell,hasphone,phonemac"
    world.imports(people(f"a,A,0171,yes,yes,1,{MAC}", "b,B,0172,yes,yes,,", header=header), profile)
    before = world.phones()

    report = world.imports(people("a,A,0171", "b,B,0172", "c,C,0173", header="username,displayname,mobile"), profile)

    assert counts(report) == {"create": 1, "unchanged": 2} and world.phones() == before
    gone = [issue for issue in report.document()["issues"] if issue["code"] == "column-gone"]
    assert [issue["column"] for issue in gone] == ["soft", "cell", "hasphone", "phonemac"]
    assert all(issue["message"].endswith("its fields stay as they are") for issue in gone)


def test_devices_stay_when_the_condition_would_give_one_to_everybody_without_its_column(world: World) -> None:
    chosen = {
        "createSoftphone": "return $row['soft'] !== 'no';",
        "createMobile": "return $row['cell'] !== 'no';",
    }
    profile = world.profile(variables={**world.profile().variables, **chosen})
    world.imports(people("a,A,0171,no,no", header="username,displayname,mobile,soft,cell"), profile)

    world.imports(people("a,A,0171", "b,B,0172", header="username,displayname,mobile"), profile)

    assert set(world.phones()) == {"softphone b", "mobile b"}


def test_a_gone_column_that_a_field_reads_beside_another_one_is_told_as_taken_for_empty(world: World) -> None:
    profile = world.profile(variables={**world.profile().variables, "job": "return $row['job'] . $row['team'];"})
    world.imports(people("a,A,Boss,Sales", header="username,displayname,job,team"), profile)

    report = world.imports(people("a,A,Boss", header="username,displayname,job"), profile)

    (gone,) = [issue["message"] for issue in report.document()["issues"] if issue["code"] == "column-gone"]
    assert gone.endswith("what else reads it takes it as empty")
    assert world.users()["a"]["phonebook"][0]["notes"] == "Boss"


def numbers(world: World) -> list[str]:
    with world.connection() as connection:
        return sorted(connection.read(sa.select(devices.c.number))["number"])
