"""A command on a machine without a Prefect server: its run is recorded all the same."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from prefect.server.utilities.messaging import Message
from prefect.server.utilities.messaging.memory import Cache, Consumer, Publisher

from tasks.prefect_server import Receive, Scope, Send, ends_when_told_all

PROGRAM = """
import asyncio
from tasks.prefect_server import start_server
wait = start_server()
from prefect import flow, task
wait()
@task(task_run_name="count")
def count(number): return number
@flow
async def count_to_ten():
    return [count(number) for number in range(10)]
print(asyncio.run(count_to_ten()))
"""


def environment(home: Path) -> dict[str, str]:
    unset = ("PREFECT_API_URL", "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE")
    return {name: value for name, value in os.environ.items() if name not in unset} | {
        "PREFECT_HOME": str(home),
        "PYTHONPATH": str(Path(__file__).parent.parent),
    }


def test_all_task_runs_are_recorded_in_prefects_home(tmp_path: Path, migrated_database: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(migrated_database.read_bytes())

    said = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == f"{list(range(10))}\n"
    assert said.stderr == ""
    connection = sqlite3.connect(tmp_path / "prefect.db")
    recorded = connection.execute("select name, state_name, count(*) from task_run group by 1, 2").fetchall()
    connection.close()
    assert recorded == [("count", "Completed", 10)]


async def slow_consumer(taken: list[int]) -> None:
    async def take(message: Message) -> None:
        await asyncio.sleep(0.05)
        taken.append(len(message.data))

    await Consumer("rollcall-test").run(take)


async def told_and_shut_down() -> list[int]:
    taken: list[int] = []
    consumer = asyncio.create_task(slow_consumer(taken))
    await asyncio.sleep(0)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        consumer.cancel()

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.shutdown"}

    async def send(message: object) -> None:
        raise AssertionError("the application of this test sends nothing")

    for number in range(10):
        await Publisher("rollcall-test", Cache()).publish_data(b"*" * number, {})
    await ends_when_told_all(application)({"type": "lifespan"}, receive, send)
    return taken


def test_the_server_shuts_down_only_when_all_events_are_taken() -> None:
    assert sorted(asyncio.run(told_and_shut_down())) == list(range(10))


def test_the_server_ends_with_a_process_that_was_killed(tmp_path: Path, migrated_database: Path) -> None:
    (tmp_path / "prefect.db").write_bytes(migrated_database.read_bytes())
    program = "from tasks.prefect_server import start_server; start_server()(); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment(tmp_path),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"up\n"
        (server,) = Path(f"/proc/{command.pid}/task/{command.pid}/children").read_text().split()
        command.send_signal(signal.SIGKILL)
        command.wait()

    for _ in range(100):
        if not is_running(int(server)):
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its command")


def is_running(process: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("variables", "profiles"),
    [
        ({"PREFECT_API_URL": "http://prefect.example/api"}, ""),
        ({"PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false"}, ""),
        ({}, 'active = "work"\n[profiles.work]\nPREFECT_API_URL = "http://prefect.example/api"\n'),
    ],
)
def test_no_server_is_started_where_there_is_one_or_none_is_wanted(
    tmp_path: Path, variables: dict[str, str], profiles: str
) -> None:
    (tmp_path / "profiles.toml").write_text(profiles)
    program = """
import os, tasks.prefect_server as s
s.start_server()()
print(os.environ.get("PREFECT_API_URL"), open(f"/proc/self/task/{os.getpid()}/children").read())
"""

    said = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(tmp_path) | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.split() == [variables.get("PREFECT_API_URL", "None")]
