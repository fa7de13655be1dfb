"""The history tells what became of each run, by whom, and what to do next."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from deployments.history import write_private
from deployments.imports import save_plan
from deployments.terminal import print_report, print_runs, print_story
from tasks.errors import WrongUseError
from tasks.store.tables import devices, users
from tests.world import World, people

MANY = people(*(f"u{number},U" for number in range(30)))


@pytest.fixture
def here(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_persons_story_says_what_became_of_each_run_when_and_by_whom(
    here: World, capsys: pytest.CaptureFixture[str]
) -> None:
    here.imports(MANY)
    here.imports(people("u0,U"))

    story = here.story("u5")
    print_story(story)

    shown = " ".join(capsys.readouterr().out.split())
    assert [(change["status"], change["action"]) for change in story] == [("applied", "create"), ("held", "remove")]
    assert all(change["actor"] and change["started"] for change in story)
    assert "started status by action" in shown and f"held {story[0]['actor']}" in shown


def test_a_phone_that_moves_away_is_part_of_its_former_owners_story(here: World) -> None:
    header = "username,displayname,phonemac"
    here.imports(people("a,A,000413a3016f", header=header))
    hand = sa.select(users.c.id).where(users.c.login == "hand").scalar_subquery()
    here.by_hand(sa.insert(users).values(login="hand", display_name="H"), sa.update(devices).values(user_id=hand))
    here.imports(people("a,A,000413a3016f", header=header))

    story = here.story("hand")

    assert [(change["action"], change["fields"]) for change in story] == [("update", {})]
    assert story[0]["phones"][0] | {"fields": {}} == {
        "action": "move",
        "kind": "ip_phone",
        "mac": "000413a3016f",
        "before": "hand",
        "login": "a",
        "fields": {},
    }


def test_a_held_plan_names_the_command_that_approves_it(here: World, capsys: pytest.CaptureFixture[str]) -> None:
    here.imports(MANY)

    print_report(here.undo("run-001"))
    print_report(here.simulate(people("u0,U")))

    shown = capsys.readouterr().out
    assert "If that is right: rollcall undo run-001 --approve " in shown
    assert "If that is right: rollcall import users FILE --approve " in shown


def test_a_held_run_that_was_approved_says_by_which_run_it_was_applied(
    here: World, capsys: pytest.CaptureFixture[str]
) -> None:
    here.imports(MANY)
    held = here.imports(people("u0,U"))
    here.imports(people("u0,U"), approve=held.plan.checksum)

    run = next(run for run in here.runs() if run["run"] == "run-002")
    print_runs(here.runs())

    assert run["status"] == "held" and run["held"].endswith(" Approved, applied as run run-003.")
    assert "Approved, applied as run run-003." in " ".join(capsys.readouterr().out.split())


def test_a_file_that_cannot_be_written_is_wrong_use(here: World) -> None:
    nowhere = here.home / "nowhere" / "file"

    with pytest.raises(WrongUseError, match="cannot be written"):
        save_plan(here.simulate(people("a,A")), nowhere)
    with pytest.raises(WrongUseError, match="cannot be written"):
        write_private(nowhere, b"")
