"""Rejected rows come back as CSV to mend; a held plan waits, with its file, for exactly one approval."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from deployments import cli
from tasks.output import SourceFacts
from tasks.store.runs import facts_json
from tasks.store.tables import runs
from tests.conftest import PrefectServer
from tests.test_cli import place as place  # the fixture
from tests.world import World, counts, people

HEADER = "username,displayname,pin,Kennwort"


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


def kept(world: World, run: str) -> list[dict[str, str]]:
    from tasks.store.files import read_file

    with world.connection() as connection:
        content = read_file(connection, run, "failed", world.store.keyring)
    assert content is not None
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def test_rejected_rows_are_kept_with_row_code_and_message_and_import_again_once_mended(here: World) -> None:
    here.imports(people("a,A,12,x", "b,B,1234,x", ",C,1234,x", header=HEADER))

    rows = kept(here, "run-001")
    assert [(row["row"], row["code"]) for row in rows] == [("2", "pin-invalid"), ("4", "login-missing")]

    mended = io.StringIO(newline="")
    writer = csv.DictWriter(mended, rows[0].keys())
    writer.writeheader()
    writer.writerow({**rows[0], "pin": "1234"})
    report = here.imports(mended.getvalue())

    assert report.plan.mode == "upsert" and counts(report) == {"create": 1}
    assert set(here.users()) == {"a", "b"}


def test_a_mended_file_does_not_become_the_last_applied_one(here: World) -> None:
    here.imports(people(*(f"u{n},U" for n in range(5))))
    here.imports(people("x,X,9,c,m", header="username,displayname,row,code,message"))

    assert here.imports(people(*(f"u{n},U" for n in range(5)), "x,X")).plan.held is None


def test_a_mended_file_may_have_another_encoding_and_no_last_line_end(here: World) -> None:
    profile = here.profile(encoding="auto")
    here.imports(people("jm,Jürgen Müßig", "x,Größe").encode("cp1252"), profile)

    mended = here.imports(people("y,Böll,9,c,m", header="username,displayname,row,code,message").rstrip(), profile)

    assert (mended.plan.held, counts(mended)) == (None, {"create": 1})


def test_a_file_of_ascii_has_every_encoding(here: World) -> None:
    profile = here.profile(encoding="auto")
    here.imports(people("jm,Jürgen Müßig", "x,Größe").encode("cp1252"), profile)

    assert here.imports(people("jm,Juergen", "x,Groesse"), profile).plan.held is None
    assert here.imports(people("jm,Jürgen Müßig", "x,Größe").encode("cp1252"), profile).plan.held is None
    held = here.imports(people("jm,Jürgen Müßig", "x,Größe"), profile).plan.held
    assert held is not None and "at the last applied import it was windows-1252" in held


def test_a_file_is_compared_with_the_last_whole_one_however_many_came_since(here: World) -> None:
    profile = here.profile(encoding="auto")
    here.imports(people(*(f"u{n},Größe" for n in range(9))).encode("cp1252"), profile)
    here.by_hand(*(earlier(f"mended-{n}", mended=True) for n in range(30)))

    assert "The file has 3 rows" in str(here.simulate(people(*(f"u{n},Große" for n in range(3)))).plan.held)

    here.by_hand(*(earlier(f"ascii-{n}", rows=9, ascii_only=True) for n in range(30)))
    assert "it was windows-1252" in str(here.simulate(people(*(f"u{n},Größe" for n in range(9))), profile).plan.held)


def earlier(run: str, **facts: Any) -> sa.Insert:
    """An import later than every other one, of a file with these facts."""
    source = facts_json(SourceFacts(encoding="utf-8", header=("username", "displayname"), **facts))
    values = {"id": run, "kind": "import", "profile": "users", "mode": "sync", "started": f"9999-{run}"}
    return sa.insert(runs).values(**values, status="applied", summary="{}", source=source, actor="", version="")


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        (people(*(f"u{n},U" for n in range(20))), "11 of 31 records would be removed"),
        (people(*(f"u{n},New" for n in range(31))), "31 of 31 records would change"),
        ("username,displayname\n", "The source is empty."),
        ("", "The source is empty."),
        ("username,displayname\n" + "\n".join(f"u{n},U" for n in range(31)), "its last line has no line end"),
        (people(*(f"u{n},U" for n in range(31))) + 'u99,"U', "its last record is short or unclosed"),
        (people(*(f"u{n},U" for n in range(29))).encode("utf-16"), "its encoding is"),
    ],
)
def test_a_doubtful_file_is_held_and_nothing_is_written(here: World, second: str | bytes, sentence: str) -> None:
    profile = here.profile(encoding="auto")
    here.imports(people(*(f"u{n},U" for n in range(31))), profile)
    before = here.users()

    report = here.imports(second, profile)

    assert report.plan.held is not None and sentence.removeprefix("its encoding") in report.plan.held
    assert here.users() == before and here.runs()[0]["status"] == "held"


def test_a_prefilter_column_that_is_gone_holds_the_plan(here: World) -> None:
    profile = here.profile(prefilter='return $row["active"] !== "no";')
    here.imports(people("a,A,yes", header="username,displayname,active"), profile)

    report = here.imports(people("a,A", "b,B"), profile)

    assert report.plan.held == "The pre-filter reads active, and that column is gone from the file."


@pytest.mark.parametrize(
    "prefilter",
    [
        "return array_key_exists('displayName', $row);",
        "foreach ($row as $name => $cell) { if ($name == 'displayname') { return true; } } return false;",
    ],
    ids=["another spelling", "any column"],
)
def test_a_prefilter_column_that_is_gone_holds_the_plan_however_it_is_read(here: World, prefilter: str) -> None:
    profile = here.profile(prefilter=prefilter)
    here.imports(people("a,A,200", header="username,displayname,phone"), profile)

    report = here.imports(people("a,200", "b,201", header="username,phone"), profile)

    assert report.plan.held == "The pre-filter reads displayname, and that column is gone from the file."


def test_a_column_that_decides_whether_a_row_makes_a_person_holds_the_plan_when_it_is_gone(here: World) -> None:
    structure = here.profile().structure.strip().removeprefix("{").removesuffix("}")
    profile = here.profile(structure=f"{{ {{{{#if active}}}}{structure}{{{{/if}}}} }}")
    here.imports(people("a,A,yes", header="username,displayname,active"), profile)

    report = here.imports(people("a,A"), profile)

    assert report.plan.held == "The condition around identity reads active, and that column is gone from the file."
    assert set(here.users()) == {"a"}


def test_brakes_hold_only_where_the_profile_owns_a_record(here: World) -> None:
    assert here.imports("username,displayname\n").plan.held is None


def test_a_small_company_may_lose_one_person(here: World) -> None:
    here.imports(people("a,A", "b,B"))

    assert here.imports(people("a,A")).plan.held is None


def test_a_held_plan_passes_only_with_its_own_checksum(here: World) -> None:
    from tasks.errors import StaleError

    here.imports(people(*(f"u{n},U" for n in range(31))))
    small = people(*(f"u{n},U" for n in range(3)))
    held = here.imports(small)

    with pytest.raises(StaleError):
        here.imports(small, approve="0" * 32)
    with pytest.raises(StaleError):
        here.imports(people(*(f"u{n},U" for n in range(4))), approve=held.plan.checksum)

    here.imports(small, approve=held.plan.checksum)
    assert len(here.users()) == 3


def test_a_held_plan_is_approved_on_the_command_line_without_the_file(
    place: Path, prefect_server: PrefectServer
) -> None:
    first, second = place / "first.csv", place / "second.csv"
    first.write_text(people(*(f"u{n},U" for n in range(31))))
    second.write_text(people(*(f"u{n},U" for n in range(3))))
    run = CliRunner().invoke

    assert run(cli.rollcall, ["import", "staff", str(first)]).exit_code == 0
    assert run(cli.rollcall, ["simulate", "staff", str(second)]).exit_code == 4
    held = run(cli.rollcall, ["import", "staff", str(second), "--json"])
    assert held.exit_code == 4 and '"applied": false' in held.stdout
    second.unlink()
    checksum = next(line.split('"')[3] for line in held.stdout.splitlines() if '"checksum"' in line)

    approved = run(cli.rollcall, ["import", "staff", "--approve", checksum])

    assert approved.exit_code == 0 and "28 remove" in approved.stdout
    assert run(cli.rollcall, ["import", "staff", "--approve", "1" * 32]).exit_code == 2


def test_failed_rows_go_to_a_file_that_only_the_owner_can_read(place: Path, prefect_server: PrefectServer) -> None:
    source, output = place / "users.csv", place / "failed.csv"
    source.write_text(people("a,A,12,longsecret", header="username,displayname,pin,password"))
    run = CliRunner().invoke
    found = run(cli.rollcall, ["import", "staff", str(source), "--json"])
    name = next(line.split('"')[3] for line in found.stdout.splitlines() if '"run"' in line)

    written = run(cli.rollcall, ["failed", name, "-o", str(output)])

    assert written.exit_code == 0, written.output
    assert oct(output.stat().st_mode & 0o777) == "0o600"
    assert "longsecret" in output.read_text() and "pin-invalid" in output.read_text()
    assert run(cli.rollcall, ["failed", "nothing"]).exit_code == 2


def test_failed_rows_on_a_screen_have_their_secrets_masked() -> None:
    from tasks.failed_rows import masked_rows
    from tasks.output import SourceFacts

    content = (
        b"username,Kennwort,row,code,message\na,geheim,2,pin-invalid,pin: x\nbroken,geheim,x,y,3,too-many-cells,z\n"
    )
    facts = SourceFacts(header=("username", "Kennwort"), delimiter=",", enclosure='"')

    shown = masked_rows(content, facts, {"Kennwort"})

    assert "geheim" not in shown and "pin-invalid" in shown and "too-many-cells" in shown
