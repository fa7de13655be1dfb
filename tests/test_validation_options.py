"""The profile's options, and rows that fail on their way: what they protect, what they say."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.store.tables import users
from tests.world import World, codes, counts, people


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_row_in_which_a_variable_fails_protects_its_own_record_and_nobody_elses(here: World) -> None:
    profile = here.profile()
    profile = here.profile(variables={**profile.variables, "job": 'return intdiv(1, $row["job"]);'})
    here.imports(people("a,A,1", "b,B,1", "c,C,1", header="username,displayname,job"), profile)

    report = here.imports(people("a,New,0", "b,B,1", header="username,displayname,job"), profile)

    assert counts(report) == {"remove": 1, "unchanged": 1, "rejected": 1}
    assert codes(report) == [(2, "job", "variable-failed")]
    assert set(here.users()) == {"a", "b"} and here.users()["a"]["display_name"] == "A"


def test_a_row_in_which_the_prefilter_fails_is_rejected_and_not_filtered(here: World) -> None:
    profile = here.profile(prefilter='return intdiv(1, $row["job"]) == 1;')
    here.imports(people("a,A,1", "b,B,1", header="username,displayname,job"), profile)

    report = here.imports(people("a,New,0", "b,B,1", header="username,displayname,job"), profile)

    assert counts(report) == {"unchanged": 1, "rejected": 1}
    assert codes(report) == [(2, "prefilter", "prefilter-failed")]


def test_a_row_whose_login_fails_too_lets_nobody_be_removed(here: World) -> None:
    profile = here.profile()
    failing = 'return intdiv(1, $row["job"]) . $row["username"];'
    profile = here.profile(variables={**profile.variables, "username": failing})
    here.imports(people("a,A,1", "b,B,1", header="username,displayname,job"), profile)

    report = here.imports(people("a,A,0", header="username,displayname,job"), profile)

    assert counts(report) == {"rejected": 1, "protected": 2}


def test_a_password_policy_names_every_part_that_is_broken_at_once(here: World) -> None:
    profile = here.profile(password_policy={"minimum_length": 10, "classes": 3})
    header = "username,displayname,password"

    report = here.imports(people("a,A,zzqq", "b,B,Long3nough!!", "c,C,", header=header), profile)

    assert codes(report) == [(2, "password", "password-too-short"), (2, "password", "password-too-simple")]
    assert set(here.users()) == {"b", "c"} and "zzqq" not in str(report.document())


@pytest.mark.parametrize(
    ("cleanup", "login", "code"),
    [
        ("strip", "jrgmller", "login-cleaned"),
        ("transliterate", "joergmueller", "login-cleaned"),
        ("reject", None, "login-unclean"),
    ],
)
def test_login_cleanup_strips_spells_out_or_rejects(here: World, cleanup: str, login: str | None, code: str) -> None:
    report = here.imports(people("JörgMüller,J"), here.profile(login_cleanup=cleanup))

    assert codes(report) == [(2, "username", code)]
    assert list(here.users()) == ([login] if login else [])


def test_a_decomposed_umlaut_is_the_same_login_as_a_composed_one(here: World) -> None:
    here.imports(people("mu\u0308ller,M"))

    assert set(here.users()) == {"mller"}


def test_empty_cells_may_keep_their_fields(here: World) -> None:
    header = "username,displayname,email,roles"
    here.imports(people("a,A,a@example.org,Sales", header=header))

    assert counts(here.imports(people("a,A,,", header=header), here.profile(empty_cells="keep"))) == {"unchanged": 1}
    assert counts(here.imports(people("a,A,,", header=header))) == {"update": 1}


@pytest.mark.parametrize(
    ("on_existing", "outcome", "code"),
    [
        ("adopt", {"update": 1}, []),
        ("skip", {"unchanged": 1}, ["login-exists-skipped"]),
        ("conflict", {"conflict": 1}, ["login-exists"]),
    ],
)
def test_a_user_made_by_hand_is_adopted_skipped_or_a_conflict(
    here: World, on_existing: str, outcome: dict[str, int], code: list[str]
) -> None:
    here.by_hand(sa.insert(users).values(login="boss", display_name="The Boss"))

    report = here.imports(people("boss,Boss"), here.profile(on_existing=on_existing))

    assert counts(report) == outcome and [found for *_, found in codes(report)] == code
    assert here.users()["boss"]["display_name"] == ("Boss" if on_existing == "adopt" else "The Boss")


def test_on_missing_disable_releases_phones_keeps_the_extension_and_enables_again(here: World) -> None:
    profile = here.profile(on_missing="disable")
    header = "username,displayname,phonemac"
    here.imports(people("a,A,000413a3016f", "b,B,", header=header), profile)

    gone = here.imports(people("b,B,", header=header), profile)
    assert counts(gone) == {"disable": 1, "unchanged": 1}
    assert here.users()["a"]["enabled"] is False and here.users()["a"]["extension"] == "100"
    assert here.phones()["000413a3016f"]["login"] is None
    assert counts(here.imports(people("b,B,", header=header), profile)) == {"unchanged": 1}

    back = here.imports(people("a,A,000413a3016f", "b,B,", header=header), profile)
    assert counts(back) == {"enable": 1, "unchanged": 1}
    assert here.users()["a"]["enabled"] is True


def test_disabled_people_are_removed_after_so_many_days_from_going_missing(here: World) -> None:
    from dataclasses import replace

    from flows.order import as_function, run_import
    from tasks.snapshot import Circumstances

    profile = here.profile(on_missing="disable_then_remove", remove_after_days=30)
    here.imports(people("a,A", "b,B"), profile)

    def on(day: str) -> dict[str, int]:
        job = replace(
            here.job(people("b,B"), profile),
            circumstances=Circumstances(today=day),
            clock=lambda: f"{day}T00:00:00.000Z",
        )
        return counts(run_import(job, as_function))

    assert on("2026-01-01") == {"disable": 1, "unchanged": 1}
    assert on("2026-01-30") == {"unchanged": 1}
    assert on("2026-01-31") == {"remove": 1, "unchanged": 1}


def test_an_undo_of_a_disabling_enables_again(here: World) -> None:
    profile = here.profile(on_missing="disable")
    here.imports(people("a,A", "b,B"), profile)
    here.imports(people("b,B"), profile)

    here.undo("run-002")

    assert here.users()["a"]["enabled"] is True
    assert counts(here.imports(people("a,A", "b,B"), profile)) == {"unchanged": 2}


def test_records_of_a_profile_that_is_gone_may_be_taken_over(here: World) -> None:
    from dataclasses import replace

    from flows.order import as_function, run_import
    from tasks.snapshot import Circumstances

    here.imports(people("a,A"), here.profile("former"))
    known = Circumstances(profiles=("present",))

    refused = run_import(
        replace(here.job(people("a,A"), here.profile("present", on_existing="adopt")), circumstances=Circumstances()),
        as_function,
    )
    assert counts(refused) == {"conflict": 1}

    taken = run_import(
        replace(here.job(people("a,A"), here.profile("present", on_existing="adopt")), circumstances=known), as_function
    )
    assert counts(taken) == {"update": 1} and here.users()["a"]["profile"] == "present"


def test_labels_of_a_phonebook_entry_are_kept_and_compared(here: World) -> None:
    structure = """{"identity": [{"003use_name": "{{{username}}}", "003use_bez": "{{{displayname}}}",
      "post": {"phonebook": [{"028pho_bez": "{{{displayname}}}",
        "post": {"phonebook.phonebooklabel": [{"050lab_bez": "site", "028050pholab_value": "{{{site}}}"}]}}]}}]}"""
    profile = here.profile(structure=structure, variables={})
    header = "username,displayname,site"
    here.imports(people("a,A,Ulm", header=header), profile)

    assert here.users()["a"]["phonebook"][0]["labels"] == [{"name": "site", "value": "Ulm"}]
    assert counts(here.imports(people("a,A,Ulm", header=header), profile)) == {"unchanged": 1}
    assert counts(here.imports(people("a,A,Bonn", header=header), profile)) == {"update": 1}
