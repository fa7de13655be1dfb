"""A process that imports, to be killed or to be met by another.

`python -m tests.large_import HOME URL PROFILE FILE` prints `planned` when the plan is made and apply begins, and the
status of the run at the end.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows.order import as_function, run_import
from tasks.apply import apply
from tasks.step import Step
from tests.world import World, people


def rows_of(count: int, who: str, *, login: str = "u", numbers: bool = True, phones_from: int | None = None) -> str:
    """A file of so many people; `who` is in every display name.

    Each has an extension of his own or, without `numbers`, one of the pool; and, with `phones_from`, the phone that
    many places behind the first: another start moves every phone to another person.
    """
    header = "username,displayname,phone" + ("" if phones_from is None else ",phonemac")
    rows = [[f"{login}{at}", f"{who} {at}", str(200_000 + at) if numbers else ""] for at in range(count)]
    if phones_from is not None:
        for at, row in enumerate(rows):
            row.append(f"000413{(at + phones_from) % count:06x}")
    return people(*(",".join(row) for row in rows), header=header)


def main(home: str, url: str, profile: str, file: str) -> None:
    """Imports a file into the installation at `home`."""
    world = World(Path(home), url or None)
    world.serial = sum(map(ord, profile + file)) * 1000
    job = world.job(Path(file).read_bytes(), world.profile(profile, brakes={"update_percent": 100}))
    outcome = run_import(job, _telling).outcome
    print(outcome.status if outcome else "simulated", flush=True)


def _telling(step: Step[..., Any], /) -> Callable[..., Any]:
    if step is apply:
        print("planned", flush=True)
    return as_function(step)


if __name__ == "__main__":
    main(*sys.argv[1:])
