"""What sealing costs: 1,000,000 × 13 strings as a sealed result, beside plain Parquet zstd-1 in the same run.

python benchmarks/sealed_frames.py [rows]
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from tasks.keyring import Keyring
from tasks.output import SourceFacts, Table
from tasks.sealed import open_result, seal_result
from tasks.shelf import LocalShelf

COLUMNS = (
    *("displayname", "username", "password", "pin", "phone", "givenname", "surname"),
    *("email", "mobile", "homephone", "organisation", "fax", "job"),
)
ROUNDS = 7
LIMIT = 1.6


def people(rows: int) -> pl.DataFrame:
    """Rows as an HR system exports them: names that repeat, numbers and addresses that do not."""
    number = pl.int_range(rows)
    text = number.cast(pl.String)
    first = pl.concat_str(pl.lit("First"), (number % 997).cast(pl.String))
    last = pl.concat_str(pl.lit("Last"), (number % 9973).cast(pl.String))
    cells = {
        "displayname": pl.concat_str(first, pl.lit(" "), last),
        "username": pl.concat_str(pl.lit("user"), text),
        "password": number.hash(1).cast(pl.String),
        "pin": (number.hash(2) % 10_000).cast(pl.String).str.zfill(4),
        "phone": text,
        "givenname": first,
        "surname": last,
        "email": pl.concat_str(pl.lit("user"), text, pl.lit("@example.org")),
        "mobile": pl.concat_str(pl.lit("+49170"), (number.hash(3) % 10_000_000).cast(pl.String)),
        "homephone": pl.concat_str(pl.lit("+4989"), (number.hash(4) % 10_000_000).cast(pl.String)),
        "organisation": pl.lit("Example Ltd"),
        "fax": pl.lit(""),
        "job": pl.concat_str(pl.lit("Job "), (number % 57).cast(pl.String)),
    }
    return pl.select(cells[name].alias(name) for name in COLUMNS)


def best(*actions: Callable[[], object]) -> list[float]:
    """The shortest time of each, in seconds; they take turns, so that a busy machine hinders all alike."""
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(ROUNDS):
        for action, taken in zip(actions, times, strict=True):
            started = time.perf_counter()
            action()
            taken.append(time.perf_counter() - started)
    return [min(taken) for taken in times]


def main(rows: int) -> int:
    frame = people(rows)
    table = Table(frame=frame, facts=SourceFacts(name="users.csv"), lineage="parse-benchmark")
    ring = Keyring(os.urandom(32))
    with tempfile.TemporaryDirectory() as folder:
        plain, shelf = Path(folder) / "plain.parquet", LocalShelf(Path(folder) / "results")
        wrote, sealed = best(
            lambda: frame.write_parquet(plain, compression="zstd", compression_level=1),
            lambda: shelf.write(table.lineage, seal_result(table, table.lineage, ring)),
        )
        read, opened = best(
            lambda: pl.read_parquet(plain),
            lambda: open_result(shelf.read(table.lineage), ring),
        )
        assert open_result(shelf.read(table.lineage), ring).frame.equals(frame)
        size = (shelf.folder / table.lineage).stat().st_size
    print(f"{rows:,} rows × {frame.width} strings, best of {ROUNDS}; sealed {size / 1e6:.0f} MB")
    for name, one, other in (("write", wrote, sealed), ("read", read, opened)):
        print(f"{name:6} plain {one:6.3f} s   sealed {other:6.3f} s   ratio {other / one:.2f} (limit {LIMIT})")
    return int(max(sealed / wrote, opened / read) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else 1_000_000))
