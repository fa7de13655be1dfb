"""The whole installation as administrators run it: `rollcall up` with a process worker, all of it on PostgreSQL.

The stack runs in processes of its own and is asked through Prefect's API, as any other client would ask it.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
from servers import PostgreSQL, free_port

ROOT = Path(__file__).parent.parent
PROFILE = ROOT / "tasks" / "template" / "users-from-csv.yaml"
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
PATIENCE_SECONDS = 240
"""How long a test waits for a process: a bound for what hangs, no claim about speed, since a machine may be busy."""
T = TypeVar("T")


def until(ready: Callable[[], T], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true value; fails when the patience is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := ready():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds:g} s")


@dataclass
class Stack:
    """An installation: its folder, its databases, its processes."""

    folder: Path
    environment: Mapping[str, str]
    up: "subprocess.Popen[bytes] | None" = None
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from deployments.cli import main; main()", *words]

    def rollcall(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command of the command line to its end."""
        return subprocess.run(
            self.command(*words), env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def start(self) -> None:
        """`rollcall up`; returns when the worker is online."""
        with (self.folder / "up.log").open("ab") as log:
            command, where = self.command("up"), {"env": self.environment, "cwd": self.folder}
            self.up = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **where)
        told = self.folder / "up.log"
        until(lambda: self.up is None or self.up.poll() is not None or "Ctrl-C" in told.read_text(), "rollcall up")
        assert self.up.poll() is None, told.read_text()
        until(self.online, "a worker")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Ends `rollcall up` as a person or a service manager does; gives its exit code."""
        assert self.up is not None
        self.up.send_signal(number)
        code = self.up.wait(60)
        self.up = None
        (self.folder / "up.log").write_text("")
        return code

    def start_worker(self) -> None:
        """One more worker, as on another machine."""
        with (self.folder / "worker.log").open("ab") as log:
            command = self.command("worker")
            self.workers.append(
                subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
            )

    def stop_workers(self) -> None:
        """Ends the workers that were started in addition."""
        while self.workers:
            worker = self.workers.pop()
            worker.terminate()
            worker.wait(30)

    def processes(self) -> list[int]:
        """The ids of all processes that bear this stack's mark in their environment."""
        mark = f"ROLLCALL_TEST_STACK={self.environment['ROLLCALL_TEST_STACK']}".encode()
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    ours = mark in (entry / "environ").read_bytes()
                    alive = b"State:\tZ" not in (entry / "status").read_bytes()
                except OSError:
                    continue
                if ours and alive:
                    found.append(int(entry.name))
        return found

    def kill_worker(self) -> None:
        """Kills the worker of `rollcall up` and its flow runs at once, as the loss of a machine does."""
        self._kill(b"worker\0start", b"prefect.engine")

    def kill_runs(self) -> None:
        """Kills the processes of flow runs, as a machine without memory does."""
        self._kill(b"prefect.engine")

    def _kill(self, *words: bytes) -> None:
        for process in self.processes():
            with suppress(OSError):
                command = Path(f"/proc/{process}/cmdline").read_bytes()
                if any(word in command for word in words):
                    os.kill(process, signal.SIGKILL)

    @property
    def auth(self) -> tuple[str, str]:
        return "rollcall", (self.home / "server-password").read_text().strip()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{(self.home / 'server-port').read_text().strip()}"

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """What Prefect's API answers; fails for what it refuses."""
        answer = self.ask(method, path, body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Any answer of Prefect's API."""
        client = str(uuid.uuid4())
        with httpx.Client(base_url=f"{self.url}/api", auth=self.auth, timeout=30) as http:
            token = http.get("/csrf-token", params={"client": client}).json()["token"]
            headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client}
            return http.request(method, path, json=body, headers=headers)

    def online(self) -> int:
        """How many workers are online."""
        workers = self.api("POST", "/work_pools/rollcall/workers/filter", {})
        return sum(worker["status"] == "ONLINE" for worker in workers)

    def run(self, deployment: str, **request: Any) -> str:
        """Starts a run of a deployment by its parameters, as a click in Prefect's pages does; gives its id."""
        answer = self.try_run(deployment, **request)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def try_run(self, deployment: str, **request: Any) -> httpx.Response:
        """The answer to the form of a deployment."""
        found = self.api("GET", f"/deployments/name/{deployment}")
        name = "answer" if deployment.startswith("answer") else "request"
        return self.ask("POST", f"/deployments/{found['id']}/create_flow_run", {"parameters": {name: request}})

    def state(self, run: str) -> dict[str, Any]:
        """The state of a flow run: `type`, `name`, `message`."""
        return self.api("GET", f"/flow_runs/{run}")["state"]

    def ended(self, run: str, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The final state of a flow run."""
        until(lambda: self.state(run)["type"] in ENDED, f"the end of {run} ({self.state(run)})", seconds=seconds)
        return self.state(run)

    def upload(self, rows: Sequence[str], header: str = "username,displayname,phone") -> str:
        """Keeps a CSV as an upload; gives its id."""
        file = self.folder / "users.csv"
        file.write_text("\n".join([header, *rows, ""]))
        done = self.rollcall("upload", str(file))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def profile(self, name: str, **replacements: str) -> None:
        """A profile of the template with other settings."""
        text = PROFILE.read_text()
        for key, value in replacements.items():
            lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in text.splitlines()]
            text = "\n".join(lines) + ("" if f"\n{key}: {value}" in "\n".join(lines) else f"\n{key}: {value}") + "\n"
        (self.folder / "profiles" / f"{name}.yaml").write_text(text)


def people(count: int, start: int = 0) -> list[str]:
    """Rows of an upload: so many people, each with a number of his own."""
    return [f"u{n:04},Person {n},{2000 + n}" for n in range(start, start + count)]


@contextmanager
def running_stack(folder: Path, database: PostgreSQL) -> Generator[Stack]:
    """An installation whose phone system and whose Prefect server live in databases of their own."""
    prefect = database.new_database().replace("+psycopg", "+asyncpg")
    (folder / "profiles").mkdir(parents=True)
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ROLLCALL_"))}
    environment = plain | {
        "PYTHONPATH": str(ROOT),
        "ROLLCALL_TEST_STACK": uuid.uuid4().hex,
        "ROLLCALL_HOME": str(folder / "home"),
        "ROLLCALL_PROFILES": str(folder / "profiles"),
        "ROLLCALL_DATABASE_URL": database.new_database(),
        "ROLLCALL_KEY": "22" * 32,
        "ROLLCALL_URL_ALLOW": "127.0.0.1",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": prefect,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    }
    stack = Stack(folder, environment)
    (folder / "home").mkdir()
    (folder / "home" / "server-port").write_text(f"{free_port()}\n")
    stack.profile("staff")
    try:
        stack.start()
        yield stack
    finally:
        stack.stop_workers()
        if stack.up is not None:
            stack.stop()
