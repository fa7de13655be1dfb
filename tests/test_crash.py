"""`kill -9` in the middle of an apply: the phone system is as before or as after, and the next import succeeds."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import sqlalchemy as sa

from tasks.store.tables import METADATA, runs
from tests.large_import import rows_of
from tests.world import World, counts

ROUNDS = int(os.environ.get("ROLLCALL_TORTURE", "5"))
PEOPLE = 10_000
"""Each of them gets another name and another phone: 20,000 changes."""


def start(world: World, profile: str, text: str, who: str) -> subprocess.Popen[str]:
    """Another process that imports this text; `who` names its file."""
    url = world.settings.database_url.get_secret_value() if world.settings.database_url else ""
    file = world.home / f"{profile}-{who}.csv"
    file.write_text(text)
    command = [sys.executable, "-m", "tests.large_import", str(world.home), url, profile, str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)


def contents(world: World) -> dict[str, pl.DataFrame]:
    """Every row of every table, sealed values as they stand there."""
    with world.connection() as connection:
        tables = {table.name: table for table in METADATA.sorted_tables}
        return {
            name: connection.read(sa.select(table).order_by(*(table.primary_key.columns or table.columns)))
            for name, table in tables.items()
        }


def same(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> bool:
    """Whether two states are equal, cell by cell."""
    return all(one[name].equals(other[name]) for name in one | other)


def test_a_killed_apply_leaves_the_phone_system_as_before_or_as_after(world: World) -> None:
    profile = world.profile(brakes={"update_percent": 100})
    first = rows_of(PEOPLE, "before", phones_from=0)
    world.imports(first, profile)
    started = time.monotonic()
    world.imports(rows_of(PEOPLE, "again", phones_from=1), profile)
    seconds, outcomes = time.monotonic() - started, set[str]()
    for round_ in range(ROUNDS):
        world.imports(first, profile)
        before, after = contents(world), rows_of(PEOPLE, f"after{round_}", phones_from=2 + round_)
        with start(world, "users", after, f"after{round_}") as process:
            assert process.stdout is not None and process.stdout.readline() == "planned\n"
            time.sleep(random.uniform(0, seconds))
            process.kill()
        found = contents(world)
        if same(found, before):
            outcomes.add("before")
            continue
        assert found[runs.name].height == before[runs.name].height + 1
        assert counts(world.simulate(after, profile)) == {"unchanged": PEOPLE}
        outcomes.add("after")
    report = world.imports(rows_of(PEOPLE, "mended", phones_from=1), profile)
    assert report.outcome is not None and report.outcome.status == "applied"
    assert len(world.phones()) == PEOPLE
    assert "before" in outcomes or ROUNDS < 5
