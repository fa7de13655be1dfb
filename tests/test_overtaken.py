"""An import that others overtake between its plan and its apply ends all the same, with the plan that fits by then."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from flows.order import as_function, run_import
from flows.undo_order import run_undo
from tasks.apply import apply
from tasks.errors import StaleError, WrongUseError
from tasks.report import Report
from tasks.step import Step
from tasks.store.tables import users
from tests.test_failed_and_held import kept
from tests.world import World, codes, counts, people

HEADER = "username,displayname,phone"


def overtaken_by(*others: Callable[[], object]) -> Callable[[Step[..., Any]], Callable[..., Any]]:
    """Steps as functions; before each attempt to apply, the next of the others writes to the phone system."""
    left = list(others)

    def call(step: Step[..., Any], /) -> Callable[..., Any]:
        if step is apply and left:
            left.pop(0)()
        return as_function(step)

    return call


def importing(world: World, profile: str, *rows: str) -> Callable[[], Report]:
    """An import of another profile."""
    return lambda: world.imports(people(*rows, header=HEADER), world.profile(profile))


def recorded(world: World, report: Report) -> dict[str, Any]:
    """The run as the history has it."""
    return next(run for run in world.runs() if report.outcome and run["run"] == report.outcome.run)


def test_an_import_that_is_overtaken_takes_what_is_free_by_then(world: World) -> None:
    job = world.job(people("a,A,", "b,B,", header=HEADER))

    report = run_import(job, overtaken_by(importing(world, "others", "x,X,", "y,Y,")))

    assert (report.headline, report.outcome and report.outcome.status) == (
        "Done: 2 create, 0 update, 0 remove, 0 unchanged.",
        "applied",
    )
    assert {login: user["extension"] for login, user in world.users().items()} == {
        "x": "100",
        "y": "101",
        "a": "102",
        "b": "103",
    }
    shown = {change["login"]: change["fields"]["extension"] for change in report.document()["changes"]}
    assert shown == {"a": [None, "102"], "b": [None, "103"]}
    assert report.plan.checksum == recorded(world, report)["checksum"]


def test_the_brakes_judge_the_plan_that_is_made_again(world: World) -> None:
    everybody = people(*(f"u{n},U,{300 + n}" for n in range(31)), header=HEADER)
    job = world.job(people("u0,U,300", header=HEADER))

    report = run_import(job, overtaken_by(lambda: world.imports(everybody)))

    assert report.plan.held is not None and "30 of 31 records would be removed" in report.plan.held
    assert len(world.users()) == 31 and recorded(world, report)["status"] == "held"


def test_rows_that_are_rejected_only_then_are_kept_to_be_mended(world: World) -> None:
    job = world.job(people("a,A,345", "b,B,346", header=HEADER))

    report = run_import(job, overtaken_by(importing(world, "others", "x,X,345")))

    assert codes(report) == [(2, "phone", "extension-taken")] and counts(report) == {"create": 1, "rejected": 1}
    assert [row["row"] for row in kept(world, job.run.id)] == ["2"]


def held_checksum(world: World) -> tuple[str, str]:
    """A file whose import is held, and the checksum of its plan."""
    world.imports(people(*(f"u{n},U,{300 + n}" for n in range(31)), header=HEADER))
    small = people("u0,U,300", header=HEADER)
    return small, world.imports(small).plan.checksum


def test_an_approved_plan_passes_when_nothing_but_the_history_moved(world: World) -> None:
    importing(world, "others", "x,X,299")()
    small, checksum = held_checksum(world)

    report = run_import(world.job(small, approve=checksum), overtaken_by(importing(world, "others", "x,X,299")))

    assert (report.plan.checksum, counts(report)) == (checksum, {"remove": 30, "unchanged": 1})
    assert set(world.users()) == {"u0", "x"}


def test_a_plan_that_was_seen_is_refused_once_anything_in_the_phone_system_moved(world: World) -> None:
    small, held = held_checksum(world)
    text = people(*(f"u{n},U {n // 30},{300 + n}" for n in range(31)), header=HEADER)
    saved = world.simulate(text).plan.checksum
    importing(world, "others", "x,X,")()

    for job in (world.job(small, approve=held), world.job(text, expected=saved)):
        with pytest.raises(StaleError, match="the phone system has changed since"):
            run_import(job, overtaken_by())

    assert len(world.users()) == 32


def test_an_approved_plan_that_is_another_one_by_then_is_refused(world: World) -> None:
    small, checksum = held_checksum(world)
    by_hand = sa.update(users).where(users.c.login == "u0").values(display_name="By hand")
    before = len(world.runs())

    with pytest.raises(StaleError, match=f"expected was {checksum}"):
        run_import(world.job(small, approve=checksum), overtaken_by(lambda: world.by_hand(by_hand)))

    assert len(world.users()) == 31 and len(world.runs()) == before


def test_a_saved_plan_that_is_another_one_by_then_is_refused(world: World) -> None:
    text = people("a,A,", header=HEADER)
    saved = world.simulate(text).plan.checksum

    with pytest.raises(StaleError, match=f"expected was {saved}"):
        run_import(world.job(text, expected=saved), overtaken_by(importing(world, "others", "x,X,")))

    assert set(world.users()) == {"x"}


def test_an_undo_that_is_overtaken_keeps_what_others_did_meanwhile(world: World) -> None:
    run = world.imports(people("a,A,", "b,B,", header=HEADER)).outcome
    assert run is not None
    by_hand = sa.update(users).where(users.c.login == "a").values(display_name="By hand")

    report = run_undo(world.undo_job(run.run), overtaken_by(lambda: world.by_hand(by_hand)))

    assert counts(report) == {"remove": 1} and set(world.users()) == {"a"}


def test_a_run_is_taken_back_once(world: World) -> None:
    run = world.imports(people("a,A,", header=HEADER)).outcome
    assert run is not None

    with pytest.raises(WrongUseError, match="is undone"):
        run_undo(world.undo_job(run.run), overtaken_by(lambda: world.undo(run.run)))
