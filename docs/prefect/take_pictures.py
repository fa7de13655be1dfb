"""Takes the pictures of `docs/prefect.md`: imports a sample on a Prefect server of its own and opens the server's UI.

Needs Chromium (`apt-get install chromium`) and playwright. Run it from the project's root:
`PYTHONPATH=. python docs/prefect/take_pictures.py`
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page, sync_playwright

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent.parent
CHROMIUM: Final = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WINDOW: Final = {"width": 1360, "height": 860}

PEOPLE: Final = """displayname,username,password,pin,phone,givenname,surname,email,phonemac,job
Max Muster,mmuster,12ab34cd56,1234,345,Max,Muster,max.muster@example.org,00:04:13:A3:01:6F,Sales Director
Erika Beispiel,ebeispiel,98zy76xw54,4321,346,Erika,Beispiel,erika.beispiel@example.org,00:15:65:00:00:02,Support
Jürgen Groß,jgross,,,,Jürgen,Groß,juergen.gross@example.org,,Facility
Ada Beispiel,abeispiel,11qq22ww33,,012,Ada,Beispiel,ada.beispiel@example.org,,Research
"""


def main() -> None:
    """Imports twice, so that the second run shows what comes from the cache, then once more with a change."""
    with tempfile.TemporaryDirectory(prefix="rollcall-pictures-") as folder:
        place = Path(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(place / "prefect"),
            "PREFECT_API_URL": f"{address}/api",
            "PREFECT_UI_API_URL": f"{address}/api",
            "PREFECT_SERVER_UI_V2_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "ROLLCALL_HOME": str(place / "rollcall"),
            "ROLLCALL_PROFILES": str(ROOT / "profiles"),
        }
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        with (place / "server.log").open("wb") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                _wait_for(f"{address}/api/health", server)
                for people in (PEOPLE, PEOPLE, PEOPLE.replace("Sales Director", "Chief Executive")):
                    _import(people, place, environment)
                _take_pictures(address)
            finally:
                server.terminate()
                server.wait()


def _wait_for(health: str, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(health, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the Prefect server did not start")


def _import(people: str, place: Path, environment: dict[str, str]) -> None:
    file = place / "staff.csv"
    file.write_text(people, "utf-8")
    program = "from deployments.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", program, "import", "users-from-csv", file], env=environment, cwd=place, check=False
    )


def _take_pictures(address: str) -> None:
    runs = _ask(f"{address}/api/flow_runs/filter", {"sort": "START_TIME_ASC"})
    first, second, third = (run["id"] for run in runs)
    artifacts = {
        (artifact["flow_run_id"], artifact["key"]): artifact["id"]
        for artifact in _ask(f"{address}/api/artifacts/filter", {"limit": 200})
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_page(viewport=WINDOW)  # pyright: ignore[reportArgumentType]
        _picture(page, f"{address}/runs", "runs")
        _picture(page, f"{address}/runs/flow-run/{second}", "graph")
        _picture(page, f"{address}/runs/flow-run/{second}", "cached", tab="Task Runs")
        _picture(page, f"{address}/runs/flow-run/{third}", "artifacts", tab="Artifacts")
        for name, key in {
            "rows": "03-parse",
            "plan": "08-reconcile",
            "phones": "09-assign-phones",
            "summary": "11-report",
            "picture": "11-report-picture",
        }.items():
            run = third if name == "plan" else first
            _picture(page, f"{address}/artifacts/artifact/{artifacts[run, key]}", name)
        browser.close()


def _ask(url: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _picture(page: Page, url: str, name: str, tab: str = "") -> None:
    page.goto(url)
    page.wait_for_load_state("networkidle")
    # The graph is drawn by a worker some time after the page is loaded.
    page.wait_for_timeout(4000)
    if tab:
        page.get_by_text(tab, exact=True).click()
        page.wait_for_timeout(1500)
        page.mouse.wheel(0, 420)
        page.wait_for_timeout(500)
    page.screenshot(path=HERE / f"{name}.png")


if __name__ == "__main__":
    main()
