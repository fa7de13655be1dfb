"""What phones cost beside people, in one run: `assign-phones` against `reconcile`, a thousand moves against updates.

The people are those of `reconcile_apply.py`, with all thirteen columns, and a phone each. The checksum of the plan is
part of both: reconcile digests people, assign-phones adds the phones. PYTHONPATH=. python benchmarks/phones.py [PEOPLE]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl
from reconcile_apply import rows_of

from flows.order import as_function, take_in
from tasks.phones import assign_phones_to_users
from tasks.reconcile import reconcile_records
from tasks.store.read import read_snapshot
from tests.world import World

CHANGED = 1_000
ROUNDS = 3
PLAN_BUDGET = 0.5
MOVES_BUDGET = 1.0
NOISE = 0.1
T = TypeVar("T")


def main(count: int) -> int:
    """Prints the times and their ratios; 1 when one misses its budget."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        phones = [f"000413{serial:06x}" for serial in range(count)]
        names = [f"Person {serial}" for serial in range(count)]
        within = [_plan_ratio("first import", world, csv(names, phones))]
        seconds, _ = timed(lambda: world.imports(csv(names, phones)))
        print(f"{count:,} people with a phone each, imported in {seconds:.2f} s")
        within.append(_plan_ratio("nothing changed", world, csv(names, phones)))
        within.append(_plan_ratio(f"{CHANGED:,} moves", world, csv(names, _moved(phones))))
        updates, moves = float("inf"), float("inf")
        for _ in range(ROUNDS):
            names = [f"{name} jr" if at < CHANGED else name for at, name in enumerate(names)]
            updates = min(updates, _seconds_of_import(world, csv(names, phones), 0))
            phones = _moved(phones)
            moves = min(moves, _seconds_of_import(world, csv(names, phones), CHANGED))
        ratio = moves / updates
        verdict = f"{ratio:.2f} x, budget {MOVES_BUDGET} and {NOISE} for the noise of the machine"
        print(f"{CHANGED:,} moves {moves:.2f} s, {CHANGED:,} updates {updates:.2f} s = {verdict}")
        within.append(ratio <= MOVES_BUDGET + NOISE)
    return 0 if all(within) else 1


def csv(names: list[str], phones: list[str]) -> str:
    people = rows_of(len(names))
    return people.with_columns(displayname=pl.Series(names), phonemac=pl.Series(phones)).write_csv()


def _moved(phones: list[str]) -> list[str]:
    """Each of the first people gets the phone of the next."""
    return [*phones[1:CHANGED], phones[0], *phones[CHANGED:]]


def _seconds_of_import(world: World, text: str, moved: int) -> float:
    seconds, report = timed(lambda: world.imports(text))
    assert report.plan.summary["update"] == CHANGED
    assert report.plan.phones["action"].to_list() == ["move"] * moved
    return seconds


def _plan_ratio(what: str, world: World, text: str) -> bool:
    job = world.job(text)
    records = take_in(job, as_function).records
    with world.store.open() as connection:
        snapshot = read_snapshot(connection, job.profile.name)
    reconcile, plan = timed(lambda: reconcile_records(records, snapshot, job.profile, job.circumstances), runs=3)
    assign, _ = timed(lambda: assign_phones_to_users(plan, records, snapshot, job.profile, world.store.keyring), runs=3)
    ratio = assign / reconcile
    print(f"{what:<16} reconcile {reconcile:.3f} s, assign-phones {assign:.3f} s = {ratio:.2f} x, budget {PLAN_BUDGET}")
    return ratio <= PLAN_BUDGET


def timed(work: Callable[[], T], runs: int = 1) -> tuple[float, T]:
    """Processor seconds of the cheapest run (other programs may share the machine), and what came out."""
    times: list[float] = []
    for _ in range(runs):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
