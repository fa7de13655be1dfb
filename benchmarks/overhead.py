"""What Prefect costs a small import: ten rows, beside an empty flow of ten tasks that is started the same way.

Prints wall seconds and their ratio with a running server, the seconds of an import without one from its second use on,
and those of a simulation, which needs no Prefect; fails where a limit is not kept. Run it from the project's root on a
quiet machine: `PYTHONPATH=. python benchmarks/overhead.py`
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Final

ROOT: Final = Path(__file__).parent.parent
NOT_OURS: Final = ("PREFECT_API_URL", "PYTHONDONTWRITEBYTECODE")
"""A server that runs already; a machine's rule that every start compiles all our modules again."""
REPEATS: Final = 3
SIMULATE_SECONDS: Final = 1.5
RATIO: Final = 1.5
IMPORT_SECONDS: Final = 10
IMPORT: Final = "from deployments.cli import main; main()"
EMPTY_FLOW: Final = """
import asyncio
from tasks.prefect_settings import prepare_prefect
prepare_prefect()
from prefect import flow, task
@task
def nothing(number): return number
@flow
async def ten_tasks():
    for number in range(10): nothing(number)
asyncio.run(ten_tasks())
"""


def main() -> None:
    """Measures with a running server first, then without."""
    with tempfile.TemporaryDirectory(prefix="rollcall-overhead-") as folder:
        place = Path(folder)
        people = place / "people.csv"
        rows = (f"Person {at},person{at},{300 + at}" for at in range(10, 20))
        people.write_text("\n".join(["displayname,username,phone", *rows, ""]))
        words = ["import", "users-from-csv", str(people)]
        environment = {name: value for name, value in os.environ.items() if name not in NOT_OURS} | {
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(place / "prefect"),
            "ROLLCALL_HOME": str(place / "rollcall"),
            "ROLLCALL_PROFILES": str(ROOT / "profiles"),
        }
        kept = [measure(words, environment) for measure in (a_simulation, with_a_server, without_a_server)]
    if not all(kept):
        raise SystemExit("a limit is not kept")


def a_simulation(words: list[str], environment: dict[str, str]) -> bool:
    """The plan for ten rows, import of libraries included; whether it came in time."""
    words = ["simulate", *words[1:]]
    timed(IMPORT, words, environment)
    seconds = median(timed(IMPORT, words, environment) for _ in range(REPEATS))
    print(f"simulate: {seconds:.2f} s (wanted: {SIMULATE_SECONDS:g} or less)")
    return seconds <= SIMULATE_SECONDS


def with_a_server(words: list[str], environment: dict[str, str]) -> bool:
    """Import and empty flow in turns, so that both meet the same machine; whether their ratio is within the limit."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(f"http://127.0.0.1:{port}/api/health"):
            time.sleep(0.2)
        environment = environment | {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
        timed(EMPTY_FLOW, [], environment)
        timed(IMPORT, words, environment)
        pairs = [(timed(EMPTY_FLOW, [], environment), timed(IMPORT, words, environment)) for _ in range(REPEATS)]
    finally:
        server.terminate()
        server.wait()
    empty, imported = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(pair[1] / pair[0] for pair in pairs)
    told = f"import {imported:.2f} s, empty flow {empty:.2f} s, ratio {ratio:.2f}"
    print(f"with a server: {told} (wanted: {RATIO:g} or less)")
    return ratio <= RATIO


def without_a_server(words: list[str], environment: dict[str, str]) -> bool:
    """The first use migrates a database; what counts is every later one, and whether each came in time."""
    first = timed(IMPORT, words, environment)
    later = [timed(IMPORT, words, environment) for _ in range(REPEATS)]
    told = ", ".join(f"{seconds:.2f}" for seconds in later)
    print(f"without: first {first:.2f} s, then {told} s (wanted: {IMPORT_SECONDS:g} or less)")
    return max(later) <= IMPORT_SECONDS


def timed(program: str, words: list[str], environment: dict[str, str]) -> float:
    """Wall seconds of a Python program from its start to its end."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=environment, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}: {done.stderr or done.stdout}")
    return time.perf_counter() - started


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
