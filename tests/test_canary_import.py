"""No secret anywhere: imports that succeed, reject, crash and are cancelled, and every byte that they leave behind."""

import base64
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from canaries import CANARY, PROFILE_CHANGES, SECRETS, STEPS, crashing, write_csv
from conftest import PrefectServer
from import_runs import run_import_flow, write_profile
from test_canary import assert_clean, files_with

from tasks.settings import Settings
from tasks.store.store import open_store
from tasks.store.tables import devices
from tests.fault_server import fault_server
from tests.servers import PostgreSQL, free_port, wait_until


def test_no_secret_is_left_by_an_import(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run_import_flow(write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path))

    assert done.output.outcome.status == "applied"
    assert done.output.plan.summary["create"] == 1 and done.output.plan.phones.height == 1
    assert_clean(prefect_server, rollcall_home, capfd)


def test_no_secret_is_left_by_rejected_rows(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    done = run_import_flow(write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path, with_bad_rows=True))

    assert done.output.plan.summary["rejected"] == 2
    assert_clean(prefect_server, rollcall_home, capfd)


def test_no_secret_is_left_by_a_file_without_a_header(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    failed = run_import_flow(write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path, with_header=False))

    assert failed.output.code == "login-column-missing"
    print(failed.output.message)
    assert_clean(prefect_server, rollcall_home, capfd)


def test_no_credential_of_a_source_and_no_sip_secret_is_left_by_an_import(
    prefect_server: PrefectServer,
    rollcall_home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"URL_ALLOW": "127.0.0.1", "TEST_USER": "hr", "TEST_PASSWORD": f"{CANARY}:ü"}.items():
        monkeypatch.setenv(f"ROLLCALL_{name}", value)
    basic = base64.b64encode(f"hr:{CANARY}:ü".encode()).decode()
    with fault_server() as server:
        url = f"{server.url}/basic\nfetch: {{auth: basic, user: ROLLCALL_TEST_USER, password: ROLLCALL_TEST_PASSWORD}}"
        fetching = {"type: upload": f"type: url\nurl: {url}", 'return $row["phonemac"];': 'return "000413a3016f";'}
        done = run_import_flow(write_profile(tmp_path, fetching), None)

    assert done.output.outcome.status == "applied" and server.seen[-1][1]["authorization"] == f"Basic {basic}"
    secrets = _sip_secrets()
    assert len(secrets) == 1 and len(secrets[0]) > 10
    assert_clean(prefect_server, rollcall_home, capfd)
    for secret in (basic, *secrets):
        assert files_with([prefect_server.home, rollcall_home], secret.encode()) == []


def _sip_secrets() -> list[str]:
    store = open_store(Settings())
    with store.open() as connection:
        stored = connection.read(sa.select(devices.c.sip_user, devices.c.sip_secret))
    return store.keyring.open_series(
        stored["sip_secret"], stored["sip_user"], table="devices", column="sip_secret"
    ).to_list()


@pytest.mark.parametrize("name", STEPS)
def test_no_secret_is_left_by_a_crash(
    prefect_server: PrefectServer,
    rollcall_home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(STEPS[name], "function", crashing(STEPS[name].function))

    failed = run_import_flow(write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path))

    assert failed.states()[name] == "Failed"
    assert "details withheld" in str(failed.output)
    assert_clean(prefect_server, rollcall_home, capfd)


def test_no_secret_is_left_by_a_cancelled_run(
    prefect_server: PrefectServer,
    rollcall_home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = STEPS["validate"]
    monkeypatch.setattr(step, "function", crashing(step.function, KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt) as raised:
        run_import_flow(write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path))

    assert raised.value.args == ()
    assert_clean(prefect_server, rollcall_home, capfd)


LOCK = """
import sqlite3, sys
phone_system = sqlite3.connect(sys.argv[1], isolation_level=None)
phone_system.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_no_secret_is_left_by_a_run_that_is_terminated_in_apply(
    prefect_server: PrefectServer, rollcall_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile, file = write_profile(tmp_path, PROFILE_CHANGES), write_csv(tmp_path)
    command = [sys.executable, "-c", "from deployments.cli import main; main()"]
    where: dict[str, Any] = {"env": os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}, "text": True}
    subprocess.run([*command, "users"], check=True, capture_output=True, **where)
    lock = [sys.executable, "-c", LOCK, rollcall_home / "phonesystem.db"]
    with subprocess.Popen(lock, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with subprocess.Popen([*command, "import", profile, file], stderr=subprocess.PIPE, **where) as importing:
            _wait_for_apply(importing)
            importing.terminate()
            holder.communicate()
            said = importing.communicate(timeout=60)[1]

    assert importing.returncode != 0
    assert "Traceback" not in said
    users = subprocess.run([*command, "users", "--json"], check=True, capture_output=True, **where)
    assert users.stdout.strip() == "[]"
    print(said)
    assert_clean(prefect_server, rollcall_home, capfd)


def _wait_for_apply(importing: "subprocess.Popen[str]") -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterName, TaskRunFilterState
    from prefect.client.schemas.filters import TaskRunFilterStateName as StateName

    running = TaskRunFilterState(name=StateName(any_=["Running"]))
    with get_client(sync_client=True) as client:
        for _ in range(600):
            assert importing.poll() is None, "the import ended before apply began"
            apply = TaskRunFilter(name=TaskRunFilterName(any_=["apply"]), state=running)
            if client.read_task_runs(task_run_filter=apply):
                return
            time.sleep(0.1)
    raise TimeoutError("apply did not begin within a minute")


PROGRAM = """
import sys
from pathlib import Path
from tasks.prefect_settings import prepare_prefect
prepare_prefect()
from canaries import PROFILE_CHANGES, STEPS, crashing, write_csv
from import_runs import run_import_flow, write_profile
from tasks.cache import clear_cache
from tasks.settings import Settings
folder = Path(sys.argv[1])
profile = write_profile(folder, PROFILE_CHANGES)
print(run_import_flow(profile, write_csv(folder, with_bad_rows=True)).output.headline)
for name, step in STEPS.items():
    whole, step.function = step.function, crashing(step.function)
    step._tasks.clear()
    clear_cache(Settings())
    print(name, run_import_flow(profile, write_csv(folder)).output)
    step.function = whole
    step._tasks.clear()
"""


@pytest.fixture
def server_on_postgresql(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a Prefect server that keeps everything in PostgreSQL, and the name of its database."""
    database = postgresql.new_database()
    port, home = free_port(), tmp_path / "prefect"
    home.mkdir()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("+psycopg", "+asyncpg"),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log_file = tmp_path / "server.log"
    with log_file.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, env=environment) as server:
        try:
            wait_until(lambda: _is_healthy(port), server, log_file, seconds=120)
            yield f"http://127.0.0.1:{port}/api", database.rpartition("/")[2]
        finally:
            server.terminate()


def test_no_secret_reaches_prefects_database_on_postgresql(
    server_on_postgresql: tuple[str, str], postgresql: PostgreSQL, rollcall_home: Path, tmp_path: Path
) -> None:
    api_url, database = server_on_postgresql
    (tmp_path / "program.py").write_text(PROGRAM)
    tests = Path(__file__).parent
    environment = os.environ | {"PREFECT_API_URL": api_url, "PYTHONPATH": f"{tests.parent}:{tests}"}

    said = subprocess.run(
        [sys.executable, tmp_path / "program.py", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    dump = ""
    for _ in range(60):
        before, dump = dump, postgresql.dump(database).decode()
        if dump == before and "assign-phones" in dump:
            break
        time.sleep(1)
    assert dump.count("details withheld") >= len(STEPS), "the crashes were not recorded, so nothing was searched"
    assert [secret for secret in SECRETS if secret in dump + said.stdout + said.stderr] == []


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health", timeout=5):
            return True
    except OSError:
        return False
