"""A held import waits in the database, is answered once, and is applied from the file that its approver saw."""

from dataclasses import replace
from pathlib import Path

import pytest

from flows.order import as_function, run_import
from tasks.errors import HeldError
from tasks.held import forget_held, read_held
from tests.world import World, counts, people

EMPTY = "username,displayname\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def held(world: World) -> str:
    world.imports(people("a,A", "b,B"))
    report = world.imports(EMPTY)
    assert report.plan.held is not None and len(world.users()) == 2
    return report.plan.checksum


def test_an_approved_plan_is_made_from_the_file_that_was_kept(world: World) -> None:
    checksum = held(world)
    waiting = read_held(world.store, "users", checksum)
    job = world.job("username,displayname\nother,Other\n", approve=checksum)

    report = run_import(replace(job, fetching=lambda _: waiting.source), as_function)

    assert (counts(report), world.users()) == ({"remove": 2}, {})
    assert [run["status"] for run in world.runs()] == ["applied", "held", "applied"]


def test_a_refused_import_cannot_be_approved_or_refused_again(world: World) -> None:
    checksum = held(world)

    refused = forget_held(world.store, "users", checksum)

    assert refused == world.runs()[0]["run"]
    for answer in (read_held, forget_held):
        with pytest.raises(HeldError, match="No import of users is held under this checksum"):
            answer(world.store, "users", checksum)


def test_an_answer_fits_only_its_own_profile_and_checksum(world: World) -> None:
    checksum = held(world)

    for profile, wrong in (("users", "0" * 32), ("others", checksum)):
        with pytest.raises(HeldError):
            read_held(world.store, profile, wrong)
