"""A held import waits in the database, is answered once, and is applied from the file that its approver saw."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.held_question import question
from flows.order import as_function, run_import
from flows.request import now
from tasks.errors import HeldError
from tasks.held import forget_held, read_held
from tasks.run import timestamp
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
    waiting = read_held(world.store, "users", checksum, now())
    job = world.job("username,displayname\nother,Other\n", approve=checksum)

    report = run_import(replace(job, fetching=lambda _: waiting.source), as_function)

    assert (counts(report), world.users()) == ({"remove": 2}, {})
    assert [run["status"] for run in world.runs()] == ["applied", "held", "applied"]


def test_a_refused_import_cannot_be_approved_or_refused_again(world: World) -> None:
    checksum = held(world)

    refused = forget_held(world.store, "users", checksum, now())

    assert refused == world.runs()[0]["run"]
    for answer in (read_held, forget_held):
        with pytest.raises(HeldError, match="No import of users is held under this checksum"):
            answer(world.store, "users", checksum, now())


def test_an_answer_fits_only_its_own_profile_and_checksum(world: World) -> None:
    checksum = held(world)

    for profile, wrong in (("users", "0" * 32), ("others", checksum)):
        with pytest.raises(HeldError):
            read_held(world.store, profile, wrong, now())


def test_a_held_import_that_nobody_answers_in_time_ends_as_held(world: World) -> None:
    world.imports(people("a,A", "b,B"))
    checksum = world.imports(EMPTY, held_days=3).plan.checksum
    in_time, late = (timestamp(datetime.now(UTC) + timedelta(days=days)) for days in (2.9, 3.1))

    assert read_held(world.store, "users", checksum, in_time).run == world.runs()[0]["run"]
    for answer in (read_held, forget_held):
        with pytest.raises(
            HeldError, match=r"waited for an answer until .* UTC and ended as held: nothing was written"
        ):
            answer(world.store, "users", checksum, late)
    assert world.runs()[0]["status"] == "held" and len(world.users()) == 2


def test_the_question_shows_the_plan_its_brake_its_checksum_its_time_and_the_way_to_answer(world: World) -> None:
    world.imports(people("a,A|x", "b,B"))
    report = world.imports(EMPTY)

    asked = question(report, world.profile(), 7, "7d0e")

    assert "**The source is empty.**" in asked and "0 create, 0 update, 2 remove, 0 unchanged" in asked
    assert report.plan.checksum in asked and "Answer until" in asked and "ends as held" in asked
    assert (
        "(/deployments/deployment/7d0e/run?parameters=%7B%22answer%22%3A%20%7B%22profile%22%3A%20%22users%22" in asked
    )
    assert "| remove | a |" in asked and "A\\|x" in asked
    counted = question(report, world.profile(preview="counts"), 7, None)
    assert "| remove |" not in counted and "/deployments/" not in counted and report.plan.checksum in counted
