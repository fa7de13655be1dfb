"""What an installation sets up on a Prefect server, used for real: automations that tell people, and many imports."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from stack import Stack, until

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

BLOCK = "webhook/operations"


class Receiver(ThreadingHTTPServer):
    """Serves a CSV to whoever asks, and keeps what it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.told: list[str] = []
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """`GET /NAME.csv` gives two people of that name, `slow` takes its time; what is posted is kept."""

    def do_GET(self) -> None:
        name = self.path.strip("/").removesuffix(".csv")
        self.server.asked.append(name)
        if name == "slow":
            time.sleep(10)
        self._answer(f"username,displayname\n{name}1,One\n{name}2,Two\n".encode())

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def receiver() -> Generator[Receiver]:
    with receiving() as server:
        yield server


def install(stack: Stack, **settings: str) -> str:
    """`python -m deployments.install` as an administrator runs it for a server elsewhere; gives what it says."""
    where = {"PREFECT_API_URL": f"{stack.url}/api", "PREFECT_API_AUTH_STRING": ":".join(stack.auth)}
    command = [sys.executable, "-m", "deployments.install"]
    done = subprocess.run(
        command, env={**stack.environment, **where, **settings}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def automations(stack: Stack) -> dict[str, Any]:
    return {one["name"]: one for one in stack.api("POST", "/automations/filter", {})}


@contextmanager
def notified(stack: Stack, receiver: Receiver) -> Generator[list[str]]:
    """Has the receiver told of what happens; gives what it is told."""
    remove_block(stack)
    make_block(stack, receiver)
    install(stack, ROLLCALL_NOTIFY=BLOCK)
    receiver.told.clear()
    try:
        yield receiver.told
    finally:
        install(stack, ROLLCALL_NOTIFY="")


@contextmanager
def profile(stack: Stack, name: str, **settings: str) -> Generator[None]:
    """A profile that Prefect's forms offer meanwhile."""
    stack.profile(name, **settings)
    install(stack)
    try:
        yield
    finally:
        (stack.folder / "profiles" / f"{name}.yaml").unlink()


def remove_block(stack: Stack) -> None:
    named = {"block_documents": {"name": {"any_": ["operations"]}}}
    for block in stack.api("POST", "/block_documents/filter", named):
        stack.api("DELETE", f"/block_documents/{block['id']}")


def make_block(stack: Stack, receiver: Receiver) -> None:
    """What an administrator does on Prefect's Blocks page."""
    kind = stack.api("GET", "/block_types/slug/webhook")
    schema = stack.api("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind["id"]]}}})
    data = {"method": "POST", "url": receiver.url, "headers": {}}
    block = {"name": "operations", "data": data, "block_type_id": kind["id"], "block_schema_id": schema[0]["id"]}
    stack.api("POST", "/block_documents/", block)


def shorten(stack: Stack, name: str, seconds: int) -> None:
    """Lets an automation wait for seconds where it waits for minutes or days."""
    found = automations(stack)[name]
    keys = ("name", "description", "enabled", "trigger", "actions", "actions_on_trigger", "actions_on_resolve")
    changed = {key: found[key] for key in keys} | {"trigger": {**found["trigger"], "within": seconds}}
    stack.api("PUT", f"/automations/{found['id']}", changed)


def test_installing_again_keeps_what_an_administrator_set(stack: Stack) -> None:
    found = stack.api("GET", "/deployments/name/import-users/import")
    noon = next(entry for entry in found["schedules"] if entry["slug"] == "example-noon")
    stack.api("PATCH", f"/deployments/{found['id']}/schedules/{noon['id']}", {"active": True})
    stack.api("PATCH", "/work_pools/rollcall", {"concurrency_limit": 7})
    lost = automations(stack)["rollcall: take up runs of lost workers"]
    stack.api("PATCH", f"/automations/{lost['id']}", {"enabled": False})

    said = install(stack)

    again = stack.api("GET", "/deployments/name/import-users/import")
    assert again["id"] == found["id"] and said.count("deployed ") == 5
    assert {entry["slug"]: entry["active"] for entry in again["schedules"]} == {
        "example-noon": True,
        "example-weekdays": False,
    }
    assert stack.api("GET", "/work_pools/rollcall")["concurrency_limit"] == 7
    assert automations(stack)["rollcall: take up runs of lost workers"]["enabled"] is False
    stack.api("PATCH", f"/automations/{lost['id']}", {"enabled": True})
    stack.api("PATCH", f"/deployments/{found['id']}/schedules/{noon['id']}", {"active": False})


def test_a_block_that_is_missing_is_named_and_those_no_longer_named_are_told_nothing_more(
    stack: Stack, receiver: Receiver
) -> None:
    remove_block(stack)
    said = install(stack, ROLLCALL_NOTIFY=BLOCK)
    assert f"ROLLCALL_NOTIFY names {BLOCK}, and Prefect has no such block" in said
    make_block(stack, receiver)

    assert "no such block" not in install(stack, ROLLCALL_NOTIFY=BLOCK)
    telling = {name for name in automations(stack) if BLOCK in name}
    assert telling == {
        f"rollcall: tell {BLOCK} of failed runs",
        f"rollcall: tell {BLOCK} of held imports",
        f"rollcall: tell {BLOCK} when nothing was imported for 2 days",
    }
    install(stack, ROLLCALL_NOTIFY="")
    assert not [name for name in automations(stack) if BLOCK in name]


def test_people_are_told_of_failed_held_and_missing_imports(stack: Stack, receiver: Receiver) -> None:
    with profile(stack, "office"), notified(stack, receiver) as told:
        shorten(stack, f"rollcall: tell {BLOCK} when nothing was imported for 2 days", 10)

        assert stack.ended(stack.run("import-users/import", profile="office"))["type"] == "FAILED"
        failed = "Run not done. import office (sync): Failed. "
        until(lambda: any(failed in text for text in told), "word of the failure")
        assert [failed in text and "no file was given" in text for text in told] == [True]
        assert stack.ended(stack.run("undo-import/undo", run="nobody"))["type"] == "FAILED"
        until(lambda: any("Run not done. undo nobody: Failed. " in text for text in told), "word of the undo")
        upload = stack.upload(["a,A,", "b,B,"])
        assert stack.ended(stack.run("import-users/import", profile="office", upload=upload))["name"] == "Applied"
        assert (
            stack.ended(stack.run("import-users/import", profile="office", upload=stack.upload([])))["name"] == "Held"
        )

        plan = "0 create, 0 update, 2 remove, 0 unchanged"
        held = f"Import held: please answer. office: Held: {plan}. The source is empty."
        until(lambda: any(held in text for text in told), "word of the held import")
        missing = "Nothing imported. Profile office imported nothing"
        until(lambda: any(missing in text for text in told), "word of the missing import")


def test_people_are_told_of_a_run_whose_process_is_killed_and_can_retry_it(stack: Stack, receiver: Receiver) -> None:
    with profile(stack, "slow", type="url", url=f"{receiver.url}/slow.csv"):
        with notified(stack, receiver) as told:
            run = stack.run("import-users/import", profile="slow")
            until(lambda: "slow" in receiver.asked, "the run's fetch")

            stack.kill_runs()

            assert stack.ended(run)["name"] == "Crashed"
            until(lambda: any("Run not done. import slow (sync): Crashed. " in text for text in told), "its word")
        stack.api("POST", f"/flow_runs/{run}/set_state", {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}})
        until(lambda: stack.state(run)["name"] == "Applied", "the end of the run that was tried again")


def test_a_run_that_has_ended_is_not_taken_up_again_for_want_of_a_heartbeat(stack: Stack) -> None:
    """The states have names of ours, and the automation waits for the end by name."""
    with profile(stack, "quiet"):
        first = stack.run("import-users/import", profile="quiet", upload=stack.upload(["c,C,"]))
        assert stack.ended(first)["name"] == "Applied"
        shorten(stack, "rollcall: take up runs of lost workers", 10)
        other, none = stack.upload(["d,D,"]), stack.upload([])
        ends = {
            "Simulated": stack.run("import-users/simulate", profile="quiet", upload=other, simulate=True),
            "Held": stack.run("import-users/import", profile="quiet", upload=none),
        }
        assert {stack.ended(run)["name"] for run in ends.values()} == set(ends)

        time.sleep(25)

        assert {name: stack.state(run)["name"] for name, run in ends.items()} == {name: name for name in ends}
        assert {stack.api("GET", f"/flow_runs/{run}")["run_count"] for run in ends.values()} == {1}
    install(stack)


def test_import_many_starts_one_run_a_profile_and_each_tells_its_own_end(stack: Stack, receiver: Receiver) -> None:
    for name in ("north", "south"):
        stack.profile(name, type="url", url=f"{receiver.url}/{name}.csv")
    install(stack)
    stack.api("PATCH", "/work_pools/rollcall", {"concurrency_limit": 2})

    refused = stack.ended(stack.run("import-many/import-many", profiles=["north", "staff"]))
    assert refused["type"] == "FAILED" and "staff: a profile of type upload is imported with its file" in str(refused)
    assert imports_of(stack, "north") == []

    broken = stack.folder / "profiles" / "broken.yaml"
    broken.write_text("title: [")
    partly = stack.ended(stack.run("import-many/import-many", simulate=True))
    broken.unlink()
    assert partly["type"] == "FAILED"
    assert "north, south were started. Not started, mend them:\nbroken: " in partly["message"]
    runs = until(lambda: imports_of(stack, "north") + imports_of(stack, "south"), "the simulations")
    assert [stack.ended(run)["name"] for run in runs] == ["Simulated"] * 2

    assert stack.ended(stack.run("import-many/import-many", profiles=["north", "south"]))["type"] == "COMPLETED"
    started = set(imports_of(stack, "north") + imports_of(stack, "south")) - set(runs)
    assert [stack.ended(run)["name"] for run in started] == ["Applied"] * 2
    people = {user["login"] for user in json.loads(stack.rollcall("users", "--json").stdout)}
    assert people >= {"north1", "north2", "south1", "south2"}


def imports_of(stack: Stack, profile: str) -> list[str]:
    """The runs of the import deployment for a profile."""
    found = stack.api("GET", "/deployments/name/import-users/import")
    runs = stack.api("POST", "/flow_runs/filter", {"deployments": {"id": {"any_": [found["id"]]}}})
    return [run["id"] for run in runs if run["parameters"]["request"]["profile"] == profile]


def test_every_end_of_a_flow_is_known_to_whoever_waits_for_one() -> None:
    """Prefect names the event of an end after its state; one that is missing here would be started again for ever."""
    from prefect.flows import load_flow_from_entrypoint

    from deployments.deploy import definitions
    from deployments.notices import FLOWS, lost_worker
    from flows.occasion import END_NAMES

    sources = [path.read_text("utf-8") for path in (Path(__file__).parent.parent / "flows").glob("*.py")]
    expected = lost_worker().trigger.model_dump()["expect"]

    assert {load_flow_from_entrypoint(one["entrypoint"]).name for one in definitions()} == set(FLOWS)
    assert {f"prefect.flow-run.{name}" for name in END_NAMES} < set(expected)
    assert sum(source.count("Completed(name=") for source in sources) == 2, "a new end: is its name in END_NAMES?"
