"""The pages of runs and phones over HTTP: who may answer, what is downloaded, what is left over."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from deployments.console.access import Role
from deployments.imports import request_for
from flows.order import as_function, run_import
from flows.request import open_job
from tasks.settings import Settings
from tasks.store.runs import find_run
from tasks.store.seen import Sighting, note_seen
from tasks.store.store import open_store
from tasks.store.tables import contact_records, phonebook
from tests.browsing import Browser, browsers, client, local, place, send
from tests.world import people

__all__ = ["browsers", "client", "place"]


def imported(place: Path, text: str) -> str:
    """Imports a file as the command line does, without Prefect; gives the run's id."""
    file = place / "users.csv"
    file.write_text(text, "utf-8")
    report = run_import(open_job(request_for("staff", file, Settings()), Settings()), as_function)
    assert report.outcome is not None
    return report.outcome.run


def held(place: Path) -> tuple[str, str]:
    """A run that a brake holds, and its checksum."""
    imported(place, people(*(f"p{at},P {at}" for at in range(30))))
    run = imported(place, people("p1,P 1"))
    with open_store(Settings()).open() as connection:
        found = find_run(connection, run)
    assert found is not None and found["status"] == "held"
    return run, found["checksum"]


def audited() -> list[str]:
    lines = (Settings().home / "audit.log").read_text().splitlines()
    return [json.loads(line)["action"] for line in lines]


def test_failed_rows_of_a_run_are_for_operators_and_each_download_is_noted(
    browsers: Callable[..., Browser], place: Path
) -> None:
    run = imported(place, "username,displayname,phone\na,A,345\nb,B,012\n")
    viewer, operator = browsers(local(Role.VIEWER)), browsers(local(Role.OPERATOR))

    assert "Failed rows" in viewer.get(f"/runs/{run}").text and "failed.csv" not in viewer.get(f"/runs/{run}").text
    assert viewer.get(f"/runs/{run}/failed.csv").status_code == 403
    found = operator.get(f"/runs/{run}/failed.csv")
    assert found.headers["content-disposition"].startswith("attachment") and "b,B,012" in found.text
    assert "a,A" not in found.text and audited() == ["failed-rows"]
    shown = operator.get(f"/runs/{run}?show=failed").text
    assert "failed.csv" in shown and "extension-invalid" in shown
    assert operator.get("/runs/nowhere/failed.csv").status_code == 404


def test_a_run_without_failed_rows_says_so(client: Browser, place: Path) -> None:
    run = imported(place, people("a,A"))

    assert client.get(f"/runs/{run}/failed.csv").status_code == 404
    assert "Failed rows" not in client.get(f"/runs/{run}").text


def test_a_blind_answer_refuses_and_then_nobody_can_approve(client: Browser, place: Path) -> None:
    run, checksum = held(place)
    page = client.get(f"/runs/{run}").text
    assert page.index('value="refuse"') < page.index('value="approve"') and checksum in page

    refused = send(client, f"/runs/{run}/answer", checksum=checksum)

    assert "Refused" in refused.text and audited() == ["refuse"]
    assert send(client, f"/runs/{run}/answer", answer="approve", checksum=checksum).status_code == 409
    assert "waits for no answer" in client.get(f"/runs/{run}").text


def test_only_the_checksum_of_the_held_plan_approves(browsers: Callable[..., Browser], place: Path) -> None:
    run, checksum = held(place)
    viewer, operator = browsers(local(Role.VIEWER)), browsers(local(Role.OPERATOR))
    jobs: list[str] = []
    operator.app.state.site.desk.hand_over = lambda job: jobs.append(job.approve)

    assert send(viewer, f"/runs/{run}/answer", answer="approve", checksum=checksum).status_code == 403
    assert send(operator, f"/runs/{run}/answer", answer="approve").status_code == 409
    assert send(operator, f"/runs/{run}/answer", answer="approve", checksum="0" * 32).status_code == 409
    assert send(operator, f"/runs/{run}/answer", answer="approve", checksum=checksum).status_code == 200
    assert jobs == [checksum] and audited() == ["approve"]


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked; it comes before the console, which asks when it starts."""
    monkeypatch.delenv("PREFECT_API_URL")


@pytest.mark.usefixtures("place")
def test_without_a_server_the_automate_page_says_what_to_do(no_server: None, client: Browser) -> None:
    page = client.get("/profiles/staff/automate")

    assert page.status_code == 200 and "rollcall up" in page.text and "<form id=" not in page.text
    refused = send(client, "/profiles/staff/automate", preset="0 12 * * *", timezone="UTC", force="on")
    assert refused.status_code == 422 and "rollcall up" in refused.text


def test_only_an_administrator_changes_a_schedule(browsers: Callable[..., Browser]) -> None:
    operator = browsers(local(Role.OPERATOR))

    for path in ("/profiles/staff/automate", "/profiles/staff/automate/off"):
        assert send(operator, path, preset="0 12 * * *", timezone="UTC", force="on").status_code == 403


def test_owners_whose_profile_is_gone_are_listed_with_their_number(client: Browser, place: Path) -> None:
    imported(place, people("a,A", "b,B"))
    assert "orphans" not in client.get("/profiles").text

    (place / "profiles" / "staff.yaml").rename(place / "profiles" / "other.yaml")

    assert "users: 2" in client.get("/profiles").text
    assert "Benutzer: 2" in client.get("/profiles", headers={"accept-language": "de"}).text
    assert 'href="/people/a"' in client.get("/people?only=staff").text


def test_a_gone_profile_that_owns_contacts_alone_is_listed_too(client: Browser, place: Path) -> None:
    with open_store(Settings()).open() as connection:
        connection.append(phonebook, pl.DataFrame({"id": [1], "display_name": ["Bank"]}))
        connection.append(contact_records, pl.DataFrame({"entry_id": [1], "profile": ["suppliers"], "key": ["bank"]}))
        connection.commit()

    orphans = client.get("/profiles").text.partition("orphans")[2]

    assert "suppliers" in orphans and "users: 0, contacts: 1" in orphans and "/people?only=suppliers" not in orphans


def test_phones_that_asked_are_listed_and_found(client: Browser) -> None:
    with open_store(Settings()).open() as connection:
        for mac, vendor in (("000413aabbcc", "Snom"), ("805ec0000001", "Yealink")):
            note_seen(connection, Sighting(mac, vendor, "10.0.0.23", "2026-11-22T08:00:00.000Z"))
        connection.commit()

    every, found = client.get("/phones?only=seen").text, client.get("/phones?only=seen&search=yea").text

    assert "00:04:13:aa:bb:cc" in every and "80:5e:c0:00:00:01" in every
    assert "00:04:13:aa:bb:cc" not in found and "80:5e:c0:00:00:01" in found


def test_the_list_tells_profiles_apart(client: Browser, place: Path) -> None:
    staff = place / "profiles" / "staff.yaml"
    text = staff.read_text("utf-8")
    others = {
        "own": text.replace("title: Users from CSV", "title: Berger & Lang"),
        "spoken": text.replace('comments: ""', "comments: HR export, comes every night"),
        "fetched": text.replace("type: upload", "type: url\nurl: https://hr.example/secret/users.csv"),
    }
    for name, content in others.items():
        staff.with_name(f"{name}.yaml").write_text(content, "utf-8")

    listed = client.get("/profiles").text

    assert "Users from CSV" not in listed and "/secret/" not in listed
    assert all(told in listed for told in ("Berger &amp; Lang", "HR export, comes every night", "hr.example"))
