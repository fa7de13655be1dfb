"""Steps that fail, as tasks of a real flow on a real server: what is tried again, what is told."""

import time
from pathlib import Path

import pytest
from conftest import PrefectServer
from flow_runs import run
from test_step import PROFILE, SOURCE, decode

from tasks.errors import SourceError, TransientSourceError, WrongUseError
from tasks.output import Source, Table, Text
from tasks.redact import RedactedError
from tasks.retry import RetryPolicy
from tasks.step import Step, step


def failing(errors: list[Exception]) -> Step[[Source], Source]:
    """A step that fails with one error after the other and then succeeds."""

    def fetch_after_errors(source: Source) -> Source:
        if errors:
            raise errors.pop(0)
        return source

    policy = RetryPolicy((TransientSourceError,), (0.01, 0.01))
    return step("fetch", version=1, retries=policy)(fetch_after_errors)


def test_a_failure_that_may_pass_is_tried_again(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    fetch = failing([TransientSourceError("source-busy", "try later"), TransientSourceError("source-busy", "again")])

    done = run(lambda: fetch(SOURCE))

    assert done.states() == {"fetch": "Completed"}
    assert done.output.data == SOURCE.data


def test_what_a_server_asks_to_wait_is_waited(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    fetch = failing([TransientSourceError("source-busy", "try later", retry_after_seconds=0.5)])

    started = time.monotonic()
    done = run(lambda: fetch(SOURCE))

    assert done.states() == {"fetch": "Completed"}
    assert time.monotonic() - started >= 0.5


def test_a_failure_that_stays_is_not_tried_again(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    errors: list[Exception] = [SourceError("source-gone", "404"), SourceError("source-gone", "never raised")]
    fetch = failing(errors)

    failed = run(lambda: fetch(SOURCE))

    assert failed.states() == {"fetch": "Failed"}
    assert len(errors) == 1
    assert isinstance(failed.output, SourceError)
    assert failed.output.code == "source-gone"


def test_an_unexpected_failure_says_its_place_and_nothing_else(
    prefect_server: PrefectServer, rollcall_home: Path
) -> None:
    def parse_badly(text: Text) -> Table:
        raise ValueError(f"cannot read {text.data!r}")

    badly = step("parse", version=1)(parse_badly)

    failed = run(lambda: badly(decode(SOURCE, PROFILE)))

    assert isinstance(failed.output, RedactedError)
    assert "details withheld" in failed.messages()["parse"]
    assert "mmuster" not in failed.messages()["parse"]


def test_without_a_key_a_cached_step_does_not_start(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path / "empty"))

    failed = run(lambda: decode(SOURCE, PROFILE))

    assert isinstance(failed.output, WrongUseError)
    assert failed.output.code == "key-missing"


def test_a_cached_step_must_return_an_output(prefect_server: PrefectServer, rollcall_home: Path) -> None:
    def count_nothing(text: Text) -> int:
        return 0

    wrong = step("parse", version=1)(count_nothing)

    assert isinstance(run(lambda: wrong(decode(SOURCE, PROFILE))).output, TypeError)
