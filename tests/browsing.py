"""A browser of the console for tests: a real HTTP client on a console that listens on loopback."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from deployments.console.access import Access, Person, Role
from deployments.console.app import create_app
from deployments.console.work import perform
from tasks.settings import Settings
from tests.world import TEMPLATE

__all__ = ["browsers", "client", "place"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with one profile."""
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROLLCALL_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.setenv("ROLLCALL_UPLOAD_LIMIT_BYTES", str(1 << 20))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "staff.yaml").write_text(TEMPLATE.read_text("utf-8"), "utf-8")
    return tmp_path


def local(role: Role) -> Access:
    return Access(file=Path("none"), local=Person("local", role), hosts=frozenset({"127.0.0.1"}))


class Browser(httpx.Client):
    """A client of a console that listens on loopback; its jobs are done at once, in this process."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", proxy_headers=False)
        self.app, self.server = app, uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.005)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        super().__init__(base_url=f"http://127.0.0.1:{port}", follow_redirects=True, timeout=30)

    def close(self) -> None:
        super().close()
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def browsers(place: Path) -> Iterator[Callable[..., Browser]]:
    """Opens consoles of the installation, with the access that a test wants."""
    opened: list[Browser] = []

    def browser(access: Access | None = None) -> Browser:
        app = create_app(Settings(), access or local(Role.ADMIN))
        app.state.site.desk.hand_over = lambda job: perform(job.id)
        opened.append(Browser(app))
        opened[-1].get("/profiles")
        return opened[-1]

    yield browser
    for each in opened:
        each.close()


def token(client: Browser, path: str = "/login") -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def send(client: Browser, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data={"csrf": token(client), **fields})


def simulate(client: Browser, content: bytes, profile: str = "staff") -> httpx.Response:
    files = {"file": ("users.csv", content)}
    return client.post(f"/profiles/{profile}/simulate", data={"csrf": token(client)}, files=files)


@pytest.fixture
def client(browsers: Callable[..., Browser]) -> Browser:
    """A browser of the only administrator."""
    return browsers()
