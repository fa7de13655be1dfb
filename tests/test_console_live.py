"""The page of a run that somebody else started: its steps as they go, and then its result."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.console.access import Role
from deployments.console.under_way import SILENT_SECONDS, LiveRun, UnderWay, asked_for
from deployments.imports import request_for
from flows.order import as_function, run_import
from flows.request import open_job
from tasks.errors import SourceError
from tasks.run import new_run_id
from tasks.settings import Settings
from tasks.store.store import open_store
from tasks.store.views import list_runs
from tests.browsing import Browser, browsers, client, local, place
from tests.conftest import PrefectServer
from tests.stack import until

__all__ = ["browsers", "client", "place"]


class Slow(ThreadingHTTPServer):
    """Serves one CSV, and only when it is let go."""

    def __init__(self) -> None:
        self.goes = threading.Event()
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/users.csv"


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Slow)
        server.goes.wait(60)
        body = b"username,displayname\nmmuster,Max Muster\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@pytest.fixture
def slow() -> Iterator[Slow]:
    with Slow() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.goes.set()
        server.shutdown()


@pytest.fixture
def terminal(place: Path, slow: Slow, prefect_server: PrefectServer) -> Iterator["subprocess.Popen[bytes]"]:
    """`rollcall import` of a profile that fetches, at a terminal of its own."""
    del prefect_server
    text = (place / "profiles" / "staff.yaml").read_text("utf-8")
    text = text.replace("type: upload", f"type: url\nurl: {slow.url}")
    (place / "profiles" / "staff.yaml").write_text(text, "utf-8")
    command = [sys.executable, "-c", "from deployments.cli import main; main()", "import", "staff"]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "ROLLCALL_URL_ALLOW": "127.0.0.1", "NO_PROXY": "*"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        yield running
        running.kill()


def shown(client: Browser) -> str:
    """The address of the run that is under way; empty as long as the console knows none."""
    found = re.search(r'href="(/runs/[0-9a-f-]+)"', client.get("/under-way").text)
    return found[1] if found else ""


def test_a_run_of_a_terminal_is_watched_and_ends_in_its_result(
    terminal: "subprocess.Popen[bytes]", client: Browser, slow: Slow
) -> None:
    address = until(lambda: shown(client), "the run in the list")
    assert address in client.get("/runs").text and address in client.get("/profiles").text

    until(lambda: 'class="running"><span>Fetch the file' in client.get(address).text, "its first step")
    page = client.get(address).text
    assert "staff" in page and "at a terminal" in page and f'hx-get="{address}/progress"' in page
    assert "an einem Terminal" in client.get(address, headers={"accept-language": "de"}).text
    assert "Fetch the file" in client.get(f"{address}/progress").text

    slow.goes.set()
    until(lambda: client.get(f"{address}/progress").headers.get("hx-redirect") == address, "its end")
    assert terminal.wait(60) == 0
    assert 'class="figures"' in client.get(address).text and "Max Muster" in client.get(address).text
    until(lambda: not shown(client), "an empty list")


def test_a_run_that_fails_before_its_plan_says_why(
    terminal: "subprocess.Popen[bytes]", browsers: Callable[..., Browser], place: Path
) -> None:
    viewer = browsers(local(Role.VIEWER))
    address = until(lambda: shown(viewer), "the run in the list")
    until(lambda: "Fetch the file" in viewer.get(address).text, "its page")

    terminal.terminate()
    terminal.wait(60)

    until(lambda: "hx-redirect" in viewer.get(f"{address}/progress").headers, "its end")
    page = viewer.get(address)
    assert page.status_code == 200 and "Stopped" in page.text and "The history has no run of it." in page.text


def test_however_many_look_the_server_is_asked_once_a_second(place: Path) -> None:
    now, asked = [100.0], list[str]()
    run = live(new_run_id(datetime.now(UTC)))
    under_way = _Counted(Settings(), asked, run, lambda: now[0])

    for _ in range(20):
        assert under_way.runs() == [run] and under_way.run(run.run) == run
    assert asked == ["", run.run]

    now[0] += 1.0
    assert under_way.runs() == [run] and asked == ["", run.run, ""]
    assert under_way.run("20200101-000000-00000000") is None and under_way.run("nonsense") is None
    assert under_way.run("20269999-000000-00000000") is None and len(asked) == 3
    under_way.close()


def test_a_run_that_is_listed_is_not_unknown_while_the_server_is_busy(place: Path) -> None:
    run = live(new_run_id(datetime.now(UTC)))
    under_way = _Busy(Settings(), [], run, lambda: 100.0)

    assert under_way.runs() == [run] and under_way.run(run.run, 0.01) == run

    under_way.answers.set()
    under_way.close()


class _Counted(UnderWay):
    """Knows its answer without a server, and counts how often it is asked."""

    def __init__(self, settings: Settings, asked: list[str], run: LiveRun, clock: Callable[[], float]) -> None:
        super().__init__(settings, lambda: None, clock)
        self._asked, self._run = asked, run

    def _all(self) -> tuple[LiveRun, ...]:
        self._asked.append("")
        return (self._run,)

    def _one(self, run_id: str) -> tuple[LiveRun, ...]:
        self._asked.append(run_id)
        return (self._run,)


class _Busy(_Counted):
    """Lists its run, and takes its time to tell of its steps."""

    answers = threading.Event()

    def _one(self, run_id: str) -> tuple[LiveRun, ...]:
        self.answers.wait(60)
        return super()._one(run_id)


def live(run: str, **facts: Any) -> LiveRun:
    told = {"flow_run": "f", "kind": "import", "profile": "staff", "undoes": "", "origin": "schedule"}
    return LiveRun(**{**told, "run": run, "started": 1000.0, "state": "Running", "message": "", **facts})


def test_a_run_that_says_nothing_for_long_is_doubted() -> None:
    run = live("r", steps=(("fetch", 1010.0),))

    assert run.silent_since(1010.0 + SILENT_SECONDS) is None
    assert run.silent_since(1011.0 + SILENT_SECONDS) == 1010.0
    assert live("r", finished=1020.0).silent_since(9999.0) is None


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"request": {"profile": "staff"}}, ("import", "staff", "")),
        ({"request": {"profile": "staff", "simulate": True}}, ("simulate", "staff", "")),
        ({"request": {"run": "20261122-000000-00000000"}}, ("undo", "", "20261122-000000-00000000")),
        ({"answer": {"profile": "staff", "checksum": "0" * 32}}, ("import", "staff", "")),
        ({"request": {"profile": ["a"], "run": 3}}, ("undo", "", "")),
        ({"request": "staff"}, ("import", "", "")),
        ({}, ("import", "", "")),
    ],
)
def test_what_a_run_is_asked_for_is_read_from_parameters_that_anybody_chose(
    parameters: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert asked_for(parameters) == expected


def test_a_failed_run_that_is_retried_is_watched_until_that_ends(
    client: Browser, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "broken.csv").write_bytes(b"\xff\xfe\x00\xd8broken")
    with pytest.raises(SourceError):
        run_import(open_job(request_for("staff", place / "broken.csv", Settings()), Settings()), as_function)
    with open_store(Settings()).open() as connection:
        [failed] = list_runs(connection)
    address = f"/runs/{failed['run']}"
    assert failed["status"] == "failed" and "/progress" not in client.get(address).text

    again = live(failed["run"], steps=(("fetch", 1010.0),))
    monkeypatch.setattr(UnderWay, "runs", lambda _: [again])
    monkeypatch.setattr(UnderWay, "run", lambda *_: again)
    assert f'hx-get="{address}/progress"' in client.get(address).text
    assert "Fetch the file" in client.get(f"{address}/progress").text

    monkeypatch.setattr(UnderWay, "runs", lambda _: [])
    assert client.get(f"{address}/progress").headers["hx-redirect"] == address
    assert "/progress" not in client.get(address).text


def test_a_run_that_nobody_knows_is_told_calmly(client: Browser) -> None:
    run = new_run_id(datetime.now(UTC))

    found: list[httpx.Response] = [client.get(f"/runs/{run}{part}") for part in ("", "/progress", "/prefect")]

    assert [answer.status_code for answer in found] == [404, 404, 404]
