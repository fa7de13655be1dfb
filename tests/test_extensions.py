"""Extensions: who gets which number, who keeps his, and who is told."""

import pytest
import sqlalchemy as sa

from tasks.store.tables import extensions
from tests.world import World, codes, counts, people


def test_an_emptied_explicit_extension_is_kept_and_becomes_automatic(world: World) -> None:
    world.imports(people("a,A,222", header="username,displayname,phone"))

    report = world.imports(people("a,A,", header="username,displayname,phone"))

    assert report.document()["changes"][0]["fields"] == {"extension_automatic": [False, True]}
    assert world.users()["a"]["extension"] == "222"
    assert counts(world.imports(people("a,A,", header="username,displayname,phone"))) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("extension", "code"),
    [("0", "extension-invalid"), ("012", "extension-invalid"), ("5", "extension-invalid"), ("1²3", "extension-invalid"),
     ("*21", "extension-invalid"), ("110", "extension-reserved"), ("112", "extension-reserved")],
)  # fmt: skip
def test_an_extension_that_cannot_be_dialled_is_rejected(world: World, extension: str, code: str) -> None:
    report = world.imports(people(f"a,A,{extension}", header="username,displayname,phone"))

    assert codes(report) == [(2, "phone", code)] and world.users() == {}


def test_two_rows_that_want_one_extension_are_both_named(world: World) -> None:
    report = world.imports(people("a,A,200", "b,B,200", header="username,displayname,phone"))

    assert codes(report) == [(2, "phone", "extension-twice"), (3, "phone", "extension-twice")]


def test_explicit_claims_come_before_the_pool(world: World) -> None:
    world.imports(people("a,A,", "b,B,100", "c,C,", header="username,displayname,phone"))

    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "101", "b": "100", "c": "102"}


def test_an_extension_freed_by_a_removal_can_be_claimed_in_the_same_run_but_the_pool_leaves_it(world: World) -> None:
    header = "username,displayname,phone"
    world.imports(people("a,A,200", "b,B,100", "c,C,", header=header))

    world.imports(people("b,B,200", "c,C,", "d,D,", header=header))

    assert {login: user["extension"] for login, user in world.users().items()} == {"b": "200", "c": "101", "d": "102"}


def test_two_people_may_swap_their_extensions(world: World) -> None:
    header = "username,displayname,phone"
    world.imports(people("a,A,200", "b,B,201", header=header))

    report = world.imports(people("a,A,201", "b,B,200", header=header))

    assert counts(report) == {"update": 2} and report.plan.clean
    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "201", "b": "200"}


def test_an_explicit_claim_moves_an_automatic_number_with_a_warning(world: World) -> None:
    header = "username,displayname,phone"
    world.imports(people("a,A,", header=header))

    report = world.imports(people("a,A,", "b,B,100", header=header))

    assert codes(report) == [(3, "phone", "extension-moved")]
    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "101", "b": "100"}


def test_whoever_is_disabled_and_loses_an_automatic_number_is_one_change(world: World) -> None:
    header = "username,displayname,phone"
    profile = world.profile(on_missing="disable")
    world.imports(people("a,A,", "b,B,", header=header), profile)

    report = world.imports(people("b,B,100", header=header), profile)

    assert counts(report) == {"disable": 1, "update": 1}
    fields = {change["login"]: change["fields"] for change in report.document()["changes"]}
    assert fields["a"] == {"enabled": [True, False], "extension": ["100", "102"]}
    assert (world.users()["a"]["extension"], world.users()["a"]["enabled"]) == ("102", False)


def test_a_number_emptied_in_the_file_gives_way_to_a_claim_in_the_same_run(world: World) -> None:
    header = "username,displayname,phone"
    world.imports(people("a,A,200", header=header))

    report = world.imports(people("a,A,", "b,B,200", header=header))

    assert codes(report) == [(3, "phone", "extension-moved")]
    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "100", "b": "200"}
    assert counts(world.imports(people("a,A,", "b,B,200", header=header))) == {"unchanged": 2}


def test_a_rejected_row_keeps_its_extension_against_a_claim_in_the_same_run(world: World) -> None:
    header = "username,displayname,phone,pin"
    world.imports(people("a,A,200,1234", "b,B,201,1234", header=header))

    report = world.imports(people("a,A,300,x", "b,B,200,1234", header=header))

    assert codes(report) == [(2, "pin", "pin-invalid"), (3, "phone", "extension-taken")]
    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "200", "b": "201"}


@pytest.mark.parametrize(
    ("row", "why"),
    [("a,A,,none", {"email-invalid"}), (",Somebody,,", {"login-missing", "login-unknown-no-removal"})],
    ids=["rejected", "spared"],
)
def test_a_protected_record_loses_its_automatic_number_to_no_claim(world: World, row: str, why: set[str]) -> None:
    header = "username,displayname,phone,email"
    world.imports(people("a,A,,", header=header))

    report = world.imports(people(row, "b,B,100,", header=header))

    assert {code for _, _, code in codes(report)} == {*why, "extension-taken"}
    assert {login: user["extension"] for login, user in world.users().items()} == {"a": "100"}


def test_an_extension_that_is_no_users_is_taken(world: World) -> None:
    world.by_hand(sa.insert(extensions).values(number="700", kind="fax", automatic=False))

    report = world.imports(people("a,A,700", header="username,displayname,phone"))

    assert codes(report) == [(2, "phone", "extension-taken")] and world.users() == {}
