"""`kill -9` in the middle of an apply: the phone system is as before or as after, and the next import succeeds."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from tasks.store.tables import extensions, phonebook, runs, users, voicemail_boxes
from tests.large_import import rows_of
from tests.world import World

ROUNDS = int(os.environ.get("ROLLCALL_TORTURE", "5"))
PEOPLE = 20_000


def start(world: World, profile: str, count: int, who: str) -> subprocess.Popen[str]:
    """Another process that imports so many people."""
    url = world.settings.database_url.get_secret_value() if world.settings.database_url else ""
    command = [sys.executable, "-m", "tests.large_import", str(world.home), url, profile, str(count), who]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)


def counted(world: World) -> tuple[int, ...]:
    """How many rows each table has, and how many people have the first name."""
    with world.connection() as connection:
        tables = (users, extensions, voicemail_boxes, phonebook, runs)
        heights = [
            connection.read(sa.select(sa.func.count().label("n")).select_from(table))["n"][0] for table in tables
        ]
        named = sa.select(sa.func.count().label("n")).select_from(users).where(users.c.display_name.like("before %"))
        return (*heights, connection.read(named)["n"][0])


def test_a_killed_apply_leaves_the_phone_system_as_before_or_as_after(world: World) -> None:
    profile = world.profile(brakes={"update_percent": 100})
    world.imports(rows_of(PEOPLE, "before"), profile)
    runs_so_far, outcomes = 1, set[str]()
    started = time.monotonic()
    world.imports(rows_of(PEOPLE, "again"), profile)
    seconds = time.monotonic() - started
    for round_ in range(ROUNDS):
        world.imports(rows_of(PEOPLE, "before"), profile)
        runs_so_far = len(world.runs())
        with start(world, "users", PEOPLE, f"after{round_}") as process:
            assert process.stdout is not None and process.stdout.readline() == "planned\n"
            time.sleep(random.uniform(0, seconds))
            process.kill()
        found = counted(world)
        before = (PEOPLE, PEOPLE, PEOPLE, PEOPLE, runs_so_far, PEOPLE)
        after = (*before[:4], runs_so_far + 1, 0)
        assert found in (before, after)
        outcomes.add("before" if found == before else "after")
    report = world.imports(rows_of(PEOPLE, "mended"), profile)
    assert report.outcome is not None and report.outcome.status == "applied"
    assert "before" in outcomes or ROUNDS < 5
