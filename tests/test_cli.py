"""What an administrator types, and what wrong use gets: one clear text, the exit code of the contract, no traceback."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from deployments import cli
from tests.conftest import PrefectServer
from tests.world import SEED, TEMPLATE, World

SCRIPT = "from deployments.cli import main; main()"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a profile in it, and a state folder of its own."""
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROLLCALL_PROFILES", str(tmp_path / "profiles"))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "staff.yaml").write_text(TEMPLATE.read_text("utf-8"), "utf-8")
    return tmp_path


class Ended(NamedTuple):
    """What a command printed, and its exit code."""

    returncode: int
    stdout: str
    stderr: str


def rollcall(*words: str) -> Ended:
    """Runs the command in this process; starting Python a hundred times would be most of the test."""
    result = CliRunner().invoke(cli.rollcall, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def profile_with(place: Path, old: str, new: str) -> None:
    file = place / "profiles" / "staff.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), "utf-8")


def test_the_command_is_a_program_of_its_own_with_exit_codes(place: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "simulate", "stuff", "x.csv"]

    found = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)

    assert (found.returncode, found.stdout) == (2, "") and "Did you mean staff?" in found.stderr


def test_the_seed_is_imported_through_the_flow_and_the_second_run_has_nothing_to_do(
    place: Path, prefect_server: PrefectServer
) -> None:
    first = rollcall("import", "staff", str(SEED), "--json")
    second = rollcall("import", "staff", str(SEED))

    assert first.returncode == 0 and first.stderr == ""
    assert json.loads(first.stdout)["summary"]["create"] == 1
    assert second.returncode == 0 and "nothing to do: 0 create, 0 update, 0 remove, 1 unchanged" in second.stdout
    assert [run["status"] for run in json.loads(rollcall("runs", "--json").stdout)] == ["nothing", "applied"]
    assert json.loads(rollcall("users", "--json").stdout)[0]["extension"] == "345"
    assert json.loads(rollcall("phones", "--json").stdout) == []
    run = json.loads(first.stdout)["run"]
    shown = rollcall("show", run).stdout
    assert "Sales Director" in shown and "The file was read as utf-8 (confidence 100%)." in shown
    assert "create" in rollcall("show", "--login", "mmuster").stdout


def test_an_import_that_fails_says_so_in_one_text(place: Path, prefect_server: PrefectServer) -> None:
    (place / "users.csv").write_text("Max Muster,mmuster,12ab34cd56,1234\n")
    command = [sys.executable, "-c", SCRIPT, "import", "staff", str(place / "users.csv")]
    environment = {name: value for name, value in os.environ.items() if "LOGGING" not in name}

    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert found.returncode == 3 and found.stdout == ""
    assert found.stderr.startswith("The file has no column username") and found.stderr.count("\n") == 1


def test_a_terminal_is_told_which_step_runs_and_a_pipe_is_not(place: Path) -> None:
    at_terminal, terminal = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, "simulate", "staff", str(SEED)]

    subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, check=True)
    os.close(terminal)
    said = os.read(at_terminal, 10_000).decode()
    os.close(at_terminal)

    steps = said.split("\r\x1b[2K")
    assert steps[0] == "" and steps[-1] == ""
    assert steps[1:4] == ["fetch …", "decode …", "parse …"] and steps[-2] == "report …"
    assert rollcall("simulate", "staff", str(SEED)).stderr == ""


def test_a_rejected_row_is_exit_1_and_named(place: Path) -> None:
    (place / "users.csv").write_text("username,displayname,phone\na,A,012\nb,B,\n")

    found = rollcall("simulate", "staff", str(place / "users.csv"))

    assert found.returncode == 1
    assert "extension-invalid" in found.stdout and "found “012”" in found.stdout
    assert "1 create, 0 update, 0 remove, 0 unchanged, 1 rejected" in found.stdout


def test_no_cell_moves_the_cursor_of_a_terminal(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    rows = 'a,"Max\x1b[2K\x1b[1A\u009b2K\r\u202e Muster","in\ntwo",\nb,B,,4\x1b]0;x\a\n'
    text = f"username,displayname,job,phone\n{rows}"
    (place / "users.csv").write_text(text, "utf-8")

    simulated = rollcall("simulate", "staff", str(place / "users.csv"))
    report = World(place / "home").imports(text)
    assert report.outcome is not None and report.plan.summary["rejected"] == 1
    listed, shown = rollcall("users"), rollcall("show", report.outcome.run)

    for said in (simulated, listed, shown):
        assert "Max␛[2K␛[1A�2K" in said.stdout
        assert not OBEYED.search(said.stdout + said.stderr)


def test_no_cell_moves_the_cursor_from_json_or_an_export(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    name = "Max\x1b[2K\u009b2K\x7f\u202e Muster"
    World(place / "home").imports(f"username,displayname\na,{name}\n")

    listed, exported = rollcall("users", "--json"), rollcall("export", "--format", "io-json")

    assert json.loads(listed.stdout)[0]["display_name"] == name
    assert json.loads(exported.stdout)["identity"][0]["003use_bez"] == name
    assert not OBEYED.search(listed.stdout + exported.stdout)
    assert "Max␛[2K�2K␡� Muster" in at_terminal("export")
    assert name in rollcall("export").stdout


def at_terminal(*words: str) -> str:
    """What the command prints where its results go to a terminal."""
    here, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", SCRIPT, *words], stdout=terminal, check=True)
    os.close(terminal)
    said = os.read(here, 10_000).decode()
    os.close(here)
    return said


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["simulate", "stuff", "x.csv"], 2, "Did you mean staff?"),
        (["simulate", "staff"], 2, "name the CSV file after the profile"),
        (["simulate", "staff", "missing.csv"], 3, "There is no file missing.csv"),
        (["simulate", "nowhere/p.yaml", "x.csv"], 2, "There is no profile file nowhere/p.yaml"),
        (["show", "nothing"], 2, "There is no run nothing"),
        (["show"], 2, "Name a run"),
        (["show", "--login", "nobody"], 2, "No run ever changed nobody"),
        (["new", "../evil"], 2, "is no name for a profile"),
        (["new", "staff"], 2, "exists already"),
        (["new", "x", "--delimiter", "ab"], 2, "expected one character"),
        (["import", "staff", "x.csv", "--plan", "p", "--approve", "c"], 2, "not both"),
        (["frobnicate"], 2, "No such command"),
    ],
)
def test_wrong_use_gets_one_clear_text_and_no_traceback(place: Path, words: list[str], code: int, text: str) -> None:
    found = rollcall(*words)

    assert found.returncode == code and text in found.stderr
    assert "Traceback" not in found.stderr + found.stdout


@pytest.mark.parametrize(
    ("variable", "value", "words", "text"),
    [
        ("CACHE_DAYS", "abc", ["profiles"], "ROLLCALL_CACHE_DAYS: Input should be a valid integer"),
        ("PROVISIONING_TOKEN", "s3cr3t-short", ["users"], "ROLLCALL_PROVISIONING_TOKEN: "),
        ("HOME", "/dev/null/x", ["users"], "/dev/null/x"),
        ("HOME", "/dev/null/x", ["simulate", "staff", str(SEED)], "/dev/null/x"),
        ("KEY", "11" * 32, ["simulate", "staff", str(SEED), "--save", "/dev/null/plan.json"], "/dev/null/plan.json"),
    ],
)
def test_a_setting_or_path_that_cannot_be_used_is_named_without_its_value(
    place: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: list[str], text: str
) -> None:
    monkeypatch.setenv(f"ROLLCALL_{variable}", value)

    found = rollcall(*words)

    assert (found.returncode, found.stdout) == (2, "") and text in found.stderr
    assert "Traceback" not in found.stderr and "s3cr3t" not in found.stderr


@pytest.mark.parametrize("words", [["users"], ["users", "--json"], ["--help"]])
def test_a_disk_that_takes_no_output_is_told_and_no_success(place: Path, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert ended.returncode == 2 and "could not be written: No space left on device." in ended.stderr
    assert "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr


def test_a_reader_that_has_read_enough_is_told_nothing(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None and command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


def test_with_json_a_word_that_is_missing_is_an_object_too(place: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "simulate", "--json"]

    found = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)

    assert found.returncode == 2 and "Missing argument 'PROFILE'" in found.stderr
    assert json.loads(found.stdout)["error"]["code"] == "wrong-use"


def test_with_json_a_failure_is_an_object(place: Path) -> None:
    found = rollcall("simulate", "stuff", "x.csv", "--json")

    assert json.loads(found.stdout)["error"]["code"] == "profile-unknown"


@pytest.mark.parametrize(
    ("old", "new", "texts"),
    [
        (
            "mode: sync",
            "mood: sync",
            ["line 8, column 1", "`mood` is not a setting of a profile; did you mean `mode`?"],
        ),
        ("mode: sync", "mode: sink", ["line 8, column 1", "'sync' or 'upsert'"]),
        ("type: upload", "type: url", ["line 11, column 1", "there is no url"]),
        ("mode: sync", "mode: sync\nmode: upsert", ["line 9, column 1: `mode` stands twice; remove one"]),
        ("mode: sync", "mode:\n\tsync", ["use spaces"]),
        ("return true;", "return tru(;", ["line 23, column 12", "^"]),
        ('return $row["job"];', 'return sytem("job");', ["variables.job", "sytem() is unknown", "^"]),
        ('"003use_name":', '"003use_name"', ["structure", "^"]),
        ("brakes:\n", "brakes:\n  remove_procent: 3\n", ["did you mean `remove_percent`?"]),
        ("title: Users from CSV", "title: [", ["this is not YAML"]),
    ],
)
def test_a_bad_profile_is_exit_2_with_file_line_column_and_caret(
    place: Path, old: str, new: str, texts: list[str]
) -> None:
    profile_with(place, old, new)

    found = rollcall("check", "staff")

    assert found.returncode == 2 and "staff.yaml" in found.stderr
    assert [text for text in texts if text not in found.stderr] == [], found.stderr
    assert "Traceback" not in found.stderr


def test_all_problems_of_a_profile_come_at_once(place: Path) -> None:
    profile_with(place, "mode: sync", "mood: sync")
    profile_with(place, "type: upload", "type: url")
    profile_with(place, 'delimiter: ","', "delimiter: '\"'")
    profile_with(place, "return true;", "return tru(;")
    profile_with(place, 'return $row["job"];', "return sytem(1);")
    profile_with(place, '"003use_name":', '"003use_name"')

    found = rollcall("check", "staff")

    wanted = ("`mood`", "no url", "both '\"'", "prefilter", "variables.job", "structure")
    problems = [line for line in found.stderr.splitlines() if "staff.yaml" in line]
    assert len(problems) == len(wanted) and all(", line " in problem for problem in problems), found.stderr
    assert [text for text in wanted if text not in found.stderr] == []


def test_a_warning_stands_at_its_line_of_the_file_and_is_an_error_where_strict(place: Path) -> None:
    profile_with(place, '"003use_bez"', '"003use_bezz": "", "003use_bez"')
    lines = (place / "profiles" / "staff.yaml").read_text("utf-8").splitlines()
    number = next(number for number, line in enumerate(lines, start=1) if "003use_bezz" in line)

    lenient, strict = rollcall("check", "staff"), rollcall("check", "staff", "--strict")

    assert lenient.returncode == 0 and f"warning: line {number}, column " in lenient.stdout
    assert "003use_bezz in identity" in lenient.stdout and "Issue(" not in lenient.stdout
    assert strict.returncode == 2 and f"staff.yaml, line {number}, column " in strict.stderr


def test_new_writes_the_template_with_its_comments_and_check_finds_it_valid(place: Path) -> None:
    made = rollcall("new", "branch", "--delimiter", ";", "--encoding", "windows-1252")

    text = (place / "profiles" / "branch.yaml").read_text("utf-8")
    assert made.returncode == 0 and "# Which rows are imported" in text and "encoding: windows-1252" in text
    assert rollcall("check", "branch").returncode == 0
    assert "branch" in rollcall("profiles").stdout


def test_new_for_a_url_names_no_file_and_states_what_its_scheme_needs(place: Path) -> None:
    made = rollcall("new", "nightly", "--url", "sftp://files.example/users.csv")

    assert made.stderr.endswith("rollcall simulate nightly\n")
    assert "host_key" in (place / "profiles" / "nightly.yaml").read_text("utf-8")


def test_the_seeds_optional_settings_work_pasted_verbatim(place: Path) -> None:
    seed = Path(__file__).parent / "seed-profile.yaml"
    (place / "profiles" / "seed.yaml").write_text(seed.read_text("utf-8"), "utf-8")

    found = rollcall("simulate", "seed", str(SEED), "--json")

    document = json.loads(found.stdout)
    assert found.returncode == 0, found.stdout
    assert document["changes"][0]["fields"]["phonebook.notes"] == [None, "Sales Director"]
    assert document["changes"][0]["fields"]["phonebook.first_name"] == [None, "Max"]


def test_a_saved_plan_is_applied_exactly_or_refused_as_stale(place: Path, prefect_server: PrefectServer) -> None:
    plan = place / "plan.json"
    assert rollcall("simulate", "staff", str(SEED), "--save", str(plan)).returncode == 0
    assert "12ab34cd56" not in plan.read_text()

    applied = rollcall("import", "staff", str(SEED), "--plan", str(plan), "--json")
    stale = rollcall("import", "staff", str(SEED), "--plan", str(plan), "--json")

    assert applied.returncode == 0 and json.loads(applied.stdout)["applied"] is True
    assert stale.returncode == 5 and json.loads(stale.stdout)["error"]["code"] == "plan-stale"


def test_nouns_and_steps_leave_prefect_out(place: Path) -> None:
    script = (
        "import sys, flows.order, deployments.cli, tasks.parse, tasks.store.store; sys.exit('prefect' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_phone_is_rotated_by_its_mac_without_a_word_of_the_secret(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    World(place / "home").imports("username,displayname,phonemac\na,A,000413a3016f\n")

    found = rollcall("phones", "--rotate", "00:04:13:A3:01:6F")

    assert (found.returncode, found.stdout) == (
        0,
        "Snom 000413a3016f has a new SIP secret. It can register again once it has fetched its settings.\n",
    )
    assert json.loads(rollcall("runs", "--json").stdout)[0]["kind"] == "rotate"
    assert rollcall("phones", "--rotate", "000000000001").returncode == 2
    assert json.loads(rollcall("phones", "--seen", "--json").stdout) == []
