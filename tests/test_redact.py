import asyncio
import logging
import sys
import traceback
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from tasks.errors import SourceError
from tasks.prefect_settings import LOGGING
from tasks.redact import RedactedError, RedactFilter, safe, safe_flow, scrubbed

CANARY = "CANARY-5ecret"


@safe
def fail_with_a_cell(cell: str) -> None:
    raise ValueError(f"bad cell {cell}")


@safe
def fail_on_purpose(cell: str) -> None:
    try:
        raise ValueError(f"bad cell {cell}")
    except ValueError as error:
        raise SourceError("source-broken", "The file is broken.") from error


def test_an_unexpected_failure_keeps_its_kind_and_loses_its_words() -> None:
    with pytest.raises(RedactedError, match=r"^ValueError at test_redact\.py:\d+ \(details withheld\)$"):
        fail_with_a_cell(CANARY)


@pytest.mark.parametrize("fail", [fail_with_a_cell, fail_on_purpose])
def test_nothing_that_left_the_boundary_leads_back_to_the_original(fail: Any) -> None:
    with pytest.raises((RedactedError, SourceError)) as raised:
        fail(CANARY)

    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_our_own_error_passes_as_it_is() -> None:
    with pytest.raises(SourceError, match=r"^The file is broken\.$"):
        fail_on_purpose(CANARY)


def test_a_panic_of_polars_does_not_slip_through() -> None:
    @safe
    def panic() -> None:
        raise pl.exceptions.PanicException(CANARY)

    with pytest.raises(RedactedError, match="PanicException"):
        panic()


def test_a_flow_has_the_same_boundary() -> None:
    @safe_flow
    async def fail() -> None:
        raise KeyError(CANARY)

    with pytest.raises(RedactedError, match="KeyError at") as raised:
        asyncio.run(fail())

    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_an_interrupt_stays_an_interrupt_and_tells_nothing() -> None:
    @safe
    def stop() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError:
            raise KeyboardInterrupt(CANARY)  # noqa: B904 - as a signal would arrive here

    with pytest.raises(KeyboardInterrupt) as raised:
        stop()

    assert CANARY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://user:{CANARY}@hr.example/users.csv",
        f"https://user:p@{CANARY}@hr.example/",
        f"postgresql+psycopg://rollcall:{CANARY}@db/rollcall",
        f"password={CANARY}",
        f'{{"pin": "{CANARY}"}}',
        f"Kennwort: {CANARY}",
        f"Authorization: Basic {CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"https://hr.example/users.csv?token={CANARY}&page=1",
    ],
)
def test_what_is_known_as_a_secret_is_taken_out_of_a_text(text: str) -> None:
    assert CANARY not in scrubbed(text)


@pytest.mark.parametrize(
    "text", ["https://hr.example/@x", "3 pins, 2 passwords", "user@example.org", "https://h/a b@c"]
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrubbed(text) == text


def test_a_log_record_loses_arguments_exceptions_and_stack_values(caplog: pytest.LogCaptureFixture) -> None:
    formatter = logging.Formatter()
    try:
        raise ValueError(CANARY)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "password=%s", (CANARY,), sys.exc_info())

    assert RedactFilter().filter(record)

    text = formatter.format(record)
    assert CANARY not in text
    assert CANARY not in repr(vars(record))
    assert "test_redact.py" in text
    assert "ValueError (details withheld)" in text


def test_a_record_that_cannot_be_formatted_is_cleaned_all_the_same() -> None:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "two %s %s", ("one",), None)

    assert RedactFilter().filter(record)
    assert record.getMessage() == "two %s %s"


def test_every_handler_of_prefects_logging_carries_the_filter_and_nothing_else_differs() -> None:
    import prefect.logging.configuration

    theirs = yaml.safe_load(Path(prefect.logging.configuration.__file__).with_name("logging.yml").read_text())
    ours = yaml.safe_load(LOGGING.read_text())

    assert all(handler.pop("filters") == ["redact"] for handler in ours["handlers"].values())
    assert ours.pop("filters") == {"redact": {"()": "tasks.redact.RedactFilter"}}
    assert ours["loggers"].pop("rollcall") == {"level": "${PREFECT_LOGGING_LEVEL}"}
    assert ours == theirs
