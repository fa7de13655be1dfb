"""The seed from beginning to end in Debian's Chromium; then held, hostile, German, and without JavaScript."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tasks.store.seen import Sighting, note_seen
from tasks.store.store import open_store
from tests.chromium import PATIENCE_MS, Place, browser, console, figure, page, place, shoot, upload, wait_for
from tests.servers import free_port
from tests.world import SEED

__all__ = ["browser", "console", "page", "place"]


def test_the_seed_is_walked_from_beginning_to_end(page: Any, tmp_path: Path) -> None:
    page.goto("/")
    assert "No profile yet" in page.content()
    page.get_by_role("link", name="New profile").first.click()
    page.wait_for_load_state()
    page.set_input_files("#file", SEED)
    page.wait_for_selector("text=Sales Director")
    assert page.input_value("#enclosure") == '"' and "1234" not in page.inner_text("table")
    page.fill("#name", "staff")
    page.get_by_role("button", name="Save", exact=True).click()

    page.get_by_role("link", name="Pre-filter").click()
    page.fill("#source", "return array_key_exists('displayName' $row);")
    page.wait_for_selector("h2.bad")
    page.fill("#source", "return array_key_exists('displayName', $row);")
    page.wait_for_selector("h2.ok")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=Saved.")

    page.get_by_role("link", name="Variables").click()
    page.fill("#new-variable", "jobtitle")
    page.fill("#new-source", 'return $row["job"];')
    page.get_by_role("button", name="Add").click()
    page.wait_for_selector("text=Saved.")

    page.get_by_role("link", name="Structure").click()
    text = page.input_value("#source")
    page.fill("#source", text.replace('"{{{job}}}"', '"{{{jobtitle}}}"'))
    page.wait_for_selector("h2.ok")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_selector("text=Saved.")

    upload(page, tmp_path, SEED.read_text("utf-8"))
    assert figure(page, "create") == "1" and "Max Muster" in page.content() and "12ab34cd56" not in page.content()
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    assert figure(page, "create") == "1" and "Sales Director" in page.content()
    run = page.url

    page.get_by_role("link", name="People").click()
    page.fill("#search", "muster")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="mmuster").click()
    assert "345" in page.inner_text(".facts")

    upload(page, tmp_path, SEED.read_text("utf-8"))
    page.wait_for_selector("text=Nothing to do")

    page.goto("/profiles/staff/basic")
    page.get_by_role("link", name="Automate").click()
    page.get_by_label("Monday to Friday at 05:30").check()
    page.fill("#timezone", "Europe/Berlin")
    page.wait_for_function("document.querySelectorAll('.times li').length == 5")
    page.get_by_role("button", name="Automate", exact=True).click()
    page.wait_for_selector("[role=alert] >> text=only recommended")
    page.get_by_label("Automate it all the same").check()
    page.get_by_role("button", name="Automate", exact=True).click()
    page.wait_for_selector("text=Imports by itself")
    page.goto("/profiles")
    assert "Monday to Friday at 05:30" in page.inner_text("table")
    page.goto("/profiles/staff/automate")
    page.get_by_role("button", name="Switch off").click()
    page.wait_for_selector("text=Saved.")
    assert "Imports by itself" not in page.content()

    page.goto(run)
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector(".figures")
    assert figure(page, "remove") == "1"
    page.get_by_role("button", name=re.compile("take back", re.IGNORECASE)).click()
    page.wait_for_url(re.compile("/runs/"))
    page.goto("/people")
    assert "Nobody yet" in page.content()


def test_an_edit_is_neither_lost_nor_sent_by_a_wrong_button(page: Any, place: Place) -> None:
    page.goto("/profiles/staff/variables")
    page.fill(".variables [name=variable] >> nth=0", "shownname")
    with page.expect_event("dialog") as asked:
        page.evaluate("setTimeout(() => { location.href = '/people' })")
    asked.value.dismiss()
    assert asked.value.type == "beforeunload" and page.url.endswith("/variables")

    page.fill(".variables [name=variable] >> nth=0", "displayname")
    page.press(".variables [name=variable] >> nth=1", "Enter")
    page.wait_for_selector("text=Saved.")
    assert page.input_value(".variables [name=variable] >> nth=0") == "displayname"

    page.fill(".variables [name=source] >> nth=0", 'return trim($row["displayname"]);')
    page.get_by_role("button", name="Save and simulate").click()
    page.wait_for_selector(".figures")
    assert "trim(" in (place.settings.profiles / "staff.yaml").read_text("utf-8")


def test_a_held_plan_is_approved_by_a_person_who_has_seen_it(page: Any, tmp_path: Path) -> None:
    page.goto("/profiles/new")
    page.fill("#name", "branch")
    page.get_by_role("button", name="Save", exact=True).click()
    header, rows = "username,displayname,phonemac\n", [f"p{at},P {at},0004130000{at:02x}\n" for at in range(60)]
    upload(page, tmp_path, header + "".join(rows), "branch")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))

    upload(page, tmp_path, header + "".join(rows[:30]), "branch")
    assert figure(page, "remove") == "30" and "Held by a brake" in page.content()
    assert page.get_by_role("button", name="Import now").count() == 0
    page.get_by_role("button", name="Approve and import").click()
    page.wait_for_url(re.compile("/runs/"))
    assert figure(page, "remove") == "30"
    page.goto("/phones?only=free")
    assert "free" in page.inner_text("table")


def test_a_run_that_was_held_elsewhere_is_answered_here(page: Any, place: Place) -> None:
    file = place.folder / "few.csv"
    file.write_text("username,displayname,phonemac\np1,P 1,000413000001\n", "utf-8")
    assert place.rollcall("import", "branch", str(file)) == 4

    page.goto("/runs")
    page.get_by_role("row").nth(1).get_by_role("link").first.click()
    assert page.get_by_role("button", name="Refuse").count() == 1
    page.get_by_role("button", name="Approve and import").click()
    page.wait_for_selector(".status.applied")
    assert figure(page, "remove") == "29"


def test_what_is_left_over_is_shown_with_what_to_do(page: Any, place: Place, tmp_path: Path) -> None:
    page.goto("/profiles/new")
    page.fill("#name", "former")
    page.get_by_role("button", name="Save", exact=True).click()
    upload(page, tmp_path, "username,displayname,phone\nf1,F 1,601\nf2,F 2,012\n", "former")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    page.get_by_role("link", name="Failed rows").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download failed rows").click()
    assert "f2,F 2,012" in Path(started.value.path()).read_text("utf-8")

    (place.settings.profiles / "former.yaml").unlink()
    page.goto("/profiles")
    assert "users: 1" in page.inner_text(".orphans")
    shoot(page, "profiles-orphans")
    page.get_by_role("link", name="show them").click()
    assert page.get_by_role("link", name="f1").count() == 1

    with open_store(place.settings).open() as connection:
        note_seen(connection, Sighting("000413aabbcc", "Snom", "10.0.0.23", "2026-11-22T08:00:00.000Z"))
        connection.commit()
    page.goto("/phones")
    page.get_by_role("link", name="seen, not assigned").click()
    assert "00:04:13:aa:bb:cc" in page.inner_text("table")


def test_a_malformed_file_is_mended_through_its_failed_rows(page: Any, tmp_path: Path) -> None:
    upload(page, tmp_path, 'username,displayname,phone\nx1,X,501\nx2,X,012\n"x3,X,503\n', "branch")
    page.get_by_role("link", name="Issues").click()
    with page.expect_download() as started:
        page.get_by_role("link", name="Download failed rows").click()
    failed = Path(started.value.path()).read_text("utf-8")
    assert "extension-invalid" in failed and "enclosure-not-closed" in failed

    mended = [line.replace("012", "502") for line in failed.splitlines() if "enclosure-not-closed" not in line]
    upload(page, tmp_path, "\n".join([*mended[:2], "x3,X,503,4,,", ""]), "branch")
    assert figure(page, "create") == "2"


def test_the_main_path_needs_no_javascript(browser: Any, console: str, page: Any, tmp_path: Path) -> None:
    context = browser.new_context(base_url=console, java_script_enabled=False, locale="de-DE")
    plain = context.new_page()
    plain.set_default_timeout(PATIENCE_MS)
    file = tmp_path / "users.csv"
    file.write_text("username,displayname\njs,Ohne Skript\n", "utf-8")
    plain.goto("/profiles/branch/prefilter")
    plain.fill("#source", "return true; // all")
    plain.get_by_role("button", name="Speichern", exact=True).click()
    plain.wait_for_selector("text=Gespeichert.")
    plain.set_input_files("#file", file)
    plain.get_by_role("button", name="Speichern und simulieren").click()
    plain.wait_for_selector(".figures")
    assert "Ohne Skript" in plain.content() and "Änderungen" in plain.content()
    context.close()


def test_workers_end_with_their_console(tmp_path: Path) -> None:
    port = str(free_port())
    where = {"ROLLCALL_HOME": str(tmp_path / "home"), "ROLLCALL_PROFILES": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", "from deployments.cli import main; main()", "console", "--port", port]
    with subprocess.Popen(command, env=os.environ | where) as server:
        wait_for(f"http://127.0.0.1:{port}/login")
        workers = _children(server.pid)
        server.kill()

    assert len(workers) >= 2
    for _ in range(1200):
        if not any(Path(f"/proc/{worker}/cmdline").exists() for worker in workers):
            return
        time.sleep(0.05)
    raise AssertionError("workers outlived their console")


def _children(parent: int) -> list[str]:
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


def test_hostile_cells_run_nothing_and_break_no_page(page: Any, tmp_path: Path) -> None:
    cells = ["<script>alert(1)</script>", '"""><img src=x onerror=alert(1)>"', "{{7*7}}", "=cmd|calc", "\u202egnp.exe"]
    rows = [f"h{at},{cell},{'w' * 9000}" for at, cell in enumerate(cells)]
    page.goto("/profiles/new")
    page.fill("#name", "hostile")
    page.get_by_role("button", name="Save", exact=True).click()
    upload(page, tmp_path, "username,displayname,job\n" + "\n".join(rows) + "\n", "hostile")
    assert page.locator("img").count() == 0 and "{{7*7}}" in page.inner_text("main")
    shoot(page, "hostile")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    page.goto("/people/h4")
    assert "⟨U+202E⟩gnp.exe" in page.inner_text("h1")
    shoot(page, "hostile-person")


def test_the_same_pages_speak_german(browser: Any, console: str, page: Any) -> None:
    context = browser.new_context(base_url=console, viewport={"width": 1200, "height": 800}, locale="de-DE")
    german = context.new_page()
    for path in (
        "/profiles",
        "/profiles/branch/basic",
        "/profiles/branch/automate",
        "/runs",
        "/people",
        "/phones?only=seen",
    ):
        german.goto(path)
        shoot(german, f"german{path.partition('?')[0].replace('/', '-')}")
    german.goto("/runs")
    german.get_by_role("link").filter(has_text="20").last.click()
    shoot(german, "german-run")
    context.close()
