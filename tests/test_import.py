"""The import end to end on a real phone system, step by step as the administrator sees it."""

import json
import re

import polars as pl
import pytest
import sqlalchemy as sa

from tasks.errors import SourceError, StaleError
from tasks.store.tables import phonebook, roles, user_roles, users
from tests.world import SEED, World, codes, counts, people


def test_the_seed_becomes_a_user_with_extension_voicemail_phonebook_entry_and_pin(world: World) -> None:
    world.imports(SEED.read_bytes())

    user = world.users()["mmuster"]

    assert (user["display_name"], user["extension"], user["profile"], user["adopted"]) == (
        "Max Muster",
        "345",
        "users",
        False,
    )
    assert [(entry["display_name"], entry["first_name"], entry["notes"]) for entry in user["phonebook"]] == [
        ("Max Muster", "Max", "Sales Director")
    ]
    with world.connection() as connection:
        stored = connection.read(sa.select(users.c.pin, users.c.password))
    opened = world.store.keyring.open_series(stored["pin"], pl.Series(["mmuster"]), table="users", column="pin")
    assert opened.to_list() == ["1234"]


def test_a_second_import_of_the_same_file_changes_nothing_and_writes_only_its_run(world: World) -> None:
    world.imports(SEED.read_bytes())
    before = world.users()

    report = world.imports(SEED.read_bytes())

    assert counts(report) == {"unchanged": 1}
    assert report.outcome is not None and report.outcome.status == "nothing"
    assert world.users() == before
    assert [run["status"] for run in world.runs()] == ["nothing", "applied"]


def test_simulate_shows_the_plan_of_the_import_and_writes_nothing(world: World) -> None:
    simulated = world.simulate(SEED.read_bytes())
    assert world.users() == {} and world.runs() == []

    imported = world.imports(SEED.read_bytes())

    assert simulated.document()["changes"] == imported.document()["changes"]
    assert simulated.plan.checksum == imported.plan.checksum


def test_the_report_of_an_import_has_the_keys_of_the_contract(world: World) -> None:
    document = world.imports(SEED.read_bytes()).document()

    assert set(document) == {"profile", "run", "applied", "checksum", "held", "summary", "changes", "phones", "issues"}
    assert document["applied"] is True and document["run"] == "run-001"
    assert document["changes"][0]["fields"]["password"] == [None, "•••"]
    json.dumps(document)


def test_a_person_who_left_the_file_is_removed_in_sync_and_stays_in_upsert(world: World) -> None:
    world.imports(people("a,A", "b,B", "c,C", "d,D"))

    upsert = world.imports(people("a,A", "b,B", "c,C"), world.profile(mode="upsert"))
    assert counts(upsert) == {"unchanged": 3} and set(world.users()) == {"a", "b", "c", "d"}

    sync = world.imports(people("a,A", "b,B", "c,C"))
    assert counts(sync) == {"remove": 1, "unchanged": 3} and set(world.users()) == {"a", "b", "c"}


def test_an_empty_cell_clears_its_field_but_not_password_pin_and_automatic_extension(world: World) -> None:
    header = "username,displayname,email,password,pin,phone"
    world.imports(people("a,A,a@example.org,longenough,4321,", header=header))
    fields = world.users()["a"]

    report = world.imports(people("a,A,,,,", header=header))

    assert report.document()["changes"][0]["fields"].keys() == {"email", "phonebook.email"}
    assert world.users()["a"]["email"] == "" and world.users()["a"]["extension"] == fields["extension"] == "100"


def test_a_column_that_the_file_does_not_have_changes_nothing(world: World) -> None:
    world.imports(people("a,A,a@example.org", header="username,displayname,email"))

    report = world.imports(people("a,A"))

    assert counts(report) == {"unchanged": 1}
    assert world.users()["a"]["email"] == "a@example.org"


def test_a_phonebook_entry_stays_when_only_absent_columns_decide_on_it(world: World) -> None:
    template = world.profile().structure
    start = template.index('"phonebook"')
    end = template.index("]", start) + 1
    structure = template[:start] + "{{#if listed}}" + template[start:end] + "{{/if}}" + template[end:]
    profile = world.profile(structure=structure)
    world.imports(people("a,A,yes", "b,B,", header="username,displayname,listed"), profile)
    before = world.users()

    report = world.imports(people("a,A", "b,B"), profile)

    assert counts(report) == {"unchanged": 2} and world.users() == before
    assert [len(user["phonebook"]) for user in before.values()] == [1, 0]


def test_a_password_that_the_user_changed_is_not_set_back(world: World) -> None:
    header = "username,displayname,password"
    world.imports(people("a,A,fromthefile", header=header))
    changed = world.store.keyring.seal("hisown-secret", table="users", row="a", column="password")
    world.by_hand(sa.update(users).where(users.c.login == "a").values(password=changed))

    assert counts(world.imports(people("a,A,fromthefile", header=header))) == {"unchanged": 1}
    assert counts(world.imports(people("a,A,anotherfromfile", header=header))) == {"update": 1}


def test_drift_is_found_a_field_changed_by_hand_is_updated_back(world: World) -> None:
    world.imports(people("a,A"))
    world.by_hand(sa.update(users).where(users.c.login == "a").values(display_name="By hand"))

    report = world.imports(people("a,A"))

    assert report.document()["changes"][0]["fields"] == {"display_name": ["By hand", "A"]}


def test_fields_that_the_profile_does_not_map_are_left_alone(world: World) -> None:
    world.imports(people("a,A"))
    world.by_hand(sa.update(phonebook).values(notes="by hand"))

    assert counts(world.imports(people("a,A"))) == {"unchanged": 1}


def test_a_user_made_by_hand_is_adopted_and_only_released_when_missing(world: World) -> None:
    world.by_hand(sa.insert(users).values(login="boss", display_name="The Boss"))

    adopting = world.imports(people("boss,The Boss", "a,A"))
    assert counts(adopting) == {"create": 1, "update": 1}
    assert world.users()["boss"]["adopted"] is True

    releasing = world.imports(people("a,A"))
    assert counts(releasing) == {"release": 1, "unchanged": 1}
    assert world.users()["boss"]["profile"] is None


def test_a_release_tells_the_profile_whatever_its_name_holds(world: World) -> None:
    profile = world.profile('the "first"')
    world.by_hand(sa.insert(users).values(login="boss", display_name="The Boss"))
    world.imports(people("boss,The Boss"), profile)

    world.imports(people("a,A"), profile)

    fields = {change["action"]: change["fields"] for change in world.run("run-002")["changes"]}
    assert fields["release"] == {"profile": ['the "first"', None]}


def test_a_user_of_another_profile_is_a_conflict_and_untouched(world: World) -> None:
    world.imports(people("a,A"), world.profile("first"))

    report = world.imports(people("a,Other"), world.profile("second"))

    assert counts(report) == {"conflict": 1}
    assert codes(report) == [(2, "username", "login-owned-elsewhere")]
    assert world.users()["a"]["display_name"] == "A" and not report.plan.clean


def test_a_rejected_row_neither_updates_nor_lets_its_record_be_removed(world: World) -> None:
    header = "username,displayname,pin"
    world.imports(people("a,A,1234", "b,B,1234", header=header))

    report = world.imports(people("a,New,12", "b,B,1234", header=header))

    assert counts(report) == {"unchanged": 1, "rejected": 1}
    assert codes(report) == [(2, "pin", "pin-invalid")]
    assert world.users()["a"]["display_name"] == "A"


def test_a_row_without_a_login_lets_nobody_be_removed(world: World) -> None:
    world.imports(people("a,A", "b,B"))

    report = world.imports(people("a,A", ",Nobody"))

    assert counts(report) == {"unchanged": 1, "rejected": 1, "protected": 1}
    assert set(world.users()) == {"a", "b"}
    assert (None, None, "login-unknown-no-removal") in codes(report)


def test_two_rows_that_meet_in_one_login_are_both_rejected_and_both_named(world: World) -> None:
    report = world.imports(people("Müller,A", "mller,B", "c,C"))

    issues = [issue for issue in report.document()["issues"] if issue["code"] == "login-twice"]
    assert [issue["row"] for issue in issues] == [2, 3]
    assert "rows 2, 3" in issues[0]["message"]
    assert set(world.users()) == {"c"}


def test_a_login_is_lowered_and_cleaned_with_a_warning(world: World) -> None:
    report = world.imports(people("JMüller,Jörg"))

    assert codes(report) == [(2, "username", "login-cleaned")]
    assert report.plan.clean and set(world.users()) == {"jmller"}


@pytest.mark.parametrize("login", ["admin", "mobydick", "Admin"])
def test_reserved_logins_are_rejected(world: World, login: str) -> None:
    report = world.imports(people(f"{login},X", "a,A"))

    assert (2, "username", "login-reserved") in codes(report) and set(world.users()) == {"a"}


def test_roles_are_split_created_and_replaced_and_everyone_has_role_all(world: World) -> None:
    header = "username;displayname;roles"
    profile = world.profile(delimiter=";")
    world.imports(people("a;A;Sales|Support, All", header=header), profile)
    assert world.users()["a"]["roles"] == ["All", "Sales", "Support"]

    assert counts(world.imports(people("a;A;support,SALES", header=header), profile)) == {"unchanged": 1}

    world.imports(people("a;A;Boss", header=header), profile)
    assert world.users()["a"]["roles"] == ["All", "Boss"]


def test_a_new_role_is_warned_of_once_at_the_first_row_that_names_it(world: World) -> None:
    header = "username,displayname,roles"
    file = people("a,A,Sales", "b,B,Boss;sales", "c,C,Boss|All", header=header)

    first, second = world.imports(file), world.imports(file)

    assert codes(first) == [(2, "roles", "role-created"), (3, "roles", "role-created")]
    assert "“Boss”" in first.plan.issues["message"][1]
    assert codes(second) == []


def test_a_role_with_a_line_break_is_rejected_and_named(world: World) -> None:
    header = "username,displayname,roles"

    rows = ('a,A,"Sa\nles"', 'b,B,"""Sales"" \\ Süd"', "c,C,Sa\x7fles")
    report = world.imports(people(*rows, header=header))

    assert codes(report) == [(2, "roles", "role-invalid"), (3, "roles", "role-created"), (4, "roles", "role-invalid")]
    assert world.users()["b"]["roles"] == ["All", '"Sales" \\ Süd']


def test_a_role_that_was_made_by_hand_may_hold_a_semicolon(world: World) -> None:
    world.imports(people("a,A", "b,B"))
    world.by_hand(
        sa.insert(roles).values(name="in; out"),
        sa.insert(user_roles).from_select(["user_id", "role_id"], sa.select(users.c.id, roles.c.id)),
    )

    world.imports(people("a,New"))
    removed = next(change for change in world.run("run-002")["changes"] if change["action"] == "remove")
    world.undo("run-002")

    assert removed["fields"]["roles"] == [["in; out"], None]
    assert [user["roles"] for user in world.users().values()] == [["All", "in; out"], ["All", "in; out"]]


def test_a_role_that_somebody_gave_a_line_break_can_be_told_and_taken_back(world: World) -> None:
    header = "username,displayname,roles"
    world.imports(people("a,A,Sales", "b,B,", header=header))
    world.by_hand(sa.update(roles).where(roles.c.name == "Sales").values(name="Sa\nles"))

    world.imports(people("b,B,", header=header))

    assert world.run("run-002")["changes"][0]["fields"]["roles"] == [["Sa\nles"], None]
    assert world.story("a")[-1]["fields"]["roles"] == [["Sa\nles"], None]
    world.undo("run-002")
    assert world.users()["a"]["roles"] == ["All", "Sa\nles"]


def test_a_new_user_without_a_pin_gets_a_random_one(world: World) -> None:
    world.imports(people("a,A", "b,B"))

    with world.connection() as connection:
        stored = connection.read(sa.select(users.c.login, users.c.pin).order_by(users.c.login))
    opened = world.store.keyring.open_series(stored["pin"], stored["login"], table="users", column="pin")
    assert all(pin.isdecimal() and len(pin) == 6 for pin in opened.to_list())


def test_filtered_rows_count_as_missing(world: World) -> None:
    profile = world.profile(prefilter="return array_key_exists('displayName', $row);")
    world.imports(people("a,A", "b,B"), profile)

    report = world.imports(people("a,A", "b,"), profile)

    assert counts(report) == {"remove": 1, "unchanged": 1, "filtered": 1}


def test_a_header_without_the_login_column_stops_and_names_what_was_found(world: World) -> None:
    with pytest.raises(SourceError, match=r"no column username.*Columns found: user, name"):
        world.imports("user,name\na,A\n")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Display Name,E-Mail,Kostenstelle", "Columns found: Display Name, E-Mail. Further columns, whose names the"),
        ("Max Muster,mmuster,12ab34cd56,1234", "None of its 4 columns has a name that the profile knows"),
        ("user,pin,pin", "Columns found: user, pin. Further columns, whose names the profile does not know: 1. Check"),
    ],
)
def test_only_column_names_that_the_profile_knows_are_told(world: World, header: str, told: str) -> None:
    with pytest.raises(SourceError) as caught:
        world.simulate(f"{header}\n{header}\n")

    assert told in caught.value.message
    assert not re.search("Kostenstelle|Muster|12ab|1234", caught.value.message)


def test_a_plan_made_before_the_phone_system_moved_is_stale(world: World) -> None:
    from flows.order import as_function, make_plan, take_in
    from tasks.apply import Applying, apply_plan

    job = world.job(people("a,A"))
    plan = make_plan(take_in(job, as_function).records, job, as_function)
    world.by_hand(sa.insert(users).values(login="z", display_name="Z"))

    with pytest.raises(StaleError):
        apply_plan(plan, Applying(job.run, world.store, job.clock))
    assert world.runs() == []


def test_a_retried_apply_finds_its_own_run(world: World) -> None:
    from flows.order import as_function, make_plan, take_in
    from tasks.apply import Applying, apply_plan

    job = world.job(people("a,A"))
    plan = make_plan(take_in(job, as_function).records, job, as_function)
    first = apply_plan(plan, Applying(job.run, world.store, job.clock))

    again = apply_plan(plan, Applying(job.run, world.store, job.clock))

    assert (again.run, again.status, again.finished) == (first.run, first.status, first.finished)
    assert len(world.runs()) == 1
