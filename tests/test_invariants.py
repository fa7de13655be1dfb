"""Whatever happens to a phone system, in whichever order, what Rollcall promises holds.

Two processes draw half of the examples each; ROLLCALL_EXAMPLES and ROLLCALL_SEED say how many and from where on.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.phone_system_machine import PhoneSystemMachine
from tests.servers import PostgreSQL
from tests.world import World

EXAMPLES = int(os.environ.get("ROLLCALL_EXAMPLES", "500"))
EXAMPLES_ON_POSTGRESQL = 20
SEED = int(os.environ.get("ROLLCALL_SEED", "1"))
PROCESSES = 2
STEPS = 6


def run_machine(seed: int, examples: int) -> None:
    """Draws so many sequences on SQLite; raises with the shortest one that breaks a promise."""
    PhoneSystemMachine.world_of = World
    _run(seed, examples)


def _run(seed: int, examples: int) -> None:
    run_state_machine_as_test(
        hypothesis.seed(seed)(PhoneSystemMachine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_sequence_of_imports_edits_and_undos_keeps_the_promises() -> None:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        seeds = range(SEED, SEED + PROCESSES)
        halves = [pool.submit(run_machine, seed, EXAMPLES // PROCESSES) for seed in seeds]
        for half in halves:
            half.result()


def test_sequences_keep_the_promises_on_postgresql(postgresql: PostgreSQL) -> None:
    def world_of(home: Path) -> World:
        return World(home, postgresql.new_database())

    PhoneSystemMachine.world_of = staticmethod(world_of)
    _run(SEED, EXAMPLES_ON_POSTGRESQL)
