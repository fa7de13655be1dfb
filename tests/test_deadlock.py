"""Deadlocks and serialisation failures of a real PostgreSQL are tried again, and the apply gets through."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.order import as_function, make_plan, take_in
from tasks.apply import Applying, apply, apply_plan
from tasks.errors import StoreBusyError
from tasks.retry import STORE, call_with_retries
from tasks.run import Outcome
from tasks.store.tables import phonebook, users
from tests.servers import PostgreSQL
from tests.world import World, counts, people

HEADER = "username,displayname,job"
PATIENCE_SECONDS = 20


class Attempts:
    """An apply of one change, as often as the policy of apply's task tries it; `failures` are what it met."""

    def __init__(self, world: World) -> None:
        job = world.job(people("a,New,boss", header=HEADER))
        self.plan = make_plan(take_in(job, as_function).records, job, as_function)
        self.applying = Applying(job.run, job.store, job.clock)
        self.failures: list[StoreBusyError] = []

    def start(self, pool: ThreadPoolExecutor) -> Future[Outcome]:
        assert apply.conduct.retries is STORE
        return pool.submit(call_with_retries, self._once, STORE)

    def _once(self) -> Outcome:
        try:
            return apply_plan(self.plan, self.applying)
        except StoreBusyError as error:
            self.failures.append(error)
            raise


@pytest.fixture
def world(tmp_path: Path, postgresql: PostgreSQL) -> World:
    world = World(tmp_path, postgresql.new_database())
    world.imports(people("a,A,clerk", header=HEADER))
    return world


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def failures_of(server: PostgreSQL, world: World, name: str) -> int:
    """How many deadlocks the server counted in this database, or how many sessions of it wait for a lock."""
    database = world.settings.store_url().rpartition("/")[2]
    if name == "deadlocks":
        return int(server.run(f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'"))
    return int(
        server.run(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'")
    )


def test_an_apply_that_is_the_victim_of_a_deadlock_is_tried_again(world: World, postgresql: PostgreSQL) -> None:
    attempts = Attempts(world)
    person, entry = users.c.login == "a", phonebook.c.display_name == "A"
    with ThreadPoolExecutor(2) as pool, world.connection() as other:
        # Only the apply looks for deadlocks in time, so that it is the victim.
        other.execute("SET LOCAL deadlock_timeout = '60s'")
        other.execute(sa.update(phonebook).where(entry).values(notes=phonebook.c.notes))
        applied = attempts.start(pool)
        wait_until(lambda: failures_of(postgresql, world, "waiting") == 1)
        locked = pool.submit(other.execute, sa.update(users).where(person).values(enabled=users.c.enabled))
        locked.result(PATIENCE_SECONDS)
        other.commit()
        outcome = applied.result(PATIENCE_SECONDS)

    wait_until(lambda: failures_of(postgresql, world, "deadlocks") == 1)
    assert len(attempts.failures) >= 1 and outcome.status == "applied"
    assert world.users()["a"]["display_name"] == "New"
    assert [run["status"] for run in world.runs()] == ["applied", "applied"]
    assert counts(world.imports(people("a,New,boss", header=HEADER))) == {"unchanged": 1}


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_an_apply_that_cannot_be_serialised_is_tried_again(
    world: World, postgresql: PostgreSQL, isolation: str
) -> None:
    database = world.settings.store_url().rpartition("/")[2]
    postgresql.run(f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'")
    attempts = Attempts(world)
    with ThreadPoolExecutor(1) as pool, world.connection() as other:
        other.lock_for_writing()
        other.execute(sa.update(users).where(users.c.login == "a").values(enabled=users.c.enabled))
        applied = attempts.start(pool)
        wait_until(lambda: failures_of(postgresql, world, "waiting") == 1)
        other.commit()
        outcome = applied.result(PATIENCE_SECONDS)

    assert len(attempts.failures) == 1 and outcome.status == "applied"
    assert world.users()["a"]["display_name"] == "New"
