import pytest

from tasks.errors import SourceError, StoreBusyError, TransientSourceError
from tasks.retry import FETCH, STORE, RetryPolicy, call_with_retries, waited

BUSY = TransientSourceError("source-busy", "503")


def call(failures: list[Exception], policy: RetryPolicy = FETCH) -> tuple[object, list[float]]:
    """What came of a function that fails with one error after the other, and the pauses in between."""
    pauses: list[float] = []

    def attempt() -> str:
        if failures:
            raise failures.pop(0)
        return "done"

    try:
        return call_with_retries(attempt, policy, pauses.append), pauses
    except (SourceError, StoreBusyError) as error:
        return error, pauses


def test_a_fetch_is_tried_again_after_1_2_4_and_8_seconds() -> None:
    result, pauses = call([BUSY] * 4)

    assert result == "done"
    assert all(
        delay * (1 - FETCH.jitter) <= pause <= delay * (1 + FETCH.jitter)
        for delay, pause in zip((1, 2, 4, 8), pauses, strict=True)
    )


def test_the_last_failure_is_told_when_the_attempts_are_used_up() -> None:
    failures: list[Exception] = [BUSY] * 6

    assert call(failures)[0] is BUSY
    assert len(failures) == 1


def test_a_failure_that_stays_is_told_at_once() -> None:
    gone = SourceError("source-gone", "404")

    assert call([gone]) == (gone, [])


def test_each_kind_of_failure_has_its_policy() -> None:
    busy = StoreBusyError("store-busy", "locked")

    assert call([busy], STORE)[0] == "done"
    assert call([busy], FETCH) == (busy, [])


@pytest.mark.parametrize(("asked", "least"), [(30.0, 30.0), (3600.0, 60.0), (-5.0, 0.0)])
def test_what_a_server_asks_is_waited_up_to_a_minute(asked: float, least: float) -> None:
    _, (pause,) = call([TransientSourceError("source-busy", "503", asked)])

    assert least < pause <= least + 1 + FETCH.jitter


def test_no_attempt_starts_after_three_minutes() -> None:
    asks = TransientSourceError("source-busy", "503", 60)

    assert FETCH.allows(asks, 1, 0)
    assert FETCH.allows(asks, 3, 116)
    assert not FETCH.allows(asks, 3, 117)
    assert FETCH.allows(waited(asks), 3, 117)
