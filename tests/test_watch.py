"""A mark stands for "nobody wrote since", and for nothing less."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from flows.order import as_function, make_plan, take_in
from tasks.apply import Applying, apply_plan
from tasks.errors import StaleError
from tasks.store.registrar_schema import sip_facts
from tasks.store.store import open_store
from tasks.store.tables import users
from tests.world import World, people


@pytest.fixture
def sqlite(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_mark_stays_while_nobody_writes(sqlite: World) -> None:
    before = sqlite.store.watch.mark()
    sqlite.users()

    assert before and sqlite.store.watch.mark() == before


def test_a_mark_goes_when_another_connection_commits(sqlite: World) -> None:
    before = sqlite.store.watch.mark()
    sqlite.by_hand(sa.insert(users).values(login="a", display_name="A"))

    assert sqlite.store.watch.mark() != before


def test_a_mark_stays_while_another_connection_has_not_committed(sqlite: World) -> None:
    before = sqlite.store.watch.mark()
    with sqlite.store.open() as connection:
        connection.lock_for_writing()

        assert sqlite.store.watch.mark() == before


def test_marks_of_two_processes_are_never_equal(sqlite: World) -> None:
    assert sqlite.store.watch.mark() != open_store(sqlite.settings).watch.mark()


def test_a_mark_taken_before_a_commit_that_the_transaction_sees_is_not_the_present_one(sqlite: World) -> None:
    with sqlite.store.open() as connection:
        sqlite.imports(people("a,A"))

        assert connection.mark != sqlite.store.watch.mark()


def write_by(process: str, world: World) -> None:
    """A commit by another connection of this process, or by another process through Python's own SQLite."""
    if process == "this":
        world.by_hand(sa.update(users).values(display_name="New"))
        return
    code = """if True:
        import sqlite3, sys
        connection = sqlite3.connect(sys.argv[1])
        connection.execute("UPDATE users SET display_name = 'New'")
        connection.commit()
        connection.close()
    """
    subprocess.run([sys.executable, "-c", code, str(world.home / "phonesystem.db")], check=True)


def pragma(world: World, text: str) -> None:
    with world.connection() as connection:
        connection.rollback()
        connection._adbc.adbc_connection.set_autocommit(True)
        connection.execute(text)
        connection._adbc.adbc_connection.set_autocommit(False)


@pytest.mark.parametrize("process", ["this", "another"])
@pytest.mark.parametrize("mode", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_a_checkpoint_after_a_commit_does_not_hide_it(sqlite: World, process: str, mode: str) -> None:
    sqlite.imports(people("a,A"))
    before = sqlite.store.watch.mark()
    write_by(process, sqlite)
    pragma(sqlite, f"PRAGMA wal_checkpoint({mode})")

    assert sqlite.store.watch.mark() != before


def test_a_checkpoint_between_two_commits_makes_no_mark_come_back(sqlite: World) -> None:
    sqlite.imports(people("a,A"))
    marks = [sqlite.store.watch.mark()]
    for name in ("New", "A", "New", "A"):
        pragma(sqlite, "PRAGMA wal_checkpoint(TRUNCATE)")
        sqlite.by_hand(sa.update(users).values(display_name=name))
        marks.append(sqlite.store.watch.mark())

    assert len(set(marks)) == len(marks)


def test_a_vacuum_does_not_hide_a_commit(sqlite: World) -> None:
    sqlite.imports(people("a,A"))
    sqlite.reopened()
    pragma(sqlite, "VACUUM")
    before = sqlite.store.watch.mark()
    write_by("another", sqlite)
    pragma(sqlite, "VACUUM")

    assert sqlite.store.watch.mark() != before


def test_the_attached_registrar_is_not_watched_and_hides_no_commit(sqlite: World) -> None:
    sqlite.imports(people("a,A"))
    before = sqlite.store.watch.mark()
    sqlite.by_hand(sa.update(sip_facts).values(value=sip_facts.c.value))
    assert sqlite.store.watch.mark() == before

    sqlite.by_hand(sa.update(sip_facts).values(value=sip_facts.c.value), sa.update(users).values(display_name="New"))
    assert sqlite.store.watch.mark() != before


@pytest.mark.parametrize("how", ["replaced", "overwritten"])
def test_a_backup_that_was_put_back_is_another_phone_system(sqlite: World, how: str) -> None:
    """The watching connection goes on with the former file, whose `data_version` never changes again."""
    sqlite.imports(people("a,A"))
    live, backup = sqlite.home / "phonesystem.db", sqlite.home / "backup.db"
    shutil.copy(live, backup)
    pragma(sqlite, "PRAGMA wal_checkpoint(TRUNCATE)")
    sqlite.by_hand(sa.update(users).values(display_name="Later"))
    pragma(sqlite, "PRAGMA wal_checkpoint(TRUNCATE)")
    job = sqlite.job(people("a,New"))
    plan = make_plan(take_in(job, as_function).records, job, as_function)
    assert plan.mark
    if how == "replaced":
        backup.replace(live)
    else:
        live.write_bytes(backup.read_bytes())

    with pytest.raises(StaleError):
        apply_plan(plan, Applying(job.run, job.store, job.clock))
