"""The deployments on a real server with a real worker, on PostgreSQL: the phone system is right each time."""

import json
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from canaries import CANARY, PIN, SECRETS
from servers import PostgreSQL
from stack import Stack, people, until
from test_canary import files_with

from tests.fault_server import fault_server

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
DATABASES = ("ROLLCALL_DATABASE_URL", "PREFECT_SERVER_DATABASE_CONNECTION_URL")


def users(stack: Stack, profile: str = "staff") -> list[str]:
    found = json.loads(stack.rollcall("users", "--json").stdout)
    return sorted(user["login"] for user in found if user["profile"] == profile)


@contextmanager
def apply_stopped(postgresql: PostgreSQL, stack: Stack) -> Generator[None]:
    """Apply comes to the middle of its writes and waits there: another session holds a table that it writes late."""
    import adbc_driver_postgresql.dbapi as dbapi

    url = stack.environment["ROLLCALL_DATABASE_URL"].replace("+psycopg", "")
    with dbapi.connect(url, autocommit=False) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE phonebook IN SHARE MODE")
        yield
        connection.rollback()


def apply_waits(postgresql: PostgreSQL, stack: Stack) -> bool:
    name = stack.environment["ROLLCALL_DATABASE_URL"].rpartition("/")[2]
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'phonebook'::regclass AND NOT granted"
    return postgresql.run(waiting, name) != "0"


def test_a_run_started_by_parameters_imports_an_upload_which_is_gone_afterwards(stack: Stack) -> None:
    upload = stack.upload(people(3))
    simulated = stack.ended(stack.run("import-users/simulate", profile="staff", upload=upload, simulate=True))
    assert (simulated["name"], users(stack)) == ("Simulated", [])

    ended = stack.ended(stack.run("import-users/import", profile="staff", upload=upload))

    assert (ended["name"], ended["message"]) == ("Applied", "Done: 3 create, 0 update, 0 remove, 0 unchanged.")
    assert users(stack) == ["u0000", "u0001", "u0002"]
    again = stack.ended(stack.run("import-users/import", profile="staff", upload=upload))
    assert again["type"] == "FAILED" and "Upload the file again" in again["message"]


def test_the_form_offers_the_profiles_and_takes_neither_paths_nor_unknown_ones(stack: Stack) -> None:
    stack.rollcall("new", "branch")
    found = stack.api("GET", "/deployments/name/import-users/import")
    form: dict[str, Any] = found["parameter_openapi_schema"]["definitions"]["ImportRequest"]["properties"]

    assert set(form["profile"]["enum"]) >= {"branch", "staff"}
    assert set(form) == {"profile", "upload", "simulate", "approve"}
    assert all(field["title"] and field["description"] for field in form.values())
    for profile in (str(stack.folder / "profiles" / "staff.yaml"), "nobody"):
        refused = stack.try_run("import-users/import", profile=profile)
        assert refused.status_code == 409, refused.text


def held_run(stack: Stack) -> str:
    """A run that a brake holds: its file is empty."""
    run = stack.run("import-users/import", profile="staff", upload=stack.upload([]))
    ended = stack.ended(run)
    assert ended["name"] == "Held", ended
    return run


def question_of(stack: Stack, run: str) -> str:
    """What the held run asks on its page, in Markdown."""
    which = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": ["12-held"]}}}
    return stack.api("POST", "/artifacts/filter", which)[0]["data"]


def held_checksum(stack: Stack) -> str:
    """Of a held run, as its page shows it."""
    found = re.search(r"Checksum: `([0-9a-f]{32})`", question_of(stack, held_run(stack)))
    assert found is not None
    return found[1]


def test_a_held_plan_is_refused_by_a_blind_click_and_cannot_be_approved_any_more(stack: Stack) -> None:
    before = users(stack)
    checksum = held_checksum(stack)

    assert stack.try_run("answer-held/answer", profile="staff").status_code == 409
    wrong = stack.run("answer-held/answer", profile="staff", checksum="0" * 32, approve=True)
    blind = stack.ended(stack.run("answer-held/answer", profile="staff", checksum=checksum))
    late = stack.run("answer-held/answer", profile="staff", checksum=checksum, approve=True)

    assert (stack.ended(wrong)["type"], blind["name"], stack.ended(late)["type"]) == ("FAILED", "Refused", "FAILED")
    assert users(stack) == before != []


def test_a_held_plan_is_approved_by_its_checksum(stack: Stack) -> None:
    checksum = held_checksum(stack)

    ended = stack.ended(stack.run("answer-held/answer", profile="staff", checksum=checksum, approve=True))

    assert (ended["name"], users(stack)) == ("Applied", [])


@pytest.mark.long
def test_an_administrator_imports_and_approves_in_prefects_pages(stack: Stack) -> None:
    from prefect_pages import browsing, choose, fill, open_form, shoot, submit, switch_on

    with browsing(stack) as page:
        open_form(page, stack, "import-users/import")
        choose(page, "Profile", "staff")
        fill(page, "Upload", stack.upload(people(2, 50)))
        shoot(page, "import-form")
        run = submit(page, stack, "import-users/import")
        assert stack.ended(run)["name"] == "Applied"

        held = held_run(stack)
        page.goto(f"{stack.url}/runs/flow-run/{held}")
        page.get_by_text("The source is empty").first.wait_for()
        shoot(page, "held-run")
        page.get_by_text("Artifacts", exact=True).click()
        page.get_by_text("12-held").first.click()
        page.get_by_role("link", name="Answer").wait_for()
        shoot(page, "held-question")
        with page.context.expect_page() as opened:
            page.get_by_role("link", name="Answer").click()
        page = opened.value
        page.get_by_role("button", name="Submit").wait_for()
        switch_on(page, "Approve")
        shoot(page, "answer-form")
        answer = submit(page, stack, "answer-held/answer")
        assert stack.ended(answer)["name"] == "Applied"
        page.goto(f"{stack.url}/runs/flow-run/{answer}")
        page.get_by_text("Applied").first.wait_for()
        shoot(page, "answer-run")

    assert users(stack) == []


def test_a_cancelled_apply_rolls_back(stack: Stack, postgresql: PostgreSQL) -> None:
    before = users(stack)
    with apply_stopped(postgresql, stack):
        secret_rows = [f"{row},{CANARY}-{at},{PIN}" for at, row in enumerate(people(5, 100))]
        upload = stack.upload(secret_rows, header="username,displayname,phone,password,pin")
        (stack.folder / "users.csv").unlink()
        run = stack.run("import-users/import", profile="staff", upload=upload)
        until(lambda: apply_waits(postgresql, stack), "apply in the middle of its writes")
        stack.api("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
        ended = stack.ended(run)

    assert ended["type"] == "CANCELLED"
    assert users(stack) == before
    told = b"".join(postgresql.dump(stack.environment[name]) for name in DATABASES)
    assert run.encode() in told, "the run was not recorded, so nothing was searched"
    for secret in map(str.encode, SECRETS):
        leaks = [form for form in (secret, secret.hex().encode()) if form in told]
        assert (leaks, files_with([stack.folder], secret)) == ([], [])


def test_a_run_whose_worker_is_killed_in_apply_is_finished_by_another_worker(
    stack: Stack, postgresql: PostgreSQL
) -> None:
    before = users(stack)
    with apply_stopped(postgresql, stack):
        run = stack.run("import-users/import", profile="staff", upload=stack.upload(people(7, 200)))
        until(lambda: apply_waits(postgresql, stack), "apply in the middle of its writes")
        stack.kill_worker()
    until(lambda: not apply_waits(postgresql, stack), "the end of the killed session")
    assert users(stack) == before

    ended = stack.ended(run)

    assert ended["name"] == "Applied", ended
    assert users(stack) == [f"u{n:04}" for n in range(200, 207)]


@pytest.mark.parametrize("count", [6, pytest.param(20, marks=pytest.mark.long)])
def test_two_workers_import_many_profiles_at_once_over_the_same_extensions(stack: Stack, count: int) -> None:
    names = [f"crowd{count}-{number}" for number in range(count)]
    for name in names:
        stack.profile(name)
    stack.rollcall("new", f"crowd{count}-refreshes-the-forms")
    uploads = {name: stack.upload([f"{name}-{n},Person {n}," for n in range(10)]) for name in names}
    limit = stack.api("GET", "/work_pools/rollcall")["concurrency_limit"]
    stack.api("PATCH", "/work_pools/rollcall", {"concurrency_limit": 6})
    stack.start_worker()
    until(lambda: stack.online() >= 2, "a second worker")

    runs = [stack.run("import-users/import", profile=name, upload=upload) for name, upload in uploads.items()]
    ends = [stack.ended(run, 40 * count) for run in runs]

    stack.stop_workers()
    stack.api("PATCH", "/work_pools/rollcall", {"concurrency_limit": limit})
    assert [end["name"] for end in ends] == ["Applied"] * len(names), ends
    found = json.loads(stack.rollcall("users", "--json").stdout)
    crowd = [user for user in found if user["profile"] in names]
    assert {user["login"] for user in crowd} == {f"{name}-{n}" for name in names for n in range(10)}
    assert len({user["extension"] for user in found}) == len(found)


def test_a_schedule_fires_and_is_gone_with_its_profile(stack: Stack) -> None:
    stack.profile("nightly")
    refused = stack.rollcall("automate", "nightly", "--cron", "* * * * *")
    assert refused.returncode == 2 and "only recommended for the type Fetch from URL" in refused.stderr
    with fault_server() as server:
        stack.profile("nightly", type="url", url=f"{server.url}/good/users.csv")
        made = stack.rollcall("automate", "nightly", "--cron", "* * * * *", "--timezone", "Europe/Berlin")
        assert made.returncode == 0 and made.stdout.count(":") > 5, made.stderr
        run = fired(stack, "nightly")
    assert run["auto_scheduled"] and run["state"]["name"] == "Applied", run["state"]
    assert users(stack, "nightly") == ["mmuster"]

    seldom = stack.rollcall("automate", "nightly", "--cron", "0 3 1 1 *")
    assert seldom.returncode == 0 and "were removed" not in seldom.stderr, seldom.stderr
    # A run of the next minute that was taken up already would find the profile gone, and end the schedule itself.
    until(lambda: not runs_of(stack, "nightly", "PENDING", "RUNNING"), "the end of what was begun")
    (stack.folder / "profiles" / "nightly.yaml").unlink()
    stack.rollcall("new", f"another-{time.monotonic_ns()}")
    assert own_deployment(stack, "nightly").json()["schedules"]
    stopped = stack.rollcall("automate", "profiles/staff.yaml", "--off")
    assert "The schedules of nightly were removed" in stopped.stderr

    def gone() -> bool:
        """A deployment whose run goes on loses its schedules only, and goes itself the next time."""
        stack.rollcall("automate", "staff", "--off")
        return own_deployment(stack, "nightly").status_code == 404

    until(gone, "the end of nightly's deployment")


def fired(stack: Stack, profile: str) -> dict[str, Any]:
    """The first run that a profile's schedule started, once it has ended."""
    assert own_deployment(stack, profile).json()["global_concurrency_limit"]["limit"] == 1
    return until(lambda: runs_of(stack, profile, "COMPLETED", "FAILED", "CRASHED"), "the schedule")[0]


def runs_of(stack: Stack, profile: str, *states: str) -> list[dict[str, Any]]:
    """The runs of a profile's own deployment that are in these states."""
    deployment = own_deployment(stack, profile).json()["id"]
    which = {"deployments": {"id": {"any_": [deployment]}}, "flow_runs": {"state": {"type": {"any_": list(states)}}}}
    return stack.api("POST", "/flow_runs/filter", which)


def test_a_profile_elsewhere_is_not_automated_and_a_folder_elsewhere_removes_nothing_in_silence(stack: Stack) -> None:
    elsewhere = stack.folder / "other-folder"
    elsewhere.mkdir()
    file = elsewhere / "away.yaml"
    file.write_text((stack.folder / "profiles" / "staff.yaml").read_text())
    refused = stack.rollcall("automate", str(file), "--cron", "0 3 * * *", "--force")
    assert refused.returncode == 2 and "there a run by schedule looks for its profile" in refused.stderr
    assert own_deployment(stack, "away").status_code == 404

    inside = str(stack.folder / "profiles" / "staff.yaml")
    assert stack.rollcall("automate", inside, "--cron", "0 3 * * *", "--force").returncode == 0
    there = replace(stack, environment={**stack.environment, "ROLLCALL_PROFILES": str(elsewhere)})
    assert there.rollcall("new", "of-the-other-folder").returncode == 0
    assert own_deployment(stack, "staff").status_code == 200
    told = stack.rollcall("automate", inside, "--off")
    assert told.stdout == "staff no longer imports by itself.\n" and "were removed" not in told.stderr
    assert own_deployment(stack, "staff").status_code == 404


def own_deployment(stack: Stack, profile: str) -> httpx.Response:
    return stack.ask("GET", f"/deployments/name/import-users/profile-{profile}")


def test_a_scheduled_profile_that_is_gone_says_so_once_and_ends_its_schedule(stack: Stack) -> None:
    for name in ("leaving", "lost"):
        stack.profile(name)
        assert stack.rollcall("automate", name, "--cron", "0 3 * * *", "--force").returncode == 0
    (stack.folder / "profiles" / "leaving.yaml").unlink()

    ended = stack.ended(stack.run("import-users/profile-leaving", profile="leaving"))
    assert ended["type"] == "FAILED" and "Profile leaving is gone; its schedule was removed." in ended["message"]
    assert own_deployment(stack, "leaving").json()["schedules"] == []
    stack.rollcall("automate", "staff", "--off")
    assert own_deployment(stack, "leaving").status_code == 404

    (stack.folder / "profiles").rename(stack.folder / "elsewhere")
    (stack.folder / "profiles").mkdir()
    ended = stack.ended(stack.run("import-users/profile-lost", profile="lost"))
    (stack.folder / "profiles").rmdir()
    (stack.folder / "elsewhere").rename(stack.folder / "profiles")
    assert ended["type"] == "FAILED" and "is it mounted? The schedule stays" in ended["message"]
    assert len(own_deployment(stack, "lost").json()["schedules"]) == 1
    assert stack.rollcall("automate", "lost", "--off").returncode == 0
