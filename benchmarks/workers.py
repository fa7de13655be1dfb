"""Twenty profiles at once over the same extensions: one worker against two, on PostgreSQL, all processes real.

Every profile claims the same pool of automatic extensions, so every import meets the writes of the others. Printed:
the time from the first click to the last end. It fails on what may not happen: lost updates, doubled numbers, runs
without end.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

from servers import running_postgresql  # noqa: E402
from stack import Stack, running_stack, until  # noqa: E402

PROFILES = 20
PEOPLE = 25


def main() -> None:
    with running_postgresql() as database:
        seconds = {workers: measure(workers, database) for workers in (1, 2)}
    print(f"two workers need {seconds[2] / seconds[1]:.2f} x the time of one")


def measure(workers: int, database: object) -> float:
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder), database) as stack:  # type: ignore[arg-type]
        names = [f"p{number:02}" for number in range(PROFILES)]
        for name in names:
            stack.profile(name)
        stack.rollcall("new", "last")
        for _ in range(workers - 1):
            stack.start_worker()
        until(lambda: stack.online() == workers, 60, "the workers")
        uploads = {name: stack.upload([f"{name}{n},Person {n}," for n in range(PEOPLE)]) for name in names}
        return run_all(stack, uploads, workers)


def run_all(stack: Stack, uploads: dict[str, str], workers: int) -> float:
    started = time.monotonic()
    runs = [stack.run("import-users/import", profile=name, upload=upload) for name, upload in uploads.items()]
    ends = [stack.ended(run, 400)["name"] for run in runs]
    seconds = time.monotonic() - started
    users = json.loads(stack.rollcall("users", "--json").stdout)
    numbers = {user["extension"] for user in users}
    assert ends == ["Applied"] * PROFILES, ends
    assert len(users) == len(numbers) == PROFILES * PEOPLE, (len(users), len(numbers))
    print(
        f"{workers} worker(s): {seconds:.1f} s for {PROFILES} imports, {seconds / PROFILES:.2f} s each; all applied,",
        flush=True,
    )
    print(f"  {len(users)} users with {len(numbers)} different extensions", flush=True)
    return seconds


if __name__ == "__main__":
    main()
