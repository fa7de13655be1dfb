"""What the history keeps, for how long; and owners whose profile is gone."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from deployments import cli
from deployments.doctor import check_history
from flows.order import as_function, run_import
from tasks.run import timestamp
from tasks.store.earlier_files import last_applied_facts
from tasks.store.prune import prunable, prune
from tasks.store.tables import resting_extensions, run_changes, run_files, runs
from tests.world import World, counts, people

LATER = datetime.now(UTC) + timedelta(days=400)
BAD = people("a,A,200,1234", "b,B,,1", header="username,displayname,phone,pin")


def aged(world: World) -> None:
    """Two imports, the first with rejected rows, a number that was freed, and a held import."""
    world.imports(BAD)
    world.imports(people("c,C,,1234", header="username,displayname,phone,pin"))
    assert world.imports(people(header="username,displayname,phone,pin")).plan.held


def test_a_run_past_its_time_goes_whole_and_the_newest_import_stays(world: World) -> None:
    aged(world)
    with world.connection() as connection:
        going = prunable(connection, LATER, 365)
        assert prune(connection, LATER, 365) == going and going.runs >= 1 and going.files >= 1 and going.numbers == 1
        connection.commit()

    with world.connection() as connection:
        left = connection.read(sa.select(runs.c.id, runs.c.status))
        assert left["status"].to_list() == ["applied"]
        assert set(connection.read(sa.select(run_changes.c.run_id))["run_id"]) == set(left["id"])
        assert connection.read(sa.select(run_files)).is_empty()
        assert connection.read(sa.select(resting_extensions)).is_empty()
        assert not prunable(connection, LATER, 365)
    assert counts(world.undo(left["id"][0]))["remove"] == 1


def test_the_file_that_the_next_one_is_compared_with_is_kept_behind_a_mended_one(world: World) -> None:
    first = world.imports(BAD)
    world.imports(people("b,B,,1234,3,pin-invalid,No", header="username,displayname,phone,pin,row,code,message"))
    with world.connection() as connection:
        prune(connection, LATER, 365)
        connection.commit()
        facts = last_applied_facts(connection, "users")

    assert facts is not None and facts.digest == first.plan.facts.digest


def test_an_undo_can_be_undone_whose_import_the_history_has_forgotten(world: World) -> None:
    world.imports(people("a,A", "b,B"))
    world.undo("run-001")
    world.imports(people("c,C"))
    world.by_hand(sa.update(runs).values(started="2001-01-01T00:00:00.000Z").where(runs.c.id == "run-001"))
    with world.connection() as connection:
        prune(connection, datetime.now(UTC), 365)
        connection.commit()

    world.undo("run-002")

    assert [run["status"] for run in world.runs()] == ["applied", "applied", "undone"]
    assert set(world.users()) == {"a", "b", "c"}


def test_a_held_import_that_can_still_be_approved_is_kept(world: World) -> None:
    aged(world)
    with world.connection() as connection:
        prune(connection, datetime.now(UTC) + timedelta(days=2), 1)
        connection.commit()

    assert [run["status"] for run in world.runs()] == ["held", "applied"]


def test_without_a_retention_every_run_is_kept(world: World) -> None:
    aged(world)
    before = len(world.runs())
    with world.connection() as connection:
        gone = prune(connection, LATER, 0)
        connection.commit()

    assert (gone.runs, gone.numbers) == (0, 0) and len(world.runs()) == before


def test_how_long_rejected_rows_are_kept_is_a_setting(world: World) -> None:
    run_import(replace(world.job(BAD), failed_days=90), as_function)

    with world.connection() as connection:
        expires = connection.read(sa.select(run_files.c.expires))["expires"][0]
    assert (
        timestamp(datetime.now(UTC) + timedelta(days=89)) < expires < timestamp(datetime.now(UTC) + timedelta(days=91))
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "profiles").mkdir()
    for name, value in {"HOME": tmp_path, "KEY": "11" * 32, "PROFILES": tmp_path / "profiles"}.items():
        monkeypatch.setenv(f"ROLLCALL_{name}", str(value))
    return World(tmp_path)


def test_the_command_says_what_would_go_before_it_goes(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    aged(here)
    here.by_hand(sa.update(runs).values(started="2001-01-01T00:00:00.000Z").where(runs.c.id == "run-001"))
    monkeypatch.setenv("ROLLCALL_HISTORY_DAYS", "365")
    runner = CliRunner()

    told = runner.invoke(cli.rollcall, ["prune", "--simulate"]).output

    assert "would remove: 1 run past the time kept, " in told and " expired file" in told
    assert len(here.runs()) > 1
    assert "rollcall prune" in next(check_history(here.settings.model_copy(update={"history_days": 365}))).text
    assert "removed: 1 run past" in runner.invoke(cli.rollcall, ["prune"]).output
    assert "run-001" not in [run["run"] for run in here.runs()]


def test_owners_whose_profile_is_gone_are_listed_with_what_they_own(here: World) -> None:
    here.imports(people("a,A", "b,B"), here.profile(name="gone"))

    runner = CliRunner()
    listed = json.loads(runner.invoke(cli.rollcall, ["profiles", "--json"]).stdout)

    assert [(entry["profile"], entry["users"], entry["contacts"]) for entry in listed] == [("gone", 2, 0)]
    assert "on_existing: adopt" in runner.invoke(cli.rollcall, ["profiles"]).output
