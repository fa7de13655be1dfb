"""How much fetch, decode and parse cost beside polars alone: `python benchmarks/intake.py [ROWS]`.

Each way runs three times in turn, each time in a process of its own, so that neither finds the other's memory warm; the
best times count. Prints their ratio, the peak of memory as a multiple of the file, and whether 100 bad lines are named.
"""

import csv
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tasks.decode import decode_text
from tasks.fetch import FetchRequest, fetch_source
from tasks.output import Table
from tasks.parse import parse_csv
from tasks.profile import Profile

HEADER = (
    *("displayname", "username", "password", "pin", "phone", "givenname", "surname", "email"),
    *("mobile", "homephone", "organisation", "fax", "job"),
)
PROFILE = Profile(title="Users", structure="{}")
BUDGETS = {"well-formed": 2.5, "100 malformed lines": 12.0}
MEMORY_BUDGET = 5.0
BAD_LINES = 100


class Measurement(NamedTuple):
    """Seconds, peak memory above the start, malformed lines named."""

    seconds: float
    peak_bytes: int
    named: int


def write_users(file: Path, rows: int) -> None:
    """A file of users as a personnel system exports it: some cells enclosed, some letters not ASCII."""
    draw = random.Random(1)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        for number in range(rows):
            given, surname = draw.choice(["Max", "Jürgen", "Anna", "Zoë"]), draw.choice(["Muster", "Müller", "O'Neil"])
            phones = [f"+49 {area} {number:07d}" for area in (170, 89, 30)]
            company = draw.choice(
                ["ACME, Inc.", "ACME", "ACME", "ACME", 'The "Best" Ltd.' if number % 50 == 0 else "B"]
            )
            row = [
                f"{given} {surname}",
                f"user{number:07d}",
                f"Pw{number * 7919 % 10**9:09d}x",
                f"{number % 10**4:04d}",
            ]
            email = f"user{number}@example.com"
            writer.writerow(
                [*row, 100 + number, given, surname, email, *phones[:2], company, phones[2], "Sales Director"]
            )


def spoil(good: Path, bad: Path) -> None:
    """A copy of the file in which 100 lines are broken, each kind of fault a quarter of them."""
    lines = good.read_bytes().split(b"\n")
    step = (len(lines) - 2) // BAD_LINES
    for index in range(BAD_LINES):
        at = 1 + index * step
        faults = [b"too,few", lines[at] + b",surplus", b'"never closed,' + lines[at], b'stray"' + lines[at]]
        lines[at] = faults[index % 4]
    bad.write_bytes(b"\n".join(lines))


def ours(file: Path) -> Table:
    """The three steps, from the file to the rows."""
    source = fetch_source(FetchRequest(profile=PROFILE, file=file))
    return parse_csv(decode_text(source, PROFILE), PROFILE)


def theirs(file: Path) -> pl.DataFrame:
    """What the ratio is taken of: polars alone, from the same file."""
    return pl.read_csv(file.read_bytes(), infer_schema=False, empty_string_is_null=False)


def _measure(read: Callable[[Path], object], file: Path) -> Measurement:
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    begin = time.perf_counter()
    result = read(file)
    seconds = time.perf_counter() - begin
    return Measurement(
        seconds, _resident("VmHWM") - before, result.malformed.height if isinstance(result, Table) else 0
    )


def _resident(field: str) -> int:
    """A size of this process in bytes: VmRSS is now, VmHWM the peak since it was cleared."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def measured(*jobs: tuple[Callable[[Path], object], Path]) -> list[Measurement]:
    """For each job the best time of three fresh processes, with the highest peak; the jobs take turns."""
    spawn = multiprocessing.get_context("spawn")
    rounds: list[list[Measurement]] = []
    for _ in range(3):
        rounds.append([])
        for job in jobs:
            with spawn.Pool(1) as pool:
                rounds[-1].append(pool.apply(_measure, job))
    return [
        Measurement(min(m.seconds for m in many), max(m.peak_bytes for m in many), many[0].named)
        for many in zip(*rounds, strict=True)
    ]


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder) / "good.csv", Path(folder) / "bad.csv"
        write_users(good, rows)
        spoil(good, bad)
        size = good.stat().st_size
        base, *results = measured((theirs, good), (ours, good), (ours, bad))
    print(f"{rows:,} rows, {size / 2**20:.0f} MiB")
    print(f"polars alone: {base.seconds:.2f} s, peak {base.peak_bytes / size:.1f} x the file")
    fine = True
    for (name, budget), result, named in zip(BUDGETS.items(), results, (0, BAD_LINES), strict=True):
        ratio, peak = result.seconds / base.seconds, result.peak_bytes / size
        ok = ratio <= budget and result.named == named and (named > 0 or peak <= MEMORY_BUDGET)
        fine = fine and ok
        print(
            f"{name}: {result.seconds:.2f} s = {ratio:.2f} x polars (budget {budget:g} x), "
            f"peak {peak:.1f} x the file, {result.named} malformed lines named: {'ok' if ok else 'MISSED'}"
        )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
