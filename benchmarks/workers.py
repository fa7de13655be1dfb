"""Twenty profiles (or as many as the first argument says) at once over the same extensions: one worker against two.

Every profile claims the same pool of automatic extensions, so every import meets the writes of the others. A worker
takes one run at a time here, as a machine with one processor would; a last round lets two workers take eight. Printed:
the time from the first click to the last end, how the runs ended, and whether the people are right. It fails on what
may not happen: lost updates, doubled numbers, runs without end.
"""

import io
import json
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent.parent / "tests")]

from pydantic import SecretStr  # noqa: E402
from servers import running_postgresql  # noqa: E402
from stack import Stack, running_stack, until  # noqa: E402

from tasks.settings import Settings  # noqa: E402
from tasks.store.store import open_store  # noqa: E402
from tasks.uploads import UploadLimits, keep_upload  # noqa: E402

PROFILES = int(sys.argv[1]) if len(sys.argv) > 1 else 20
PEOPLE = 25
LONGEST_SECONDS = 600


def main() -> None:
    # One installation for all rounds: starting it would take longer than a round's imports.
    with (
        tempfile.TemporaryDirectory() as folder,
        running_postgresql() as database,
        running_stack(Path(folder), database) as stack,
    ):
        alone = measure(stack, "a", workers=1, at_once=1)
        stack.start_worker()
        two = measure(stack, "ab", workers=2, at_once=2)
        crowded = measure(stack, "abc", workers=2, at_once=8)
    print(f"two workers need {two / alone:.2f} x the time of one; eight runs at once {crowded / alone:.2f} x")


def measure(stack: Stack, rounds: str, *, workers: int, at_once: int) -> float:
    """The time of a round; `rounds` are the letters of all so far, each of which has profiles and people of its own."""
    until(lambda: stack.online() == workers, "the workers")
    names = profiles_of(rounds[-1])
    for name in names:
        stack.profile(name)
    stack.rollcall("new", f"{rounds[-1]}-renews-the-forms")
    stack.api("PATCH", "/work_pools/rollcall", {"concurrency_limit": at_once})
    uploads = uploaded(stack, names)
    seconds, ends = run_all(stack, uploads)
    print(f"{workers} worker(s), {at_once} run(s) at once: {seconds:.1f} s, {seconds / PROFILES:.2f} s an import")
    print(f"  runs ended: {dict(ends)}", flush=True)
    assert ends == {"Applied": PROFILES}, ends
    print(f"  {checked(stack, [name for letter in rounds for name in profiles_of(letter)])}", flush=True)
    return seconds


def profiles_of(letter: str) -> list[str]:
    return [f"{letter}{number:02}" for number in range(PROFILES)]


def uploaded(stack: Stack, names: list[str]) -> dict[str, str]:
    """An upload a profile: 25 people each, none with a number of his own."""
    url, key = (SecretStr(stack.environment[f"ROLLCALL_{name}"]) for name in ("DATABASE_URL", "KEY"))
    store = open_store(Settings(home=stack.home, database_url=url, key=key))
    texts = {name: [f"{name}-{person},Person {person}," for person in range(PEOPLE)] for name in names}
    return {
        name: keep_upload(
            store,
            io.BytesIO("\n".join(["username,displayname,phone", *rows, ""]).encode()),
            "users.csv",
            datetime.now(UTC),
            UploadLimits(),
        ).id
        for name, rows in texts.items()
    }


def run_all(stack: Stack, uploads: dict[str, str]) -> tuple[float, Counter[str]]:
    """How long it took, and how many runs ended in which state."""
    started = time.monotonic()
    runs = [stack.run("import-users/import", profile=name, upload=upload) for name, upload in uploads.items()]
    ends = Counter(stack.ended(run, LONGEST_SECONDS)["name"] for run in runs)
    return time.monotonic() - started, ends


def checked(stack: Stack, profiles: list[str]) -> str:
    """Who is there: everybody of every profile, each with a number that nobody else has."""
    users = json.loads(stack.rollcall("users", "--json").stdout)
    wanted = {(f"{profile}-{person}", profile) for profile in profiles for person in range(PEOPLE)}
    assert {(user["login"], user["profile"]) for user in users} == wanted
    numbers = {user["extension"] for user in users}
    # The pool leaves the emergency numbers out.
    pool = (str(number) for number in count(100) if number not in {110, 112})
    assert numbers == set(islice(pool, len(wanted))), "numbers with gaps or doubles"
    return f"{len(users)} of {len(wanted)} people right, {len(numbers)} extensions, no gap, none twice"


if __name__ == "__main__":
    main()
