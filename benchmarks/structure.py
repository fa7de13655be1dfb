"""How fast a Structure renders, against `polars.read_csv` of the same file, in one run.

    PYTHONPATH=. python benchmarks/structure.py [ROWS]

The fast way runs the default Structure over all rows. The slow way runs two Structures over a twentieth of them.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import polars as pl
from ruamel.yaml import YAML

from tasks.names import Names
from tasks.structure import Structure, compile_structure

TEMPLATE = Path(__file__).parent.parent / "tasks" / "template" / "users-from-csv.yaml"
CONSTANTS = ("createSoftphone", "createMobile")
WITH_JINJA = """{ "identity": [{
  "003use_name": "{{{username}}}", "003use_bez": "{{ surname | upper }}, {{ givenname }}",
  "post": { {{#if phonemac}} "ipphone": [{ "071ipp_mac": "{{{phonemac}}}" }] {{/if}} } }] }"""
BUDGET = 6.0
T = TypeVar("T")


def main(rows: int) -> int:
    """Prints one line a way; 1 when the fast way misses its budget."""
    template = YAML(typ="safe").load(TEMPLATE)
    columns = [name for name in template["variables"] if name not in CONSTANTS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        people(columns, rows).write_csv(path)
        reading, frame = measured(lambda: pl.read_csv(path, infer_schema=False, empty_string_is_null=False))
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB, {pl.thread_pool_size()} threads")
    frame = frame.with_columns(**{name: pl.lit("") for name in CONSTANTS}).with_row_index("#row", 2)
    frame = frame.with_columns(pl.col("#row").cast(pl.Int64)).with_columns(pl.col("#row").alias("#line"))
    default = compile_structure(template["structure"])
    fast, _ = measured(lambda: rendered(default, frame))
    print(f"polars.read_csv                {reading:7.3f} s")
    print(f"default Structure as columns   {fast:7.3f} s = {fast / reading:5.2f} x read_csv")
    part = frame.head(max(1, rows // 20))
    for name, structure in (("default Structure", default), ("Structure with Jinja", compile_structure(WITH_JINJA))):
        slow, _ = measured(lambda structure=structure: structure.by_row.render(part, names_of(part)))
        print(f"{name + ' by row':<30} {part.height / slow:9,.0f} rows/s")
    return 0 if fast <= BUDGET * reading else 1


def people(columns: list[str], rows: int) -> pl.DataFrame:
    """Every column filled but the phone's, which every other person has."""
    number = pl.int_range(rows).cast(pl.String)
    values = {name: pl.lit(f"{name} ") + number for name in columns}
    values["phonemac"] = pl.when(pl.int_range(rows) % 2 == 0).then(pl.lit("")).otherwise(pl.lit("0004") + number)
    return pl.select(**values)


def rendered(structure: Structure, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return structure.render(frame, names_of(frame)).frames


def names_of(frame: pl.DataFrame) -> Names:
    return Names(name for name in frame.columns if not name.startswith("#"))


def measured(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of the better of two runs, and what came out."""
    times: list[float] = []
    for _ in range(2):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
