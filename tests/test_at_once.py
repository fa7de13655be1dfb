"""Processes that meet at one phone system wait for each other: nothing is lost, doubled or stuck."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.store.tables import users
from tasks.store.waiting import SLICE_SECONDS
from tests.large_import import rows_of
from tests.servers import PostgreSQL
from tests.state import state_of
from tests.test_crash import start
from tests.world import World, counts, people

HERE = Path(__file__).parent.parent


def finished(*processes: subprocess.Popen[str]) -> list[str]:
    """The last line of each process, all of which end well."""
    said = [process.communicate(timeout=120)[0].splitlines()[-1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return said


def test_two_imports_of_one_profile_at_once_both_apply_and_the_last_one_stands(world: World) -> None:
    finished(
        start(world, "users", rows_of(500, "one", phones_from=0), "one"),
        start(world, "users", rows_of(500, "two", phones_from=1), "two"),
    )

    names = {user["display_name"].split()[0] for user in world.users().values()}
    assert len(world.users()) == 500 and len(names) == 1
    assert [run["status"] for run in world.runs()] == ["applied", "applied"]
    last, shift = rows_of(500, "last", phones_from=0 if names == {"one"} else 1), 0 if names == {"one"} else 1
    assert counts(world.simulate(last))["update"] == 500 and not counts(world.simulate(last)).get("conflict")
    assert {phone["login"]: mac for mac, phone in world.phones().items()} == {
        f"u{at}": f"000413{(at + shift) % 500:06x}" for at in range(500)
    }


def test_two_profiles_at_once_over_the_same_extensions_and_phones_give_each_to_one_person(world: World) -> None:
    finished(
        start(world, "first", rows_of(500, "one", login="f", phones_from=0), "one"),
        start(world, "second", rows_of(500, "two", login="s", phones_from=0), "two"),
    )

    state = state_of(world.store)
    numbers = [user["extension"] for user in state.values() if user["extension"]]
    assert sorted(numbers) == [str(200_000 + at) for at in range(500)]
    assert len({user["profile"] for user in state.values() if user["extension"]}) == 1
    assert len({phone["login"][0] for phone in world.phones().values() if phone["login"]}) == 1


def test_two_profiles_at_once_over_one_pool_give_everybody_a_number_of_his_own(world: World) -> None:
    finished(
        start(world, "first", rows_of(500, "one", login="f", numbers=False), "one"),
        start(world, "second", rows_of(500, "two", login="s", numbers=False), "two"),
    )

    numbers = [user["extension"] for user in state_of(world.store).values()]
    assert len(numbers) == 1000 and None not in numbers and len(set(numbers)) == 1000


def test_an_import_waits_for_another_writer_instead_of_failing(world: World) -> None:
    with world.connection() as connection:
        connection.lock_for_writing()
        process = start(world, "users", rows_of(5, "one"), "one")
        assert process.stdout is not None and process.stdout.readline() == "planned\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)

    assert finished(process) == ["applied"] and len(world.users()) == 5


def test_whoever_waits_for_another_writer_says_so(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(1) as pool, world.connection() as connection:
        connection.lock_for_writing()
        waiting = pool.submit(world.imports, people("a,A"))
        while not caplog.messages and not waiting.done():
            time.sleep(0.1)
        time.sleep(2 * SLICE_SECONDS)
        assert not waiting.done()
        connection.rollback()
        assert waiting.result(60).outcome is not None

    assert caplog.messages == ["Another process is writing to the phone system; waiting until it is done."]
    assert set(world.users()) == {"a"}


def test_four_processes_may_migrate_an_empty_database_at_once(postgresql: PostgreSQL, tmp_path: Path) -> None:
    for url in ("", postgresql.new_database()):
        home = tmp_path / ("postgresql" if url else "sqlite")
        home.mkdir()
        code = "import pathlib, sys, tests.world as w; w.World(pathlib.Path(sys.argv[1]), sys.argv[2] or None)"
        command = [sys.executable, "-c", code, str(home), url]
        four = [subprocess.Popen(command, cwd=HERE) for _ in range(4)]
        assert [process.wait(60) for process in four] == [0] * 4
        assert World(home, url or None).users() == {}


def test_read_and_close_beside_an_open_apply_does_not_drop_its_lock(tmp_path: Path) -> None:
    """Decision 34: the lock of a second SQLite library in this process would be dropped, and a commit be lost."""
    world = World(tmp_path)
    with world.connection() as connection:
        connection.lock_for_writing()
        connection.execute(sa.insert(users).values(login="a", display_name="A"))
        world.users()
        world.runs()
        world.store.watch.mark()
        assert _other_process_writes(tmp_path) == "database is locked"
        connection.commit()

    assert _other_process_writes(tmp_path) == "written"
    assert world.users()["a"]["display_name"] == "A"


def _other_process_writes(home: Path) -> str:
    code = """if True:
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1], timeout=0.3)
        try:
            connection.execute("UPDATE meta SET value = 'x' WHERE key = 'lock'")
            connection.commit()
            print("written")
        except sqlite3.OperationalError as error:
            print(error)
        connection.close()
    """
    command = [sys.executable, "-c", code, str(home / "phonesystem.db")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
