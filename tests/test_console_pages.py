"""Every page of the console for people who see, hear and type differently, at a company of twenty.

With ROLLCALL_SCREENSHOTS these are the pictures of `docs/console.md`.
"""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployments.console.access import Role, write_person
from tasks.store.seen import Sighting, note_seen
from tasks.store.store import open_store
from tests.chromium import Place, browser, console, figure, page, place, shoot, upload, wait_for
from tests.servers import free_port

__all__ = ["browser", "console", "page", "place"]

COMPANY = (Path(__file__).parent / "berger_lang.csv").read_text("utf-8")
JOINS = (
    '"Yusuf Amari","yusuf.amari","Watt+Ufer39","6172","225","Yusuf","Amari","yusuf.amari@bergerlang.example","",'
    '"Support","Berger & Lang GmbH","Support","00:15:65:7C:40:05","10.20.2.35"\n'
)


def a_month_later() -> str:
    """The company's next file: one person left, one joined, one was promoted and moved, one number is wrong."""
    lines = [line for line in COMPANY.splitlines() if "samuel.richter" not in line]
    text = "\n".join(lines).replace('"8215","261"', '"8215","061"').replace("Payroll", "Head of payroll")
    text = text.replace("00:0B:82:51:9E:03", "00:0B:82:51:9E:07").replace('"2281","212"', '"2281","214"')
    return f"{text}\n{JOINS}"


@pytest.mark.parametrize("path", ["/profiles", "/runs", "/people", "/phones", "/nowhere"])
def test_an_empty_installation_says_what_to_do_next(page: Any, path: str) -> None:
    page.goto(path)
    shoot(page, f"{path.strip('/')}-empty")


def test_a_profile_is_proposed_by_its_file(page: Any, tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text(COMPANY, "utf-8")
    page.goto("/profiles/new")
    page.fill("#name", "berger-lang")
    page.set_input_files("#file", file)
    page.wait_for_selector("text=Leyla Yıldız")
    assert page.input_value("#name") == "berger-lang" and "Wiesen-7-Tor" not in page.content()
    shoot(page, "new")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(re.compile("/basic"))


def test_the_first_import_is_looked_at_and_watched(page: Any, tmp_path: Path) -> None:
    upload(page, tmp_path, COMPANY, "berger-lang")
    assert figure(page, "create") == "20"
    shoot(page, "plan-create")

    page.route("**/progress", lambda route: route.abort())
    page.get_by_role("button", name="Import now").click()
    page.wait_for_selector("#progress")
    shoot(page, "progress")
    page.unroute("**/progress")
    page.wait_for_url(re.compile("/runs/"))
    assert figure(page, "create") == "20"


@pytest.mark.parametrize("tab", ["basic", "variables", "structure", "brakes"])
def test_every_tab_shows_what_the_first_rows_become(page: Any, tab: str) -> None:
    page.goto(f"/profiles/berger-lang/{tab}")
    page.wait_for_selector("h2.ok")
    shoot(page, tab)


def test_an_edit_is_checked_and_kept_as_a_version(page: Any) -> None:
    page.goto("/profiles/berger-lang/prefilter")
    page.fill("#source", "// Apprentices have no phone of their own.\nreturn !str_contains($row['job'], 'apprentice');")
    page.wait_for_selector("h2.ok")
    shoot(page, "prefilter")
    page.fill("#source", "return !str_contains($row['job'] 'apprentice');")
    page.wait_for_selector("h2.bad")
    shoot(page, "prefilter-wrong")
    page.fill("#source", "return array_key_exists('displayname', $row);")
    page.wait_for_selector("h2.ok")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=Saved.")
    page.goto("/profiles/berger-lang/history")
    shoot(page, "versions")


def test_a_plan_a_run_and_its_undo_show_who_joined_left_and_changed(page: Any, tmp_path: Path) -> None:
    upload(page, tmp_path, a_month_later(), "berger-lang")
    assert [figure(page, name) for name in ("create", "update", "remove", "rejected")] == ["1", "3", "1", "1"]
    shoot(page, "plan")
    for part in ("Phones", "Issues"):
        page.locator(".tabs").get_by_role("link", name=part).click()
        page.wait_for_load_state()
        shoot(page, f"plan-{part.lower()}")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    shoot(page, "run")
    page.get_by_role("link", name="Failed rows").click()
    page.wait_for_load_state()
    shoot(page, "failed-rows")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector(".figures")
    shoot(page, "undo")


def test_a_doubtful_file_is_held_and_answered(page: Any, place: Place, tmp_path: Path) -> None:
    few = "".join(COMPANY.splitlines(keepends=True)[:8])
    upload(page, tmp_path, few, "berger-lang")
    shoot(page, "plan-held")
    assert place.rollcall("import", "berger-lang", str(tmp_path / "users.csv")) == 4
    page.goto("/runs")
    page.locator("tr:has(.status.held)").get_by_role("link").first.click()
    page.wait_for_selector(".answer")
    shoot(page, "run-held")


def test_people_phones_and_history_are_found(page: Any, place: Place) -> None:
    with open_store(place.settings).open() as connection:
        for at in range(3):
            address, seen = f"10.20.4.{40 + at}", f"2026-11-2{at + 1}T08:0{at}:00.000Z"
            note_seen(connection, Sighting(f"0004132a20{at:02x}", "Snom", address, seen))
        connection.commit()
    for path in ("/people", "/people/sophie.wagner", "/phones", "/phones?only=seen", "/runs"):
        page.goto(path)
        name = {"/people/sophie.wagner": "person", "/phones?only=seen": "phones-seen"}.get(path, path.strip("/"))
        shoot(page, name)


def test_a_schedule_is_shown_with_its_next_times(page: Any, place: Place) -> None:
    assert place.rollcall("new", "branch-office") == 0
    page.goto("/profiles/branch-office/basic")
    page.select_option("#type", "url")
    page.fill("#url", "https://hr.bergerlang.example/branch.csv")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=Saved.")
    shoot(page, "basic-url")
    page.get_by_role("link", name="Automate").click()
    page.get_by_label("Monday to Friday at 05:30").check()
    page.fill("#timezone", "Europe/Berlin")
    page.wait_for_function("document.querySelectorAll('.times li').length == 5")
    page.get_by_role("button", name="Automate", exact=True).click()
    page.wait_for_selector("text=Imports by itself")
    shoot(page, "automate")
    page.goto("/profiles")
    page.wait_for_selector("text=Monday to Friday at 05:30")
    shoot(page, "profiles")


def test_who_has_to_log_in_sees_a_form_for_it(browser: Any, tmp_path: Path) -> None:
    elsewhere, port = Place(tmp_path), str(free_port())
    (tmp_path / "profiles").mkdir()
    write_person(elsewhere.settings.home / "console-users", "ada", Role.ADMIN, "correct horse battery")
    with subprocess.Popen(elsewhere.command("console", "--port", port), env=elsewhere.environment) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/login")
            context = browser.new_context(base_url=f"http://127.0.0.1:{port}", locale="en-GB")
            page = context.new_page()
            page.set_viewport_size({"width": 1200, "height": 800})
            page.goto("/login")
            shoot(page, "login")
            context.close()
        finally:
            server.terminate()
