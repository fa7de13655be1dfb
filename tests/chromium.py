"""A person at the console for tests: Debian's Chromium on a console of its own process.

With ROLLCALL_SCREENSHOTS every page that is proved is kept there as pictures, light and dark.
"""

import os
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
from tests.conftest import PrefectServer
from tests.servers import free_port, missing_is_told

__all__ = ["browser", "console", "page", "place"]

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
            wait_for(f"http://127.0.0.1:{port}/profiles")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(url: str) -> None:
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
    opened.on("dialog", lambda dialog: wrong.append(dialog.message) if dialog.type != "beforeunload" else None)
    yield opened
    context.close()
    assert wrong == []


def upload(page: Any, place: Path, text: str, profile: str = "staff") -> None:
    """Simulates a file and waits for its plan."""
    file = place / "users.csv"
    file.write_text(text, "utf-8")
    page.goto(f"/profiles/{profile}/basic")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Save and simulate").click()
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
