"""`rollcall up` on PostgreSQL: it starts, says what it needs, ends clean, comes back, and lets no stranger in."""

import signal
import socket
import subprocess
import sys
from dataclasses import replace

import httpx
import pytest
from stack import Stack, people, until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def test_up_ends_clean_and_comes_back_with_all_it_had(stack: Stack) -> None:
    stack.ended(stack.run("import-users/import", profile="staff", upload=stack.upload(people(3))))
    stack.rollcall("automate", "staff", "--cron", "0 12 * * *", "--force")
    history = stack.rollcall("runs", "--json").stdout

    twice = stack.rollcall("up")
    code = stack.stop()
    left = stack.processes()
    stack.start()

    assert twice.returncode == 2 and f"runs already from {stack.home}, at {stack.url}." in twice.stderr
    assert (code, left) == (0, [])
    schedules = stack.api("GET", "/deployments/name/import-users/profile-staff")["schedules"]
    assert [entry["schedule"]["cron"] for entry in schedules] == ["0 12 * * *"]
    assert stack.rollcall("runs", "--json").stdout == history and "applied" in history
    assert stack.api("POST", "/flow_runs/count", {}) > 0


def test_nothing_outlives_a_terminal_that_is_closed_or_an_up_that_is_killed(stack: Stack) -> None:
    inherited = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under `nohup` it is ignored, and so it should be
    try:
        stack.stop()
        stack.start()
        assert (stack.stop(signal.SIGHUP), stack.processes()) == (0, [])
        stack.start()
    finally:
        signal.signal(signal.SIGHUP, inherited)

    assert stack.stop(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: not stack.processes(), "the end of what a killed `rollcall up` had started")
    stack.start()


def test_doctor_finds_all_well(stack: Stack) -> None:
    done = stack.rollcall("doctor")

    assert done.returncode == 0, done.stdout
    assert [line.split()[1] for line in done.stdout.splitlines()] == [
        *("versions", "database", "history", "key", "storage", "profiles", "server", "workers", "clocks")
    ]


def test_a_worker_says_whether_it_is_online_whatever_the_profiles_are_like(stack: Stack) -> None:
    broken = stack.folder / "profiles" / "broken.yaml"
    broken.write_text("title: [")
    online = stack.rollcall("worker", "--check")
    broken.unlink()
    elsewhere = "import socket; socket.gethostname = lambda: 'elsewhere'; from deployments.cli import main; main()"
    offline = subprocess.run(
        [sys.executable, "-c", elsewhere, "worker", "--check"], env=stack.environment, capture_output=True, check=False
    )

    assert online.returncode == 0 and online.stdout.startswith(f"{socket.gethostname()}-"), online.stderr
    assert offline.returncode == 2 and b"No worker of this machine is online" in offline.stderr


def test_a_proxy_is_not_asked_for_the_server_on_this_machine(stack: Stack) -> None:
    proxied = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": "example.org"}
    behind = replace(stack, environment={**stack.environment, **proxied})

    done = behind.rollcall("worker", "--check")

    assert done.returncode == 0, done.stderr


def test_a_page_of_another_origin_cannot_read_the_api_and_nobody_without_the_password(stack: Stack) -> None:
    foreign = {"Origin": "http://evil.example"}
    preflight = foreign | {"Access-Control-Request-Method": "POST"}
    asked = httpx.options(f"{stack.url}/api/flow_runs/filter", headers=preflight)
    read = httpx.get(f"{stack.url}/api/admin/version", headers=foreign, auth=stack.auth)
    anonymous = httpx.get(f"{stack.url}/api/admin/version")
    forged = httpx.post(f"{stack.url}/api/flow_runs/filter", json={}, auth=stack.auth)

    assert all("access-control-allow-origin" not in answer.headers for answer in (asked, read))
    assert (anonymous.status_code, forged.status_code) == (401, 403)


def test_a_wrong_password_of_the_server_is_told_and_the_new_profile_stays(stack: Stack) -> None:
    where = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_API_AUTH_STRING": "rollcall:wrong"}
    stranger = replace(stack, environment={**stack.environment, **where})

    new = stranger.rollcall("new", "by-a-stranger")
    automated = stranger.rollcall("automate", "staff", "--cron", "0 3 * * *", "--force")
    doctor = stranger.rollcall("doctor")

    hint = "does not let this installation in (401): set PREFECT_API_AUTH_STRING"
    assert (new.returncode, automated.returncode, doctor.returncode) == (0, 2, 2)
    assert all(hint in said for said in (new.stderr, automated.stderr, doctor.stdout))
    assert (stack.folder / "profiles" / "by-a-stranger.yaml").is_file() and "Traceback" not in new.stderr
