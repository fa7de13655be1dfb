"""The seed from beginning to end in Debian's Chromium, and every page for people who see, hear and type differently.

With ROLLCALL_SCREENSHOTS the pages are kept there as pictures, light and dark.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.deploy import deploy_all
from tasks.settings import Settings
from tasks.store.seen import Sighting, note_seen
from tasks.store.store import open_store
from tests.conftest import PrefectServer
from tests.servers import free_port, missing_is_told
from tests.world import SEED

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 90_000
SCREENSHOTS = os.environ.get("ROLLCALL_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this file."""
    if not Path(CHROMIUM).exists():
        missing_is_told(f"{CHROMIUM} not found: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@dataclass(frozen=True)
class Place:
    """An installation: its folder, and how its commands are run."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.folder / "home", profiles=self.folder / "profiles")

    @property
    def environment(self) -> dict[str, str]:
        where = {"ROLLCALL_HOME": self.settings.home, "ROLLCALL_PROFILES": self.settings.profiles}
        told = {name: str(path) for name, path in where.items()}
        return os.environ | told | {"USER": "ada", "PYTHONPATH": str(Path.cwd())}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from deployments.cli import main; main()", *words]

    def rollcall(self, *words: str) -> int:
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("console")
    (folder / "profiles").mkdir()
    return Place(folder)


@pytest.fixture(scope="module")
def console(place: Place, prefect_server: PrefectServer) -> Iterator[str]:
    """A console of its own process, as `rollcall console` starts it, beside a Prefect server without a worker."""
    deploy_all(place.settings)
    port = str(free_port())
    with subprocess.Popen(place.command("console", "--port", port), env=place.environment) as server:
        try:
            _wait(f"http://127.0.0.1:{port}/profiles")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("the console did not answer")


@pytest.fixture(scope="module")
def page(browser: Any, console: str) -> Iterator[Any]:
    """A page that counts every script error and every breach of the policy as a failure."""
    context = browser.new_context(base_url=console, viewport={"width": 1200, "height": 800}, locale="en-GB")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if "Policy" in message.text else None)
    opened.on("dialog", lambda dialog: wrong.append(dialog.message))
    yield opened
    context.close()
    assert wrong == []


def upload(page: Any, place: Path, text: str, profile: str = "staff") -> None:
    """Simulates a file and waits for its plan."""
    file = place / "users.csv"
    file.write_text(text, "utf-8")
    page.goto(f"/profiles/{profile}/basic")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Simulate", exact=True).click()
    page.wait_for_selector(".figures")


def figure(page: Any, name: str) -> str:
    return page.locator(f".figure.{name} b").inner_text()


def shoot(page: Any, name: str) -> None:
    """Keeps the page as pictures, and proves it with axe in both schemes and on a phone."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/{name}-{scheme}.png", full_page=False)
        page.evaluate(AXE.read_text("utf-8") + "; undefined")
        rules = "['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']"
        # The schemes differ in colour only, so contrast is all that the second one can break.
        chosen = (
            f"{{runOnly: {rules}}}" if scheme == "light" else "{runOnly: {type: 'rule', values: ['color-contrast']}}"
        )
        found = page.evaluate(f"axe.run(document, {chosen})")
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]] == [], (name, scheme)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 360, "height": 740})
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{name}-phone.png", full_page=False)
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.set_viewport_size({"width": 1200, "height": 800})
    assert wider <= 0, f"{name} is {wider} px too wide for a phone"


def test_the_seed_is_walked_from_beginning_to_end(page: Any, tmp_path: Path) -> None:
    page.goto("/")
    assert "No profile yet" in page.content()
    shoot(page, "profiles-empty")
    page.get_by_role("link", name="New profile").first.click()
    page.wait_for_load_state()
    page.set_input_files("#file", SEED)
    page.wait_for_selector("text=Sales Director")
    assert page.input_value("#enclosure") == '"' and "1234" not in page.inner_text("table")
    page.fill("#name", "staff")
    shoot(page, "new")
    page.get_by_role("button", name="Save").click()

    page.get_by_role("link", name="Pre-filter").click()
    page.fill("#source", "return array_key_exists('displayName' $row);")
    page.wait_for_selector("text=Not valid yet")
    page.fill("#source", "return array_key_exists('displayName', $row);")
    page.wait_for_selector("h2:has-text('Valid')")
    shoot(page, "prefilter")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("text=Saved.")

    page.get_by_role("link", name="Variables").click()
    page.fill("#new-variable", "jobtitle")
    page.fill("#new-source", 'return $row["job"];')
    page.get_by_role("button", name="Add").click()
    page.wait_for_selector("text=Saved.")

    page.get_by_role("link", name="Structure").click()
    text = page.input_value("#source")
    page.fill("#source", text.replace('"{{{job}}}"', '"{{{jobtitle}}}"'))
    page.wait_for_selector("h2:has-text('Valid')")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("text=Saved.")

    upload(page, tmp_path, SEED.read_text("utf-8"))
    assert figure(page, "create") == "1" and "Max Muster" in page.content() and "12ab34cd56" not in page.content()
    shoot(page, "plan")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    assert figure(page, "create") == "1" and "Sales Director" in page.content()
    shoot(page, "run")
    run = page.url

    page.get_by_role("link", name="People").click()
    page.fill("#search", "muster")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="mmuster").click()
    assert "345" in page.inner_text(".facts")
    shoot(page, "person")

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
    shoot(page, "automate")
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
    shoot(page, "undo")
    page.get_by_role("button", name=re.compile("take back", re.IGNORECASE)).click()
    page.wait_for_url(re.compile("/runs/"))
    page.goto("/people")
    assert "Nobody yet" in page.content()


def test_a_held_plan_is_approved_by_a_person_who_has_seen_it(page: Any, tmp_path: Path) -> None:
    page.goto("/profiles/new")
    page.fill("#name", "branch")
    page.get_by_role("button", name="Save").click()
    header, rows = "username,displayname,phonemac\n", [f"p{at},P {at},0004130000{at:02x}\n" for at in range(60)]
    upload(page, tmp_path, header + "".join(rows), "branch")
    shoot(page, "plan-create")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))

    upload(page, tmp_path, header + "".join(rows[:30]), "branch")
    assert figure(page, "remove") == "30" and "Held by a brake" in page.content()
    assert page.get_by_role("button", name="Import now").count() == 0
    shoot(page, "plan-held")
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
    assert page.get_by_label("Refuse").is_checked()
    shoot(page, "run-held")
    page.get_by_label("Approve: exactly this plan").check()
    page.get_by_role("button", name="Answer").click()
    page.wait_for_selector(".status.applied")
    assert figure(page, "remove") == "29"


def test_what_is_left_over_is_shown_with_what_to_do(page: Any, place: Place, tmp_path: Path) -> None:
    page.goto("/profiles/new")
    page.fill("#name", "former")
    page.get_by_role("button", name="Save").click()
    upload(page, tmp_path, "username,displayname,phone\nf1,F 1,601\nf2,F 2,012\n", "former")
    page.get_by_role("button", name="Import now").click()
    page.wait_for_url(re.compile("/runs/"))
    page.get_by_role("link", name="Failed rows").click()
    shoot(page, "failed-rows")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download failed rows").click()
    assert "f2,F 2,012" in Path(started.value.path()).read_text("utf-8")

    (place.settings.profiles / "former.yaml").unlink()
    page.goto("/profiles")
    assert "users: 1" in page.inner_text(".orphans")
    shoot(page, "profiles")
    page.get_by_role("link", name="show them").click()
    assert page.get_by_role("link", name="f1").count() == 1

    with open_store(place.settings).open() as connection:
        note_seen(connection, Sighting("000413aabbcc", "Snom", "10.0.0.23", "2026-11-22T08:00:00.000Z"))
        connection.commit()
    page.goto("/phones")
    page.get_by_role("link", name="seen, not assigned").click()
    assert "00:04:13:aa:bb:cc" in page.inner_text("table")
    shoot(page, "phones-seen")


def test_a_malformed_file_is_mended_through_its_failed_rows(page: Any, tmp_path: Path) -> None:
    upload(page, tmp_path, 'username,displayname,phone\nx1,X,501\nx2,X,012\n"x3,X,503\n', "branch")
    page.get_by_role("link", name="Issues").click()
    shoot(page, "issues")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download failed rows").click()
    failed = Path(started.value.path()).read_text("utf-8")
    assert "extension-invalid" in failed and "enclosure-not-closed" in failed

    mended = [line.replace("012", "502") for line in failed.splitlines() if "enclosure-not-closed" not in line]
    upload(page, tmp_path, "\n".join([*mended[:2], "x3,X,503,4,,", ""]), "branch")
    assert figure(page, "create") == "2"


@pytest.mark.parametrize("path", ["/runs", "/people", "/phones", "/nowhere"])
def test_every_other_page_is_for_everybody_too(page: Any, path: str) -> None:
    page.goto(path)
    shoot(page, path.strip("/").replace("/", "-"))


@pytest.mark.parametrize("tab", ["basic", "variables", "structure", "brakes", "history"])
def test_every_tab_is_for_everybody_too(page: Any, tab: str) -> None:
    page.goto(f"/profiles/branch/{tab}")
    shoot(page, tab)


def test_the_main_path_needs_no_javascript(browser: Any, console: str, page: Any, tmp_path: Path) -> None:
    context = browser.new_context(base_url=console, java_script_enabled=False, locale="de-DE")
    plain = context.new_page()
    plain.set_default_timeout(PATIENCE_MS)
    file = tmp_path / "users.csv"
    file.write_text("username,displayname\njs,Ohne Skript\n", "utf-8")
    plain.goto("/profiles/branch/prefilter")
    plain.fill("#source", "return true; // all")
    plain.get_by_role("button", name="Speichern").click()
    plain.wait_for_selector("text=Gespeichert.")
    plain.set_input_files("#file", file)
    plain.get_by_role("button", name="Simulieren", exact=True).click()
    plain.wait_for_selector(".figures")
    assert "Ohne Skript" in plain.content() and "Änderungen" in plain.content()
    context.close()


def test_workers_end_with_their_console(tmp_path: Path) -> None:
    port = str(free_port())
    where = {"ROLLCALL_HOME": str(tmp_path / "home"), "ROLLCALL_PROFILES": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", "from deployments.cli import main; main()", "console", "--port", port]
    with subprocess.Popen(command, env=os.environ | where) as server:
        _wait(f"http://127.0.0.1:{port}/login")
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
    page.get_by_role("button", name="Save").click()
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
