"""How much fetch, decode and parse cost beside polars alone: `python benchmarks/intake.py [ROWS]`.

Each measurement runs in a process of its own, the best of three, so that neither finds the other's memory warm. Prints
the ratio of the times, the peak of memory above the start as a multiple of the file, and whether 100 bad lines are named.
"""

import csv
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tasks.decode import decode_text
from tasks.fetch import FetchRequest, fetch_source
from tasks.output import Table
from tasks.parse import parse_csv
from tasks.profile import Profile

HEADER = [
    "displayname",
    "username",
    "password",
    "pin",
    "phone",
    "givenname",
    "surname",
    "email",
    "mobile",
    "homephone",
    "organisation",
    "fax",
    "job",
]
PROFILE = Profile(title="Users", structure="{}")
BUDGETS = {"well-formed": 2.5, "100 malformed lines": 12.0}
MEMORY_BUDGET = 5.0
BAD_LINES = 100


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
    """What the ratio is taken of: polars alone, on the same bytes in memory."""
    return pl.read_csv(file.read_bytes(), infer_schema=False, empty_string_is_null=False)


def _measure(read: Callable[[Path], object], file: Path) -> tuple[float, float, int]:
    """Seconds, peak memory in bytes above the start, malformed lines named."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    result = read(file)
    seconds = time.perf_counter() - begin
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return seconds, peak, result.malformed.height if isinstance(result, Table) else 0


def measured(read: Callable[[Path], object], file: Path) -> tuple[float, float, int]:
    """The best time of three fresh processes, with the highest peak."""
    spawn = multiprocessing.get_context("spawn")
    results: list[tuple[float, float, int]] = []
    for _ in range(3):
        with spawn.Pool(1) as pool:
            results.append(pool.apply(_measure, (read, file)))
    return min(r[0] for r in results), max(r[1] for r in results), results[0][2]


def main(rows: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        good, bad = Path(folder) / "good.csv", Path(folder) / "bad.csv"
        write_users(good, rows)
        spoil(good, bad)
        size = good.stat().st_size
        base, base_peak, _ = measured(theirs, good)
        print(
            f"{rows:,} rows, {size / 2**20:.0f} MiB; polars alone {base:.2f} s, peak {base_peak / size:.1f} x the file"
        )
        report: dict[str, dict[str, float | bool]] = {}
        for name, file, expected in (("well-formed", good, 0), ("100 malformed lines", bad, BAD_LINES)):
            seconds, peak, named = measured(ours, file)
            fine = seconds <= BUDGETS[name] * base and named == expected and (expected or peak <= MEMORY_BUDGET * size)
            report[name] = {
                "ratio": round(seconds / base, 2),
                "peak": round(peak / size, 2),
                "named": named,
                "ok": bool(fine),
            }
            print(f"{name}: {seconds:.2f} s = {seconds / base:.2f} x polars (budget {BUDGETS[name]:g} x), peak "
                  f"{peak / size:.1f} x the file, {named} malformed lines named: {'ok' if fine else 'TOO MUCH'}")  # fmt: skip
        print(json.dumps(report))
        return 0 if all(entry["ok"] for entry in report.values()) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
