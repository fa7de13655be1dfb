"""Prefect's own pages in Debian's Chromium, used as an administrator uses them.

With ROLLCALL_PICTURES=1 each page leaves its picture in the documentation.
"""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright
from servers import needed
from stack import Stack, until

PICTURES = Path(__file__).parent.parent / "docs" / "prefect"
DRAWN_MS = 2_500


@contextmanager
def browsing(stack: Stack) -> Generator[Page]:
    """A page that is logged in."""
    (chromium,) = needed("chromium", package="chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.set_default_timeout(60_000)
        page.goto(stack.url)
        page.locator("input[type=password]").fill(":".join(stack.auth))
        page.keyboard.press("Enter")
        page.wait_for_url("**/dashboard")
        yield page
        browser.close()


def open_form(page: Page, stack: Stack, deployment: str) -> None:
    """The form of a deployment, as its button Run → Custom run opens it."""
    found = stack.api("GET", f"/deployments/name/{deployment}")
    page.goto(f"{stack.url}/deployments/deployment/{found['id']}/run")
    page.get_by_role("button", name="Submit").wait_for()


def choose(page: Page, label: str, option: str) -> None:
    """Takes an option of a dropdown."""
    field(page, label).locator(".p-select-button__control").click()
    # The click's focus opens the list and the click closes it again; the key opens it for good.
    page.keyboard.press("ArrowDown")
    page.locator(".p-select-option", has_text=option).first.click()


def fill(page: Page, label: str, text: str) -> None:
    """Writes into a text field."""
    field(page, label).locator("textarea, input").first.fill(text)


def switch_on(page: Page, label: str) -> None:
    """Turns a switch on."""
    field(page, label).locator(".p-toggle__control").click()


def field(page: Page, label: str) -> Any:
    """The innermost field of a form under this label."""
    named = page.get_by_text(re.compile(rf"^\s*{label}( \(Optional\))?\s*$"))
    return page.locator(".schema-form-property", has=named).last


def submit(page: Page, stack: Stack, deployment: str) -> str:
    """Sends the form; gives the id of the flow run that it started."""
    before = set(_runs(stack, deployment))
    page.get_by_role("button", name="Submit").click()
    return until(lambda: set(_runs(stack, deployment)) - before, "the run of the form").pop()


def shoot(page: Page, name: str) -> None:
    """Takes the page's picture into the documentation, where pictures are asked for."""
    if os.environ.get("ROLLCALL_PICTURES") == "1":
        page.wait_for_timeout(DRAWN_MS)
        page.screenshot(path=PICTURES / f"{name}.png")


def _runs(stack: Stack, deployment: str) -> list[str]:
    found = stack.api("GET", f"/deployments/name/{deployment}")
    runs = stack.api("POST", "/flow_runs/filter", {"deployments": {"id": {"any_": [found["id"]]}}})
    return [run["id"] for run in runs]
