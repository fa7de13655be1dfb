"""Steps as tasks of a real flow on a real server: what is cached, what runs again, what is retried."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl
import pytest
from conftest import PrefectServer
from flow_runs import FlowRun, run

from tasks.cache import clear_cache
from tasks.key_file import open_keyring
from tasks.output import Output, Source, SourceFacts, Table, Text
from tasks.profile import Profile
from tasks.progress import progress
from tasks.sealed import open_result, seal_result
from tasks.settings import Settings
from tasks.step import step

PROFILE = Profile(title="Users", structure='{"identity": [{"003use_name": "{{{username}}}"}]}')
SOURCE = Source(data=b"username\nmmuster\nerika\n", facts=SourceFacts(name="users.csv", digest="d1"))
STEPS = ("decode", "parse", "prefilter")


def decode_bytes(source: Source, profile: Profile) -> Text:
    return Text(data=source.data.decode(profile.encoding).encode(), facts=source.facts)


def parse_lines(text: Text, profile: Profile) -> Table:
    header, *lines = text.data.decode().split()
    frame = pl.DataFrame({"#row": range(2, len(lines) + 2), header: lines})
    return Table(frame=frame, facts=text.facts)


def keep_others(table: Table, profile: Profile) -> Table:
    return Table(frame=table.frame.filter(pl.col("username") != profile.prefilter), facts=table.facts)


decode = step("decode", version=1, reads=("encoding",))(decode_bytes)
parse = step("parse", version=1, reads=("delimiter",))(parse_lines)
prefilter = step("prefilter", version=1, reads=("prefilter",))(keep_others)


def run_import(source: Source = SOURCE, profile: Profile = PROFILE) -> FlowRun:
    """Three steps, one after the other."""
    return run(lambda: prefilter(parse(decode(source, profile), profile), profile))


def all_are(state: str) -> dict[str, str]:
    return dict.fromkeys(STEPS, state)


def stored(home: Path, name: str, folder: str = "results") -> Path:
    (path,) = (home / folder).glob(f"{name}-*")
    return path


def test_a_step_needs_no_prefect_until_it_is_called() -> None:
    program = "import sys, tasks.step; print('prefect' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "False\n"


def test_a_step_keeps_its_function_and_its_words() -> None:
    assert parse.function is parse_lines
    assert parse.name == "parse"
    assert parse.conduct.artifact_key == "03-parse"


def test_a_step_reads_only_what_a_profile_has() -> None:
    with pytest.raises(ValueError, match="step parse reads delimeter, which no profile has"):
        step("parse", version=1, reads=("delimeter",))


def test_the_second_run_of_the_same_input_is_served_from_the_cache(
    prefect_server: PrefectServer, rollcall_home: Path
) -> None:
    first, second = run_import(), run_import()

    assert first.states() == all_are("Completed")
    assert second.states() == all_are("Cached")
    assert second.output.frame.equals(first.output.frame)
    assert second.output.facts == first.output.facts
    assert second.output.lineage == first.output.lineage == stored(rollcall_home, "prefilter").name


def test_artifacts_are_there_on_a_cache_hit_too(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    run_import()

    artifacts = run_import().artifacts()

    assert sorted(artifacts) == ["02-decode", "03-parse", "04-prefilter"]
    assert json.loads(artifacts["03-parse"].data)[0] == {"#row": 2, "username": "mmuster"}
    assert "| kept | 2 |" in artifacts["03-parse"].description


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"prefilter": "erika"}, {"decode": "Cached", "parse": "Cached", "prefilter": "Completed"}),
        ({"delimiter": ";"}, {"decode": "Cached", "parse": "Completed", "prefilter": "Completed"}),
        ({"structure": "{}"}, all_are("Cached")),
    ],
)
def test_a_changed_setting_runs_the_steps_that_read_it_and_those_after(
    prefect_server: PrefectServer, rollcall_home: Path, changed: dict[str, str], expected: dict[str, str]
) -> None:
    run_import()

    assert run_import(profile=PROFILE.model_copy(update=changed)).states() == expected


def test_another_input_runs_everything(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    run_import()

    other = run_import(Source(data=b"username\nx\n", facts=SourceFacts(digest="d2")))

    assert other.states() == all_are("Completed")


def test_a_new_version_of_a_step_runs_again(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    run_import()
    newer = step("parse", version=2, reads=("delimiter",))(parse_lines)

    again = run(lambda: newer(decode(SOURCE, PROFILE), PROFILE))

    assert again.states() == {"decode": "Cached", "parse": "Completed"}


def flip_a_bit_in_the_middle(home: Path) -> None:
    path = stored(home, "parse")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(home: Path) -> None:
    path = stored(home, "parse")
    path.write_bytes(path.read_bytes()[:-100])


def delete_the_result(home: Path) -> None:
    stored(home, "parse").unlink()


def replace_by_junk(home: Path) -> None:
    stored(home, "parse").write_bytes(b"junk")


def swap_with_another_result(home: Path) -> None:
    shutil.copy(stored(home, "decode"), stored(home, "parse"))


def swap_the_metadata(home: Path) -> None:
    shutil.copy(stored(home, "decode", "keys"), stored(home, "parse", "keys"))


def name_another_serializer(home: Path) -> None:
    path = stored(home, "parse", "keys")
    path.write_text(path.read_text().replace('"sealed"', '"pickle"'))


def break_the_metadata(home: Path) -> None:
    stored(home, "parse", "keys").write_bytes(b"{")


def move_the_class(home: Path) -> None:
    path, ring = stored(home, "parse"), open_keyring(Settings(), may_create=False)
    table = open_result(path.read_bytes(), ring)
    moved = type("Moved", (Table,), {"__module__": "tasks.of_yesterday"})
    path.write_bytes(
        seal_result(moved(**{field.name: getattr(table, field.name) for field in fields(table)}), path.name, ring)
    )


@pytest.mark.parametrize(
    "harm",
    [
        flip_a_bit_in_the_middle,
        cut_off,
        delete_the_result,
        replace_by_junk,
        swap_with_another_result,
        swap_the_metadata,
        name_another_serializer,
        break_the_metadata,
        move_the_class,
    ],
    ids=lambda harm: harm.__name__,
)
def test_a_result_that_is_not_whole_is_made_again(
    prefect_server: PrefectServer, rollcall_home: Path, harm: Callable[[Path], None]
) -> None:
    first = run_import()
    harm(rollcall_home)

    healed = run_import()

    assert healed.states() == {"decode": "Cached", "parse": "Completed", "prefilter": "Cached"}
    assert healed.output.frame.equals(first.output.frame)
    assert run_import().states() == all_are("Cached")


def test_results_of_another_installation_are_made_again(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    run_import()
    names = [path.name for path in (rollcall_home / "results").iterdir()]
    (rollcall_home / "key").write_text("00" * 32)

    assert run_import().states() == all_are("Completed")
    assert len(list((rollcall_home / "results").iterdir())) == 2 * len(names)


def test_a_storage_of_results_is_shared_between_machines(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    monkeypatch.setenv("ROLLCALL_RESULT_STORAGE", f"memory://{tmp_path}/results")
    states: list[dict[str, str]] = []
    for machine in ("one", "two"):
        monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path / machine))
        states.append(run_import().states())

    assert states == [all_are("Completed"), all_are("Cached")]
    assert clear_cache(Settings()).removed == len(STEPS)
    assert run_import().states() == all_are("Completed")


def test_results_survive_a_move_of_the_home_folder(
    prefect_server: PrefectServer, rollcall_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_import()
    moved = rollcall_home.rename(rollcall_home.with_name("moved"))
    monkeypatch.setenv("ROLLCALL_HOME", str(moved))

    assert run_import().states() == all_are("Cached")


def test_results_may_lie_in_any_storage_that_fsspec_reaches(
    prefect_server: PrefectServer, rollcall_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_RESULT_STORAGE", f"memory://{rollcall_home.name}/results")

    first, second = run_import(), run_import()

    assert (first.states(), second.states()) == (all_are("Completed"), all_are("Cached"))
    assert not (rollcall_home / "results").exists()


def test_files_are_for_their_owner_only(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    run_import()

    modes = {path.stat().st_mode & 0o777 for path in rollcall_home.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in rollcall_home.rglob("*") if path.is_dir()}

    assert (modes, folders) == ({0o600}, {0o700})


def test_a_step_that_is_not_cached_runs_each_time(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    calls: list[int] = []

    def apply_nothing(text: Text) -> int:
        calls.append(1)
        return len(calls)

    apply = step("apply", version=1, cached=False)(apply_nothing)

    outputs = [run(lambda: apply(decode(SOURCE, PROFILE))) for _ in range(2)]

    assert [made.output for made in outputs] == [1, 2]
    assert outputs[1].states() == {"decode": "Cached", "apply": "Completed"}


@dataclass(frozen=True)
class Request:
    """An argument that tells itself what a cache key covers of it."""

    digest: str | None

    def cache_facts(self) -> Mapping[str, object] | None:
        return None if self.digest is None else {"digest": self.digest}


@pytest.mark.parametrize(("digest", "expected"), [("d1", "Cached"), (None, "Completed")])
def test_an_argument_decides_whether_its_step_is_cached(
    prefect_server: PrefectServer, rollcall_home: Path, digest: str | None, expected: str
) -> None:
    def fetch_nothing(request: Request) -> Source:
        return SOURCE

    fetch = step("fetch", version=1)(fetch_nothing)

    def steps() -> Text:
        return decode(fetch(Request(digest)), PROFILE)

    run(steps)

    assert run(steps).states() == {"fetch": expected, "decode": "Cached"}


def test_an_output_without_rows_is_shown_by_its_facts(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    artifact = run_import().artifacts()["02-decode"]

    assert artifact.type == "markdown"
    assert "| file | users.csv |" in artifact.data


def test_edges_of_the_graph_are_the_outputs(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    done = run_import()
    done.states()
    which = FlowRunFilter(id=FlowRunFilterId(any_=[done.id]))
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(flow_run_filter=which)
    names = {task_run.id: task_run.name for task_run in runs}
    edges = {
        (names[given.id], task_run.name)
        for task_run in runs
        for inputs in task_run.task_inputs.values()
        for given in inputs
    }

    assert edges == {("decode", "parse"), ("parse", "prefilter")}


def test_an_output_that_says_nothing_is_an_output(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    def make_nothing() -> Output:
        return Output()

    assert run(lambda: step("validate", version=1)(make_nothing)()).states() == {"validate": "Completed"}


def test_a_long_step_shows_how_far_it_is(
    prefect_server: PrefectServer, rollcall_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.progress.PATIENCE_SECONDS", 0.0)

    def decode_slowly(source: Source) -> Text:
        with progress("bytes", total=4) as advance:
            for done in range(4):
                advance(done)
        return Text(data=source.data, facts=source.facts)

    artifacts = run(lambda: step("decode", version=1)(decode_slowly)(SOURCE)).all_artifacts()

    bars = [(made.key, made.description, made.data) for made in artifacts if made.type == "progress"]
    assert bars == [("02-decode-progress", "bytes", 100.0)]
