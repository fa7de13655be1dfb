"""What leaves the phone system comes back unchanged."""

import json
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments import cli
from tasks.export import export_csv, export_fields, invertible_columns
from tasks.profile import Profile
from tasks.profile_file import load_profile, new_profile
from tasks.store.read import read_snapshot
from tasks.store.tables import phonebook
from tests.world import World, counts, people

HEADER = "username,displayname,phone,password,pin,email,roles,job,phonemac,phoneip,inttimeout"
ROW = 'a,"A, ""B""",200,longenough,1234,a@example.org,Sales;Boss,x,000413a3016f,10.0.0.1,20'


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


def exported(world: World, profile: Profile) -> str:
    with world.connection() as connection:
        snapshot = read_snapshot(connection, profile.name)
    devices = snapshot.devices.filter(pl.col("kind") == "ip_phone").to_dicts()
    phones = {row["login"]: row for row in devices}
    rows = snapshot.users.sort("login").to_dicts()
    return export_csv([export_fields(row, phones.get(row["login"])) for row in rows], profile)


def test_an_export_imports_again_with_no_change_and_holds_no_secret(here: World) -> None:
    here.imports(people(ROW, "b,B,,,,,,,,,", header=HEADER))

    text = exported(here, here.profile())

    assert "longenough" not in text and "1234" not in text
    assert counts(here.imports(text)) == {"unchanged": 2}


def test_an_automatic_number_is_an_empty_cell(here: World) -> None:
    here.imports(people("a,A,200", "b,B,", header="username,displayname,phone"))

    lines = exported(here, here.profile()).splitlines()

    position = lines[0].split(",").index("phone")
    assert [line.split(",")[position] for line in lines[1:]] == ["200", ""]


def test_only_fields_that_print_one_cell_unaltered_are_turned_round(here: World) -> None:
    profile = here.profile(
        variables={
            "username": 'return strtolower($row["login"]);',
            "displayname": 'return $row["first"] . " " . $row["last"];',
            "email": 'return $row["mail"];',
        }
    )

    columns = invertible_columns(profile)

    assert columns["mail"] == ("identity.016voi_email", "phonebook.028pho_email")
    assert not {"login", "first", "last"} & set(columns)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8).map(str.strip)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(names=st.lists(CELL.filter(bool), min_size=1, max_size=4), notes=CELL)
def test_any_text_survives_export_and_import(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], notes: str
) -> None:
    import csv
    import io

    here = World(tmp_path_factory.mktemp("world"))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["username", "displayname", "job"])
    writer.writerows([[f"u{at}", name, notes] for at, name in enumerate(names)])
    here.imports(text.getvalue())

    report = here.imports(exported(here, here.profile()))

    assert counts(report) == {"unchanged": len(here.users())} or not here.users()


def test_io_json_is_the_phone_systems_own_form(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here.imports(people(ROW, header=HEADER), here.profile("users-from-csv"))
    monkeypatch.setenv("ROLLCALL_HOME", str(here.home))
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)

    plain = CliRunner().invoke(cli.rollcall, ["export", "--format", "io-json"])
    secret = CliRunner().invoke(cli.rollcall, ["export", "--format", "io-json", "--with-secrets"])
    refused = CliRunner().invoke(cli.rollcall, ["export", "--with-secrets"])
    as_csv = CliRunner().invoke(cli.rollcall, ["export", "--profile", "users-from-csv"])

    identity = json.loads(plain.stdout)["identity"][0]
    assert identity["003use_name"] == "a" and identity["009ext_extension"] == "200" and "003use_pw" not in identity
    assert identity["post"]["ipphone"][0]["071ipp_mac"] == "000413a3016f"
    assert identity["user_roles"] == ["All", "Boss", "Sales"]
    assert json.loads(secret.stdout)["identity"][0]["003use_pw"] == "longenough"
    assert refused.exit_code == 2 and as_csv.exit_code == 0 and "a@example.org" in as_csv.stdout


@dataclass
class Office:
    """An installation with profiles in files, for the command itself."""

    world: World
    commands: CliRunner

    def profile(self, name: str, **settings: str) -> Profile:
        """A profile in the folder of profiles, from the template."""
        where = self.world.settings.model_copy(update={"profiles": self.world.home / "profiles"})
        return load_profile(new_profile(name, where, settings))

    def export(self, *arguments: str) -> Result:
        """What the command prints."""
        return self.commands.invoke(cli.rollcall, ["export", *arguments])


@pytest.fixture
def office(here: World, monkeypatch: pytest.MonkeyPatch) -> Office:
    for name, value in (("HOME", here.home), ("PROFILES", here.home / "profiles"), ("KEY", "11" * 32)):
        monkeypatch.setenv(f"ROLLCALL_{name}", str(value))
    return Office(here, CliRunner())


def test_an_export_is_written_in_the_encoding_and_without_the_enclosure_of_the_profile(office: Office) -> None:
    profile = office.profile("bare", encoding="windows-1252", enclosure="none", delimiter=";")
    office.world.imports('username;displayname\na;Jürgen "J" Å\n'.encode("cp1252"), profile)

    written = office.export("--profile", "bare")

    assert written.exit_code == 0 and 'Jürgen "J" Å'.encode("cp1252") in written.stdout_bytes
    assert counts(office.world.imports(written.stdout_bytes, profile)) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("settings", "name", "says"),
    [
        ({"encoding": "windows-1252"}, "Ж", "U+0416 stands in a value and not in windows-1252"),
        ({"enclosure": "none"}, "A, B", "the profile has no enclosure"),
    ],
)
def test_an_export_that_the_profile_cannot_hold_is_refused_with_the_reason(
    office: Office, settings: dict[str, str], name: str, says: str
) -> None:
    office.world.imports(people(f'a,"{name}"'), office.world.profile("bare"))
    office.profile("bare", **settings)

    refused = office.export("--profile", "bare")

    assert (refused.exit_code, refused.stdout) == (2, "") and says in " ".join(refused.stderr.split())


def test_an_export_that_would_change_something_is_refused_and_says_what(office: Office) -> None:
    profile = office.profile("staff", prefilter="return $row['status'] === 'active';\n")
    office.world.imports(people("a,A,active", header="username,displayname,status"), profile)

    refused = office.export("--profile", "staff")

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "it would be 0 create, 0 update, 1 remove" in " ".join(refused.stderr.split())


def test_who_was_disabled_as_missing_is_left_out_and_stays_so(office: Office) -> None:
    profile = office.profile("staff", on_missing="disable")
    office.world.imports(people("a,A", "b,B"), profile)
    office.world.imports(people("b,B"), profile)

    written = office.export("--profile", "staff")

    assert "Left out: 1 user, whom an import disabled" in " ".join(written.stderr.split())
    assert counts(office.world.imports(written.stdout_bytes, profile)) == {"unchanged": 1}
    assert not office.world.users()["a"]["enabled"]


def test_without_a_profile_everybody_is_exported_in_the_templates_columns(office: Office) -> None:
    office.world.imports(people("a,A"), office.world.profile("one"))
    office.world.imports(people("b,B"), office.world.profile("two"))
    office.world.by_hand(sa.insert(phonebook).values(display_name="Bank", phone="11"))

    written = office.export()

    assert written.exit_code == 0 and written.stdout.startswith("displayname,")
    assert len(written.stdout.splitlines()) == 3
    assert "Left out: 1 contact," in written.stderr


def test_reveal_is_for_terminals_only(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    here.imports(people(ROW, header=HEADER))
    monkeypatch.setenv("ROLLCALL_HOME", str(here.home))
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)

    found = CliRunner().invoke(cli.rollcall, ["reveal", "a"])

    assert found.exit_code == 2 and "longenough" not in found.output


def test_a_source_that_fails_stands_in_the_history_as_failed(here: World) -> None:
    from tasks.errors import SourceError

    with pytest.raises(SourceError):
        here.imports(b"PK\x03\x04" + bytes(100))

    assert [(run["status"], run["summary"]) for run in here.runs()] == [("failed", {})]
