"""Contacts: phonebook entries without a user, under the same promises as people."""

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from deployments import cli
from tasks.export import contact_fields, export_csv
from tasks.profile import Profile
from tasks.snapshot import Circumstances
from tasks.store.pages import Cut, page_of_changes
from tasks.store.read import read_snapshot
from tasks.store.tables import contact_records, phonebook
from tests.world import World, codes, counts, people

ENTRY = '"028pho_bez": "{{{name}}}", "028pho_phone": "{{{tel}}}", "028pho_email": "{{{mail}}}"'
ALONE = f'{{"phonebook": [{{{ENTRY}}}]}}'
BOTH = f"""{{
  {{{{#if username}}}}
  "identity": [{{"003use_name": "{{{{{{username}}}}}}", "003use_bez": "{{{{{{displayname}}}}}}"}}],
  {{{{/if}}}}
  {{{{#if name}}}}"phonebook": [{{{ENTRY}}}]{{{{/if}}}}
}}"""
PAIRED = re.sub(r"{{[#/]if.*?}}", "", BOTH)
LABELLED = f"""{{"phonebook": [{{{ENTRY},
  "post": {{"phonebook.phonebooklabel": [{{"050lab_bez": "Kind", "028050pholab_value": "{{{{{{kind}}}}}}"}}]}}}}]}}"""
HEADER = "name,tel,mail"


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


def profile_of(world: World, structure: str = ALONE, **settings: object) -> Profile:
    return world.profile(structure=structure, variables={}, **settings)


def test_a_structure_with_only_a_phonebook_makes_contacts_that_are_planned_like_people(world: World) -> None:
    profile = profile_of(world)
    first = world.imports(people("A,1,", "B,2,b@example.org", "C,3,", header=HEADER), profile)
    second = world.imports(people("A,1,a@example.org", "B,2,", "D,4,", header=HEADER), profile)
    third = world.imports(people("A,1,a@example.org", "B,2,", "D,4,", header=HEADER), profile)

    assert counts(first) == {"create": 3}
    assert counts(second) == {"create": 1, "update": 2, "remove": 1}
    assert counts(third) == {"unchanged": 3} and not third.plan.writes
    assert {name: entry["email"] for name, entry in world.contacts().items()} == {
        "A": "a@example.org",
        "B": "",
        "D": "",
    }
    assert world.users() == {}


def test_a_change_of_a_contact_has_a_name_instead_of_a_login(here: World) -> None:
    report = here.imports(people("A,1,", header=HEADER), profile_of(here))

    fields = {"display_name": [None, "A"], "phone": [None, "1"]}
    assert report.document()["changes"] == [
        {"action": "create", "login": None, "contact": "A", "row": 2, "fields": fields}
    ]
    assert [(change["contact"], change["fields"]) for change in here.run("run-001")["changes"]] == [("A", fields)]


def test_a_row_may_make_a_user_a_contact_both_or_neither(here: World) -> None:
    header = "username,displayname,name,tel,mail"
    rows = people("a,A,,,", "b,B,Shop,1,", ",,Bank,2,", ",,,,x", header=header)

    report = here.imports(rows, profile_of(here, BOTH))

    assert counts(report) == {"create": 4, "filtered": 1}
    assert set(here.users()) == {"a", "b"} and set(here.contacts()) == {"Shop", "Bank"}
    assert counts(here.imports(rows, profile_of(here, BOTH))) == {"unchanged": 4, "filtered": 1}


def test_a_page_of_a_run_tells_people_before_contacts_wherever_it_is_cut(world: World) -> None:
    header = "username,displayname,name,tel,mail"
    rows = people("a,Ann,Shop,1,", "b,Ben,Bank,2,", "c,Cat,,,", header=header)
    world.imports(rows, profile_of(world, BOTH))

    def told(**cut: object) -> tuple[list[str], int]:
        with world.connection() as connection:
            page = page_of_changes(connection, "run-001", Cut(**cut))
        assert all((row["login"] is None) != (row["contact"] is None) for row in page.rows)
        return [row["login"] or row["contact"] for row in page.rows], page.total

    everybody = ["a", "b", "c", "Shop", "Bank"]
    assert told() == (everybody, 5)
    for limit in (1, 2, 3):
        assert [name for at in range(0, 6, limit) for name in told(limit=limit, offset=at)[0]] == everybody
        assert told(only="create", limit=limit, offset=2) == (everybody[2:][:limit], 5)
        assert told(search="an", limit=limit, offset=1) == (["Bank"], 2)
    assert told(only="remove") == told(search="nothing") == ([], 0)


def test_what_was_changed_by_hand_is_found_by_the_key_and_set_back(here: World) -> None:
    rows = people("A,1,", "B,2,", header=HEADER)
    here.imports(rows, profile_of(here))
    here.by_hand(sa.update(phonebook).where(phonebook.c.display_name == "A").values(display_name="By hand", fax="9"))

    report = here.imports(rows, profile_of(here))

    assert counts(report) == {"update": 1, "unchanged": 1}
    assert here.contacts()["A"]["fax"] == "9", "a field that the profile does not map is left alone"


def test_the_key_may_be_a_variable(here: World) -> None:
    header = "id,name,tel,mail"
    profile = profile_of(here, contact_key="id")
    here.imports(people("7,A,1,", "8,B,2,", header=header), profile)

    report = here.imports(people("7,New,11,", "8,B,2,", header=header), profile)

    assert counts(report) == {"update": 1, "unchanged": 1} and set(here.contacts()) == {"New", "B"}


def test_two_profiles_may_have_the_same_contact(here: World) -> None:
    first, second = profile_of(here, name="first"), profile_of(here, name="second")
    here.imports(people("A,1,", header=HEADER), first)
    assert counts(here.imports(people("A,1,", "B,2,", header=HEADER), second)) == {"create": 2}

    here.imports(people("C,3,", header=HEADER), second)

    assert {(entry["display_name"], entry["profile"]) for entry in _all(here)} == {("A", "first"), ("C", "second")}


def _all(world: World) -> list[dict[str, object]]:
    from tasks.store.views import list_contacts

    with world.connection() as connection:
        return list_contacts(connection)


@pytest.mark.parametrize(
    ("choice", "outcome", "code"),
    [
        ("adopt", {"update": 1}, []),
        ("skip", {"unchanged": 1}, ["contact-exists-skipped"]),
        ("conflict", {"conflict": 1}, ["contact-exists"]),
    ],
)
def test_a_contact_made_by_hand_is_adopted_skipped_or_a_conflict(
    here: World, choice: str, outcome: dict[str, int], code: list[str]
) -> None:
    here.by_hand(sa.insert(phonebook).values(display_name="A", phone="1"))

    report = here.imports(people("A,1,a@example.org", header=HEADER), profile_of(here, on_existing=choice))

    assert counts(report) == outcome and [found for *_, found in codes(report)] == code


def test_an_adopted_contact_is_released_and_never_removed(here: World) -> None:
    here.by_hand(sa.insert(phonebook).values(display_name="A", phone="1"))
    here.imports(people("A,1,a@example.org", "B,2,", header=HEADER), profile_of(here))

    report = here.imports(people("B,2,", header=HEADER), profile_of(here))

    assert counts(report) == {"release": 1, "unchanged": 1}
    assert here.contacts()["A"]["profile"] is None


def test_a_missing_contact_can_be_disabled_and_comes_back(here: World) -> None:
    profile = profile_of(here, on_missing="disable_then_remove", remove_after_days=30)
    both, one = people("A,1,", "B,2,", header=HEADER), people("B,2,", header=HEADER)
    here.imports(both, profile)
    assert counts(here.imports(one, profile)) == {"disable": 1, "unchanged": 1}
    assert not here.contacts()["A"]["enabled"]
    assert counts(here.imports(one, profile)) == {"unchanged": 1}
    assert counts(here.imports(both, profile)) == {"enable": 1, "unchanged": 1}
    here.imports(one, profile)

    late = here.imports(one, profile, circumstances=Circumstances(today="2999-01-01"))

    assert counts(late) == {"remove": 1, "unchanged": 1} and set(here.contacts()) == {"B"}


def test_every_broken_rule_of_a_contact_is_told_and_its_record_stays(here: World) -> None:
    good = people("A,1,", "B,2,", "C,3,", header=HEADER)
    here.imports(good, profile_of(here))

    report = here.imports(people("A,1,none", "B,2,", "B,2,", header=HEADER), profile_of(here))

    assert codes(report) == [(2, "mail", "email-invalid"), (3, "name", "contact-twice"), (4, "name", "contact-twice")]
    assert counts(report) == {"remove": 1, "rejected": 3} and set(here.contacts()) == {"A", "B"}


def test_a_contact_that_cannot_be_recognised_lets_none_be_removed(here: World) -> None:
    here.imports(people("A,1,", "B,2,", header=HEADER), profile_of(here))

    nameless = here.imports(people(",1,", header=HEADER), profile_of(here))
    no_column = here.imports(people("A,", header="name,mail"), profile_of(here))

    assert counts(nameless) == {"rejected": 1, "protected": 2}
    assert counts(no_column) == {"rejected": 1, "protected": 2}
    assert "contact-key-missing" in [code for *_, code in codes(no_column)]
    assert set(here.contacts()) == {"A", "B"}


def test_a_broken_contact_keeps_its_rows_user_out_of_it(here: World) -> None:
    header = "username,displayname,name,tel,mail"

    report = here.imports(people("a,A,Shop,1,none", header=header), profile_of(here, BOTH))

    assert counts(report) == {"create": 1} and not report.plan.clean
    assert set(here.users()) == {"a"} and here.contacts() == {}


def test_contacts_count_for_the_brakes(here: World) -> None:
    here.imports(people(*(f"A{n},{n}," for n in range(30)), header=HEADER), profile_of(here))

    report = here.imports(people(*(f"A{n},{n}," for n in range(18)), header=HEADER), profile_of(here))

    assert report.plan.held and "12 of 30 records would be removed" in report.plan.held
    assert len(here.contacts()) == 30


def test_contacts_stay_when_the_structure_no_longer_speaks_of_them(here: World) -> None:
    here.imports(people("A,1,", header=HEADER), profile_of(here))

    report = here.imports(people("a,A"), here.profile())

    assert counts(report) == {"create": 1} and set(here.contacts()) == {"A"}


def test_people_stay_when_the_structure_no_longer_speaks_of_them(here: World) -> None:
    here.imports(people("a,A"))

    report = here.imports(people("A,1,", header=HEADER), profile_of(here))

    assert counts(report) == {"create": 1} and set(here.users()) == {"a"}


def test_a_mended_file_removes_no_contact(here: World) -> None:
    here.imports(people("A,1,", "B,2,", header=HEADER), profile_of(here))

    report = here.imports(people("C,3,,2,x,y", header=f"{HEADER},row,code,message"), profile_of(here))

    assert counts(report) == {"create": 1} and set(here.contacts()) == {"A", "B", "C"}


def test_undo_takes_back_what_a_run_did_to_contacts(world: World) -> None:
    world.by_hand(sa.insert(phonebook).values(display_name="H", phone="8"))
    first = people("A,1,", "B,2,b@example.org", "C,3,", header=HEADER)
    world.imports(first, profile_of(world))
    before = _all(world)
    world.imports(people("A,1,a@example.org", "B,2,", "D,4,", "H,8,h@example.org", header=HEADER), profile_of(world))
    after = _all(world)

    report = world.undo("run-002")

    assert counts(report) == {"update": 3, "remove": 1, "create": 1} and report.issues.is_empty()
    assert _all(world) == before
    assert counts(world.imports(first, profile_of(world), approve=None))["unchanged"] == 3

    undo = next(run["run"] for run in world.runs() if run["kind"] == "undo")
    world.undo(undo)
    assert _all(world) == after


def test_undo_brings_a_released_and_a_disabled_contact_back(here: World) -> None:
    here.by_hand(sa.insert(phonebook).values(display_name="H", phone="8"))
    profile = profile_of(here, on_missing="disable")
    stay = [f"{name},9," for name in "BCDEFG"]
    here.imports(people("A,1,", "H,8,", *stay, header=HEADER), profile)
    before = _all(here)
    assert counts(here.imports(people(*stay, header=HEADER), profile)) == {"release": 1, "disable": 1, "unchanged": 6}

    missing = _records(here)

    here.undo("run-002")
    assert _all(here) == before
    here.undo("run-003")

    assert _records(here) == missing


def _records(world: World) -> list[dict[str, object]]:
    with world.connection() as connection:
        return connection.read(sa.select(*contact_records.c).order_by(contact_records.c.entry_id)).to_dicts()


def test_undo_keeps_and_names_a_contact_that_was_changed_since(here: World) -> None:
    here.imports(people("A,1,", header=HEADER), profile_of(here))
    here.by_hand(sa.update(phonebook).values(notes="by hand"))

    report = here.undo("run-001")

    assert [code for *_, code in codes(report)] == ["undo-kept"] and set(here.contacts()) == {"A"}


def test_labels_are_planned_drift_is_found_and_undo_restores_them(here: World) -> None:
    header, profile = "name,tel,mail,kind", profile_of(here, LABELLED)
    here.imports(people("A,1,,x", header=header), profile)
    assert here.contacts()["A"]["labels"] == [{"name": "Kind", "value": "x"}]
    here.imports(people("A,1,,y", header=header), profile)
    here.undo("run-002")
    assert here.contacts()["A"]["labels"] == [{"name": "Kind", "value": "x"}]
    here.by_hand(sa.update(phonebook).values(labels=""))

    assert counts(here.imports(people("A,1,,x", header=header), profile)) == {"update": 1}
    assert counts(here.imports(people("A,1,", header=HEADER), profile)) == {"unchanged": 1}, "an absent column"


def test_an_export_of_contacts_imports_again_with_no_change(here: World) -> None:
    profile = profile_of(here, LABELLED, contact_key="id")
    here.imports(people('7,"A, ""x""",1,a@example.org,y', "8,B,,,", header="id,name,tel,mail,kind"), profile)
    with here.connection() as connection:
        snapshot = read_snapshot(connection, profile.name)

    text = export_csv([contact_fields(row) for row in snapshot.contacts.sort("key").to_dicts()], profile)

    assert counts(here.imports(text, profile)) == {"unchanged": 2}


def test_the_command_line_lists_and_exports_contacts(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here.home / "profiles"
    folder.mkdir()
    for name, structure in (("alone", LABELLED), ("both", BOTH), ("paired", PAIRED)):
        lines = "\n".join(f"  {line}" for line in structure.splitlines())
        (folder / f"{name}.yaml").write_text(f"title: {name}\nstructure: |\n{lines}\n")
    here.imports(people("A,1,,x", header="name,tel,mail,kind"), profile_of(here, LABELLED, name="alone"))
    header = "username,displayname,name,tel,mail"
    here.imports(people("a,A,,,", ",,Bank,2,", header=header), profile_of(here, BOTH, name="both"))
    settings = {"HOME": here.home, "KEY": "11" * 32, "PROFILES": folder}
    for name, value in settings.items():
        monkeypatch.setenv(f"ROLLCALL_{name}", str(value))

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli.rollcall, words)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert [row["display_name"] for row in json.loads(run("contacts", "--json"))] == ["A", "Bank"]
    assert "Bank" in run("contacts") and "contact A" in run("show", "run-001")
    label = [{"050lab_bez": "Kind", "028050pholab_value": "x"}]
    entry = {"028pho_bez": "A", "028pho_phone": "1", "post": {"phonebook.phonebooklabel": label}}
    assert json.loads(run("export", "--format", "io-json"))["phonebook"][0] == entry
    assert run("export", "--profile", "alone").splitlines() == ["name,mail,tel,kind", "A,,1,x"]
    assert run("export", "--profile", "both").splitlines()[1:] == ["A,,,,a", ",Bank,,2,"]

    here.imports(people("p,P,Paired,2,", header=header), profile_of(here, PAIRED, name="paired"))
    refused = CliRunner().invoke(cli.rollcall, ["export", "--profile", "paired"])
    assert refused.exit_code == 2 and "io-json" in refused.output


def test_a_removed_contacts_record_goes_with_it(here: World) -> None:
    here.imports(people("A,1,", "B,2,", header=HEADER), profile_of(here))
    here.imports(people("B,2,", header=HEADER), profile_of(here))

    with here.connection() as connection:
        assert connection.read(sa.select(contact_records.c.key))["key"].to_list() == ['["B","2"]']
