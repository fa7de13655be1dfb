"""What the console says of a plan that was imported, of one whose file is gone, and of work that stopped."""

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployments.console.access import Role
from deployments.console.app import create_app
from deployments.console.jobs import Job
from deployments.console.outcome import stopped
from deployments.imports import request_for
from flows.order import as_function, run_import
from flows.request import open_job
from tasks.run import ending_of_run_id, new_run_id
from tasks.settings import Settings
from tasks.store.runs import find_run_ending
from tasks.store.store import open_store
from tasks.uploads import forget_upload
from tests.browsing import Browser, browsers, client, local, place, send, simulate
from tests.world import people

__all__ = ["browsers", "client", "place"]

FILE = b"username,displayname\nmmuster,Max Muster\n"


def plan_of(client: Browser) -> Job:
    found = client.app.state.site.jobs.read(simulate(client, FILE).url.path.rpartition("/")[2])
    assert found is not None
    return found


def imported(place: Path) -> str:
    file = place / "users.csv"
    file.write_text(people("a,A"), "utf-8")
    report = run_import(open_job(request_for("staff", file, Settings()), Settings()), as_function)
    assert report.outcome is not None
    return report.outcome.run


def ended(client: Browser, plan: Job, **facts: object) -> Job:
    """An import of the plan that ended without this test waiting for Prefect."""
    jobs = client.app.state.site.jobs
    made = jobs.new("import", "staff", "ada", **plan.source, of=plan.id)
    return jobs.write(replace(made, finished=time.time(), **facts))


def test_a_plan_whose_file_is_gone_was_not_imported_for_that(client: Browser) -> None:
    plan = plan_of(client)
    assert "Import now" in client.get(f"/plans/{plan.id}").text
    forget_upload(client.app.state.site.store, plan.upload)

    page = client.get(f"/plans/{plan.id}").text

    assert "not kept any more. Upload it again." in page and "was imported" not in page and "Import now" not in page
    assert send(client, f"/plans/{plan.id}/import").status_code == 409
    assert 'class="status planned"' in client.get("/profiles").text


@pytest.mark.parametrize("outcome", ["applied", "nothing"])
def test_a_plan_that_was_imported_says_so_and_leads_to_its_run(client: Browser, place: Path, outcome: str) -> None:
    plan, run = plan_of(client), imported(place)
    ended(client, plan, status="done", outcome=outcome, run=run)

    page, listed = client.get(f"/plans/{plan.id}").text, client.get("/profiles").text

    assert "This plan was imported." in page and f'href="/runs/{run}"' in page and "Import now" not in page
    assert 'class="status planned"' not in listed and f'class="status {outcome}"' in listed
    assert send(client, f"/plans/{plan.id}/import").status_code == 409


def test_a_plan_is_not_imported_twice_at_once(client: Browser) -> None:
    plan, site = plan_of(client), client.app.state.site
    site.desk.hand_over = lambda job: None

    first, second = send(client, f"/plans/{plan.id}/import"), send(client, f"/plans/{plan.id}/import")

    assert first.url == second.url and "is at work" in client.get(f"/plans/{plan.id}").text
    assert [job.kind for job in site.jobs.all()] == ["import", "simulate"]


def test_an_undo_that_is_done_is_not_offered_again(client: Browser, place: Path) -> None:
    run, jobs = imported(place), client.app.state.site.jobs
    plan = send(client, f"/runs/{run}/undo")
    assert plan.status_code == 200 and "Take back now" in plan.text
    made = jobs.new("undo", "staff", "ada", of=plan.url.path.rpartition("/")[2], undoes=run)
    jobs.write(replace(made, status="done", outcome="applied", run=run))

    page = client.get(plan.url.path).text

    assert "This run was taken back." in page and "Take back now" not in page
    checksum = client.app.state.site.plans.of(plan.url.path.rpartition("/")[2]).head["checksum"]
    assert send(client, f"{plan.url.path}/undo", approve=checksum).status_code == 409


def test_an_import_that_failed_may_be_tried_again(client: Browser) -> None:
    plan = plan_of(client)
    ended(client, plan, status="failed", error=("database-busy", "The database was locked."))

    assert "Import now" in client.get(f"/plans/{plan.id}").text


def test_after_24_hours_a_plan_is_gone_even_if_nobody_worked(client: Browser, place: Path) -> None:
    plan, site = plan_of(client), client.app.state.site
    day_old = replace(plan, created=time.time() - 24 * 3600)
    site.jobs.write(day_old)
    assert client.get(f"/plans/{plan.id}").status_code == 404 and "users.csv" not in client.get("/profiles").text

    site.jobs.sweep(time.time() + 24 * 3600)

    assert list((place / "home" / "console" / "jobs").iterdir()) == []


def test_the_console_tidies_up_while_nobody_works(place: Path) -> None:
    app = create_app(Settings(), local(Role.ADMIN))
    app.state.site.desk.warm = lambda: None
    old = place / "home" / "console" / "jobs" / "20200101-000000-00000000"
    old.mkdir(parents=True)
    (old / "failed").write_bytes(b"sealed")

    async def serve() -> None:
        async with app.router.lifespan_context(app), asyncio.timeout(30):
            while old.exists():
                await asyncio.sleep(0.05)

    asyncio.run(serve())


def test_work_that_stopped_says_what_is_known_of_it_and_no_more(client: Browser, place: Path) -> None:
    plan, store = plan_of(client), client.app.state.site.store
    died = ended(client, plan, status="failed", error=("worker-died", "It ended."), steps=[("apply", time.time())])
    stale = ended(client, plan, status="failed", error=("plan-stale", "It is stale."), steps=[("fetch", time.time())])
    at_work = ended(client, plan, status="failed", error=("run-failed", "Crashed."))
    late = ended(client, plan, status="failed", error=("database-gone", "Gone."), steps=[("apply", time.time())])

    assert [stopped(job, store).wrote_nothing for job in (plan, died, stale, at_work, late)] == [
        *(True, False, True, False, False)
    ]
    page = client.get(f"/plans/{died.id}").text
    assert "nothing was written" not in page and 'href="/runs?search=staff"' in page
    assert "Stopped; nothing was written" in client.get(f"/plans/{stale.id}").text


def test_work_that_stopped_after_the_commit_leads_to_its_run(client: Browser, place: Path) -> None:
    plan, run = plan_of(client), imported(place)
    died = ended(client, plan, status="failed", error=("worker-died", "It ended."), run=run)

    page = client.get(f"/plans/{died.id}").text

    assert f'href="/runs/{run}"' in page and "nothing was written" not in page


def test_a_run_is_found_by_the_flow_run_that_made_it(place: Path) -> None:
    run = imported(place)
    with open_store(Settings()).open() as connection:
        found = find_run_ending(connection, "-" + run.rpartition("-")[2])
        assert found is not None and found["id"] == run
        assert find_run_ending(connection, "-00000000") is None
    assert new_run_id(datetime.now(UTC), "identity").endswith(ending_of_run_id("identity"))


MAKES = """
import sys, time
from dataclasses import replace
from deployments.console.jobs import Jobs
from tasks.settings import Settings
from tasks.store.store import open_store

settings = Settings()
jobs = Jobs(settings.home / "console" / "jobs", open_store(settings).keyring)
job = jobs.new(sys.argv[1], "staff", "ada")
jobs.write(replace(job, status=sys.argv[2], steps=[(name, time.time()) for name in sys.argv[3:]]))
print(job.id, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (["simulate", "waiting"], "Stopped; nothing was written"),
        (["simulate", "running", "fetch"], "Stopped; nothing was written"),
        (["import", "waiting"], "Stopped; nothing was written"),
        (["import", "running", "fetch", "apply"], "How far it came is not known here."),
    ],
)
def test_work_of_a_console_that_died_is_told_at_once(client: Browser, job: list[str], told: str) -> None:
    command = [sys.executable, "-c", MAKES, *job]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as console:
        assert console.stdout is not None
        made = console.stdout.readline().strip()
        assert f'href="/plans/{made}"' in client.get("/under-way").text
        assert 'role="alert"' not in client.get(f"/plans/{made}").text
        console.kill()

    page, listed = client.get(f"/plans/{made}").text, client.get("/under-way").text
    german = client.get(f"/plans/{made}", headers={"accept-language": "de"}).text

    assert told in page and "The console ended" in page and "Simulate again" in page and "Die Konsole endete" in german
    assert made not in listed and client.app.state.site.jobs.read(made).over
    assert client.get(f"/plans/{made}/progress").headers["hx-redirect"] == f"/plans/{made}"


def test_what_a_job_keeps_is_for_its_owner_only(client: Browser, place: Path) -> None:
    simulate(client, b"username,displayname,phone\nmmuster,Max Muster,012\n")

    kept = {path.name: path.stat().st_mode & 0o777 for path in (place / "home" / "console" / "jobs").glob("*/*")}

    assert kept == dict.fromkeys(("job.json", "lease", "plan", "failed"), 0o600)
