"""Phones find their users by MAC; what cannot be read stays as it is."""

import pytest
import sqlalchemy as sa

from tasks.store.tables import devices, users
from tests.world import World, codes, counts, people

HEADER = "username,displayname,phonemac,phoneip"
MAC = "000413a3016f"


@pytest.mark.parametrize(
    "notation", ["00:04:13:a3:01:6f", "0004.13a3.016f", "00-04-13-A3-01-6F", "000413A3016F", " 00 04 13 a3 01 6f "]
)
def test_a_mac_in_any_notation_is_the_same_phone(world: World, notation: str) -> None:
    world.imports(people(f"a,A,{MAC},10.0.0.1", header=HEADER))

    report = world.imports(people(f"a,A,{notation},10.0.0.1", header=HEADER))

    assert counts(report) == {"unchanged": 1}
    assert world.phones() == {
        MAC: {"kind": "ip_phone", "mac": MAC, "ip": "10.0.0.1", "name": f"Snom {MAC}", "login": "a"}
    }


def test_a_phone_moves_within_a_profile_and_counts_as_an_update(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))

    report = world.imports(people("a,A,,", f"b,B,{MAC},", header=HEADER))

    assert report.document()["phones"] == [{"action": "move", "login": "b", "kind": "ip_phone", "mac": MAC}]
    assert counts(report) == {"update": 1, "unchanged": 1}
    assert world.phones()[MAC]["login"] == "b"


def test_a_phone_is_released_when_its_row_no_longer_asks_for_it_and_stays_as_a_phone(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", header=HEADER))

    report = world.imports(people("a,A,,", header=HEADER))

    assert [phone["action"] for phone in report.document()["phones"]] == ["release"]
    assert world.phones()[MAC]["login"] is None


def test_a_file_without_the_phone_column_leaves_phones_alone(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", header=HEADER))

    report = world.imports(people("a,A"))

    assert counts(report) == {"unchanged": 1} and world.phones()[MAC]["login"] == "a"


def test_the_phone_of_a_removed_user_stays_unassigned(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))

    world.imports(people("b,B,,", header=HEADER))

    assert world.phones()[MAC]["login"] is None


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ("00:04:13,", "phonemac", "mac-invalid"),
        (f"{MAC},300.1.1.1", "phoneip", "ip-invalid"),
        ("ffffffffffff,", "phonemac", "mac-invalid"),
    ],
)
def test_a_bad_mac_or_ip_is_an_error_of_the_phone_and_the_user_gets_in(
    world: World, cells: str, column: str, code: str
) -> None:
    world.imports(people("a,A,000413aaaaaa,", header=HEADER))

    report = world.imports(people(f"a,New,{cells}", header=HEADER))

    assert codes(report) == [(2, column, code)] and not report.plan.clean
    assert world.users()["a"]["display_name"] == "New"
    assert world.phones()["000413aaaaaa"]["login"] == "a"


def test_a_mac_twice_in_a_file_names_both_rows_and_moves_nothing(world: World) -> None:
    report = world.imports(people(f"a,A,{MAC},", f"b,B,{MAC},", header=HEADER))

    assert codes(report) == [(2, "phonemac", "mac-twice"), (3, "phonemac", "mac-twice")]
    assert set(world.users()) == {"a", "b"} and world.phones() == {}


def test_a_phone_of_another_profile_is_an_error_and_untouched(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", header=HEADER), world.profile("first"))

    report = world.imports(people(f"b,B,{MAC},", header=HEADER), world.profile("second"))

    assert codes(report) == [(2, "phonemac", "mac-taken")]
    assert world.phones()[MAC]["login"] == "a"


def test_a_phone_assigned_by_hand_moves_with_a_warning(world: World) -> None:
    world.by_hand(
        sa.insert(users).values(login="boss", display_name="Boss"),
        sa.insert(devices).values(
            kind="ip_phone", mac=MAC, name="Snom", user_id=sa.select(users.c.id).scalar_subquery()
        ),
    )

    report = world.imports(people(f"a,A,{MAC},", header=HEADER))

    assert codes(report) == [(2, "phonemac", "phone-moved-from-hand")] and report.plan.clean
    assert world.phones()[MAC]["login"] == "a"


def test_every_phone_has_a_sip_account_that_stays(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))
    account = sa.select(devices.c.sip_user, devices.c.sip_secret)
    with world.connection() as connection:
        first = connection.read(account)

    world.imports(people("a,A,,", f"b,B,{MAC},10.0.0.9", header=HEADER))

    with world.connection() as connection:
        assert connection.read(account).equals(first)
    assert len(first["sip_user"][0]) == 15 and first["sip_user"][0].endswith(MAC[-6:])


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
