"""A process that imports, to be killed or to be met by another.

`python -m tests.large_import HOME URL PROFILE ROWS WHO` prints `planned` when the plan is made and apply begins, and
the status of the run at the end.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.order import as_function, run_import
from tasks.apply import apply
from tasks.step import Step
from tests.world import World, people


def rows_of(count: int, who: str, start: int = 200_000) -> str:
    """A file of so many people, each with an extension of his own; `who` is in every display name."""
    return people(
        *(f"u{number},{who} {number},{start + number}" for number in range(count)), header="username,displayname,phone"
    )


def main(home: str, url: str, profile: str, count: str, who: str) -> None:
    """Imports a file into the installation at `home`."""
    world = World(Path(home), url or None)
    world.serial = sum(map(ord, profile + who)) * 1000
    job = world.job(rows_of(int(count), who), world.profile(profile, brakes={"update_percent": 100}))
    outcome = run_import(job, _telling).outcome
    print(outcome.status if outcome else "simulated", flush=True)


def _telling(step: Step[..., Any], /) -> Callable[..., Any]:
    if step is apply:
        print("planned", flush=True)
    return as_function(step)


if __name__ == "__main__":
    main(*sys.argv[1:])
