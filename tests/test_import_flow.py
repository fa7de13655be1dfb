"""The real import as a flow on a real server: what a second run is spared, and what a person sees of each run."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PrefectServer
from flow_runs import FlowRun
from import_runs import retry_import_flow, run_import_flow, write_profile

from tasks.errors import SourceError
from tasks.settings import Settings
from tasks.store.store import open_store
from tasks.store.views import list_runs
from tests.fault_server import fault_server
from tests.world import SEED

INTAKE = ("fetch", "decode", "parse", "prefilter", "map-variables", "render-structure", "validate")
PLANNING = ("reconcile", "assign-phones")
ENDING = ("apply", "report")
ARTIFACTS = [f"{at:02}-{name}" for at, name in enumerate((*INTAKE, *PLANNING, *ENDING), start=1)]


def import_seed(place: Path, changes: dict[str, str] | None = None) -> FlowRun:
    return run_import_flow(write_profile(place, changes), SEED)


def named(run: FlowRun, state: str) -> set[str]:
    return {name for name, found in run.states().items() if found == state}


def test_every_task_bears_its_name_and_the_second_run_is_served_from_the_cache(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    first, second, third = (import_seed(tmp_path) for _ in range(3))

    assert named(first, "Completed") == {*INTAKE, *PLANNING, *ENDING}
    assert named(second, "Cached") >= set(INTAKE)
    assert named(third, "Cached") == {*INTAKE, *PLANNING}
    assert named(third, "Completed") == set(ENDING)
    assert third.output.outcome.status == "nothing"


def test_a_changed_structure_runs_render_structure_and_what_follows(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    import_seed(tmp_path)

    again = import_seed(tmp_path, {'"{{{job}}}"': '"{{{job}}}!"'})

    assert named(again, "Cached") == set(INTAKE[:5])
    assert named(again, "Completed") == {*INTAKE[5:], *PLANNING, *ENDING}
    assert again.output.plan.summary["update"] == 1


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def delete(path: Path) -> None:
    path.unlink()


def replace_by_a_foreign_one(path: Path) -> None:
    path.write_bytes(b"PAR1 of somebody else")


@pytest.mark.parametrize("harm", [damage, delete, replace_by_a_foreign_one], ids=lambda harm: harm.__name__)
def test_a_result_that_is_not_whole_is_made_again_and_the_run_succeeds(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    import_seed(tmp_path)
    import_seed(tmp_path)
    for path in (rollcall_home / "results").iterdir():
        harm(path)

    healed = import_seed(tmp_path)

    assert named(healed, "Completed") == {*INTAKE, *PLANNING, *ENDING}
    assert healed.output.outcome.status == "nothing"
    assert named(import_seed(tmp_path), "Cached") == {*INTAKE, *PLANNING}


def test_every_step_shows_what_it_made_on_a_cache_hit_too(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    first, second = (import_seed(tmp_path).artifacts() for _ in range(2))

    assert sorted(first) == sorted(second) == sorted([*ARTIFACTS, "11-report-picture"])
    assert json.loads(second["03-parse"].data)[0]["username"] == "mmuster"
    assert json.loads(second["07-validate"].data)[0]["extension"] == "345"


def test_the_plan_is_a_table_with_secrets_masked(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    (change,) = json.loads(import_seed(tmp_path).artifacts()["08-reconcile"].data)

    assert (change["action"], change["login"], change["row"]) == ("create", "mmuster", 2)
    assert "phonebook.notes Sales Director" in change["changes"]
    assert "password •••" in change["changes"]


def test_the_last_artifact_is_a_summary_with_a_picture_of_the_way(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    done = import_seed(tmp_path)

    artifacts = done.artifacts()

    assert "| 1 | new in the phone system |" in artifacts["11-report"].data
    assert f"`rollcall undo {done.output.outcome.run}`" in artifacts["11-report"].data
    kind, _, picture = artifacts["11-report-picture"].data.partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert "assign-phones: 1 create" in base64.b64decode(picture).decode()


def test_the_run_is_named_by_profile_mode_and_file_and_logs_the_counts_of_each_step(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    done = import_seed(tmp_path)
    done.states()
    prefect_server.settle()

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(done.id)
        logs = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[done.id])), limit=200)
    said = [log.message for log in logs if log.name.startswith("rollcall")]
    assert run.name == "import staff (sync) from users.csv"
    assert "prefilter: 1 kept, 11 columns" in said
    assert "report: Done: 1 create, 0 update, 0 remove, 0 unchanged." in said
    assert any(text.startswith("cache: 0 results removed") for text in said)


def test_each_attempt_at_a_url_is_a_retry_that_the_run_shows(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_URL_ALLOW", "127.0.0.1")
    with fault_server() as server:
        profile = write_profile(tmp_path, {"type: upload": f"type: url\nurl: {server.url}/twice/503"})

        run = run_import_flow(profile, None)

    assert run.attempts()["fetch"] == 3 and run.attempts()["decode"] == 1
    assert server.paths() == ["/twice/503"] * 3


def test_a_failed_import_that_is_retried_imports_and_an_ended_one_does_nothing(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    profile, file = write_profile(tmp_path), tmp_path / "staff.csv"
    file.write_text("nobody,nothing\nx,y\n")
    failed = run_import_flow(profile, file)
    assert isinstance(failed.output, SourceError) and history() == [("failed", {})]

    still_failed = retry_import_flow(failed, profile, file)
    assert still_failed.is_failed() and [status for status, _ in history()] == ["failed"]
    file.write_bytes(SEED.read_bytes())
    applied, again = (retry_import_flow(failed, profile, file) for _ in range(2))

    assert (applied.name, applied.message) == ("Applied", "Done: 1 create, 0 update, 0 remove, 0 unchanged.")
    assert again.name == "Applied" and "has ended as applied already" in (again.message or "")
    ((status, summary),) = history()
    assert (status, summary["create"]) == ("applied", 1)


def test_a_run_that_had_nothing_to_do_says_so_again(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path
) -> None:
    import_seed(tmp_path)
    nothing = import_seed(tmp_path)

    assert retry_import_flow(nothing, tmp_path / "staff.yaml", SEED).name == "Nothing to do"


def history() -> list[tuple[str, dict[str, int]]]:
    with open_store(Settings()).open() as connection:
        return [(run["status"], run["summary"]) for run in list_runs(connection)]
