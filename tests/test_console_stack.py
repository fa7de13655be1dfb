"""The console of `rollcall up`: a worker runs what it is asked for, and Prefect's scheduler what it automates."""

import re
from collections.abc import Generator
from typing import Any

import httpx
import pytest
from servers import PostgreSQL
from stack import Stack, until

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::ResourceWarning")]
PEOPLE = "username,displayname,phone\n" + "".join(f"u{at},Person {at},{2000 + at}\n" for at in range(30))


class Console(httpx.Client):
    """A person at the console that `rollcall up` started."""

    def asks(self, path: str, files: Any = None, **fields: str) -> httpx.Response:
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get("/profiles").text)
        assert token is not None
        return self.post(path, data={"csrf": token[1], **fields}, files=files)

    def simulated(self, text: str) -> str:
        """Uploads a file; gives the address of its plan."""
        plan = self.asks("/profiles/staff/simulate", files={"file": ("users.csv", text.encode())}).url.path
        until(lambda: 'class="figures"' in self.get(plan).text, "the plan")
        return plan

    def ended(self, path: str) -> str:
        """Waits for what a job became; gives the address of its run."""

        def is_over() -> bool:
            page = self.get(path)
            assert 'role="alert"' not in page.text, page.text[page.text.index('role="alert"') :][:600]
            return page.url.path.startswith("/runs/")

        until(is_over, "the run")
        return self.get(path).url.path


@pytest.fixture(scope="module")
def console(stack: Stack) -> Generator[Console]:
    found = re.search(r"console +(http://\S+?)/\n", (stack.folder / "up.log").read_text())
    assert found is not None
    with Console(base_url=found[1], follow_redirects=True, timeout=60) as person:

        def answers() -> bool:
            try:
                return person.get("/login").status_code == 200
            except httpx.TransportError:
                return False

        until(answers, "the console")
        yield person


def test_a_worker_imports_the_plan_that_was_seen_and_the_upload_is_gone(
    console: Console, stack: Stack, postgresql: PostgreSQL
) -> None:
    plan = console.simulated(PEOPLE)
    run = console.ended(console.asks(f"{plan}/import").url.path)

    page = console.get(run).text
    link = console.get(f"{run}/prefect", follow_redirects=False).headers["location"]
    flow_run = stack.api("GET", f"/flow_runs/{link.rpartition('/')[2]}")
    assert "<b>30</b>" in page and "Person 29" in page
    assert flow_run["deployment_id"] and flow_run["state"]["name"] == "Applied"
    name = stack.environment["ROLLCALL_DATABASE_URL"].rpartition("/")[2]
    assert postgresql.run("SELECT count(*) FROM uploads", name) == "0"


def test_a_held_run_is_answered_on_its_page_and_a_blind_click_refuses(console: Console, stack: Stack) -> None:
    rows = PEOPLE.splitlines()[1:5]

    def held() -> str:
        ended = stack.ended(stack.run("import-users/import", profile="staff", upload=stack.upload(rows)))
        assert ended["name"] == "Held"
        return re.findall(r'href="(/runs/[0-9a-f-]+)"', console.get("/runs").text)[0]

    first = held()
    checksum = re.findall(r'name="checksum" value="([0-9a-f]{32})"', console.get(first).text)[0]
    assert console.asks(f"{first}/answer", answer="approve", checksum="0" * 32).status_code == 409
    refused = console.asks(f"{first}/answer", checksum=checksum)
    assert refused.status_code == 200 and "Refused" in refused.text
    assert console.asks(f"{first}/answer", answer="approve", checksum=checksum).status_code == 409

    second = held()
    run = console.ended(console.asks(f"{second}/answer", answer="approve", checksum=checksum).url.path)
    assert re.search(r'figure remove"><b>26<', console.get(run).text)


def test_a_schedule_is_made_shown_changed_and_switched_off(console: Console, stack: Stack) -> None:
    asked = console.asks("/profiles/staff/automate", preset="0 12 * * *", timezone="Europe/Berlin")
    assert asked.status_code == 422 and "only recommended for the type" in asked.text
    bad = console.asks("/profiles/staff/automate", preset="other", cron="0 0 30 2 *", timezone="UTC", force="on")
    assert bad.status_code == 422 and "never comes" in bad.text

    made = console.asks("/profiles/staff/automate", preset="0 12 * * *", timezone="Europe/Berlin", force="on")
    assert made.status_code == 200 and "Imports by itself" in made.text and made.text.count("12:00 <span") == 5
    assert "every day at noon" in console.get("/profiles").text
    found = stack.api("GET", "/deployments/name/import-users/profile-staff")
    assert found["schedules"][0]["schedule"]["cron"] == "0 12 * * *"

    plan = console.simulated(PEOPLE)
    run = console.ended(console.asks(f"{plan}/import").url.path)
    link = console.get(f"{run}/prefect", follow_redirects=False).headers["location"]
    assert stack.api("GET", f"/flow_runs/{link.rpartition('/')[2]}")["deployment_id"] == found["id"]

    off = console.asks("/profiles/staff/automate/off")
    assert off.status_code == 200 and "Imports by itself" not in off.text
    assert stack.ask("GET", "/deployments/name/import-users/profile-staff").status_code == 404


def test_an_undo_is_a_run_of_its_deployment_and_failed_rows_come_from_the_run(console: Console, stack: Stack) -> None:
    plan = console.simulated(PEOPLE + "new,New,2999\nx1,X,012\n")
    run = console.ended(console.asks(f"{plan}/import").url.path)
    failed = console.get(f"{run}/failed.csv")
    assert "x1,X,012" in failed.text and "Failed rows" in console.get(run).text
    audit = (stack.home / "audit.log").read_text()
    assert '"failed-rows"' in audit and '"automate"' in audit and '"approve"' in audit

    undo = console.asks(f"{run}/undo").url.path
    until(lambda: "approve" in console.get(undo).text, "the plan of the undo")
    found = re.findall(r'name="approve" value="([0-9a-f]{32})"', console.get(undo).text)
    undone = console.ended(console.asks(f"{undo}/undo", approve=found[0]).url.path)

    link = console.get(f"{undone}/prefect", follow_redirects=False).headers["location"]
    assert stack.api("GET", f"/flow_runs/{link.rpartition('/')[2]}")["deployment_id"]
