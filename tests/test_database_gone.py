"""A database that is gone for a moment, as at a restart: an import waits for it instead of failing."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import PrefectServer
from import_runs import run_import_flow, write_profile

from flows.order import as_function, simulate_import
from flows.undo_order import run_undo
from tests.servers import PostgreSQL
from tests.world import SEED, World, counts, people

GONE_SECONDS = 1.0


@contextmanager
def gone_for_a_moment(server: PostgreSQL, url: str) -> Generator[None]:
    """The database takes no connection, and soon takes them again."""
    name = url.rpartition("/")[2]
    server.run(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    back = threading.Timer(GONE_SECONDS, server.run, [f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"])
    back.start()
    try:
        yield
    finally:
        back.join()


def test_plans_of_imports_and_undos_wait_for_the_database(postgresql: PostgreSQL, tmp_path: Path) -> None:
    world = World(tmp_path, url := postgresql.new_database())
    run = world.imports(people("a,A")).outcome
    job, undo = world.job(people("a,A", "b,B")), world.undo_job(run.run if run else "")

    with gone_for_a_moment(postgresql, url):
        assert counts(simulate_import(job)) == {"create": 1, "unchanged": 1}
    with gone_for_a_moment(postgresql, url):
        assert counts(run_undo(undo, as_function)) == {"remove": 1}


def test_a_run_waits_for_the_database_before_its_first_step(
    postgresql: PostgreSQL,
    prefect_server: PrefectServer,
    rollcall_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgresql.new_database()
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", url)
    with gone_for_a_moment(postgresql, url):
        done = run_import_flow(write_profile(tmp_path), SEED)

    assert counts(done.output) == {"create": 1}
