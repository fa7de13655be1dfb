"""Phones find their users by MAC; what cannot be read stays as it is."""

from typing import Any

import pytest
import sqlalchemy as sa

from tasks.store.tables import devices, users
from tests.world import World, codes, counts, people, with_devices

HEADER = "username,displayname,phonemac,phoneip"


MAC = "000413a3016f"


@pytest.mark.parametrize(
    "notation",
    [
        "00:04:13:a3:01:6f",
        "0004.13a3.016f",
        "00-04-13-A3-01-6F",
        "000413A3016F",
        " 00 04 13 a3 01 6f ",
        "00|04|13|a3|01|6f",
        "00–04–13–A3–01–6F",
        "0:4:13:a3:1:6f",
        "000413-a3016f",
    ],
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
        ("01005e000001,", "phonemac", "mac-invalid"),
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


def test_an_address_of_no_phone_is_told_as_such(world: World) -> None:
    report = world.imports(people("a,A,00:04:13,", "b,B,ff:ff:ff:ff:ff:ff,", "c,C,000000000000,", header=HEADER))

    said = [issue["message"] for issue in report.document()["issues"]]
    assert said[0].startswith("phonemac: found 6 letters and digits, expected 12")
    assert (
        said[1:]
        == ["phonemac: no phone has this address (all zeros, broadcast or multicast); the phone stays as it is"] * 2
    )


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


@pytest.mark.parametrize("mac", [MAC, ""])
def test_whom_the_profile_skips_keeps_the_devices_that_he_has_and_gets_no_other(world: World, mac: str) -> None:
    boss = sa.select(users.c.id).where(users.c.login == "boss").scalar_subquery()
    softphone = sa.insert(devices).values(kind="softphone", user_id=boss, name="Softphone boss")
    world.by_hand(sa.insert(users).values(login="boss", display_name="Boss"), softphone)

    report = world.imports(people("a,A,,", f"boss,Boss 2,{mac},", header=HEADER), world.profile(on_existing="skip"))

    assert counts(report) == {"create": 1, "unchanged": 1} and report.document()["phones"] == []
    assert [device["kind"] for device in world.users()["boss"]["devices"]] == ["softphone"]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        (" 10.0.0.1 ", "10.0.0.1"),
    ],
)
def test_an_address_is_kept_in_its_shortest_form(world: World, written: str, kept: str) -> None:
    world.imports(people(f"a,A,{MAC},{written}", header=HEADER))

    assert world.phones()[MAC]["ip"] == kept
    assert counts(world.imports(people(f"a,A,{MAC},{kept}", header=HEADER))) == {"unchanged": 1}


@pytest.mark.parametrize("address", ["fe80::1%eth0", "10.0.0", "010.0.0.1", "10.0.0.1:5060", "host"])
def test_what_nobody_else_could_reach_is_no_address(world: World, address: str) -> None:
    assert codes(world.imports(people(f"a,A,{MAC},{address}", header=HEADER))) == [(2, "phoneip", "ip-invalid")]


def test_an_absent_column_leaves_the_phones_values_and_an_empty_cell_clears_them(world: World) -> None:
    header = "username,displayname,phonemac,phoneip,phoneuser,phonepass,inttimeout"
    world.imports(people(f"a,A,{MAC},10.0.0.1,admin,web-secret,20", header=header))
    before = device(world)

    report = world.imports(people(f"a,A,{MAC}", header="username,displayname,phonemac"))
    assert counts(report) == {"unchanged": 1} and device(world) == before

    report = world.imports(people(f"a,A,{MAC},,,,", header=header))
    assert counts(report) == {"update": 1}
    assert device(world) == {"ip": "", "web_user": "", "web_password": None, "internal_timeout_seconds": 999}
    assert counts(world.imports(people(f"a,A,{MAC},,,,", header=header))) == {"unchanged": 1}


def test_the_password_of_the_phones_web_page_is_sealed_and_masked(world: World) -> None:
    header = "username,displayname,phonemac,phonepass"
    report = world.imports(people(f"a,A,{MAC},web-secret", header=header))

    sealed = device(world)["web_password"]
    assert b"web-secret" not in sealed and "web-secret" not in str(report.document())
    assert world.store.keyring.open(sealed, table="devices", row=MAC, column="web_password") == b"web-secret"
    assert counts(world.imports(people(f"a,A,{MAC},web-secret", header=header))) == {"unchanged": 1}


def test_one_bad_phone_of_two_keeps_the_good_one_in(world: World) -> None:
    profile = with_devices(world, '"ipphone": [{"071ipp_mac": "{{{one}}}"}, {"071ipp_mac": "{{{two}}}"}]')
    header = "username,displayname,one,two"

    report = world.imports(people(f"a,A,{MAC},00:04", header=header), profile)
    assert [code for *_, code in codes(report)] == ["mac-invalid"] and set(world.phones()) == {MAC}

    report = world.imports(people(f"a,A,{MAC},000413000001", header=header), profile)
    assert counts(report) == {"update": 1} and set(world.phones()) == {MAC, "000413000001"}

    world.imports(people(f"a,A,,{MAC}", header=header), profile)
    assert {mac: phone["login"] for mac, phone in world.phones().items()} == {MAC: "a", "000413000001": None}


def test_a_phone_twice_for_one_person_is_one_phone(world: World) -> None:
    profile = with_devices(world, '"ipphone": [{"071ipp_mac": "{{{mac}}}"}, {"071ipp_mac": "{{{mac}}}"}]')

    report = world.imports(people(f"a,A,{MAC}", header="username,displayname,mac"), profile)

    assert report.plan.clean and set(world.phones()) == {MAC}


def test_the_phone_of_a_row_with_a_bad_mac_goes_to_nobody_else(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))

    report = world.imports(people("a,A,00:04,", f"b,B,{MAC},", header=HEADER))

    assert codes(report) == [(2, "phonemac", "mac-invalid"), (3, "phonemac", "mac-taken")]
    assert world.phones()[MAC]["login"] == "a"


def test_an_unknown_login_holds_the_phones_of_whoever_it_spares(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))

    report = world.imports(people(",A,,", f"b,B,{MAC},", header=HEADER))

    assert (3, "phonemac", "mac-taken") in codes(report)
    assert world.phones()[MAC]["login"] == "a"


def device(world: World) -> dict[str, Any]:
    """What is kept of the one phone."""
    columns = (devices.c[name] for name in ("ip", "web_user", "web_password", "internal_timeout_seconds"))
    with world.connection() as connection:
        return connection.read(sa.select(*columns)).to_dicts()[0]
