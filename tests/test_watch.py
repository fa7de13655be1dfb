"""A mark stands for "nobody wrote since", and for nothing less."""

from pathlib import Path

import pytest
import sqlalchemy as sa

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
