"""How fast variables and Structure make records, against `polars.read_csv` of the same file, in one run.

    PYTHONPATH=. python benchmarks/structure.py [ROWS]

The fast way runs the variables and the Structure of the template "Users from CSV" over all rows. The slow way runs two
Structures over a twentieth of them.
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
from tasks.output import LINE, ROW, SourceFacts, Table
from tasks.profile import Profile
from tasks.rendering.structure import compile_structure
from tasks.structure import render_structure_rows
from tasks.variables import map_variables_of_rows

TEMPLATE = Path(__file__).parent.parent / "tasks" / "template" / "users-from-csv.yaml"
CONSTANTS = ("createSoftphone", "createMobile")
WITH_JINJA = """{ "identity": [{
  "003use_name": "{{{username}}}", "003use_bez": "{{ surname | upper }}, {{ givenname }}",
  "post": { {{#if phonemac}} "ipphone": [{ "071ipp_mac": "{{{phonemac}}}" }] {{/if}} } }] }"""
BUDGET = 6.0
T = TypeVar("T")


def main(rows: int) -> int:
    """Prints one line a way; 1 when the fast way misses its budget."""
    profile = Profile.model_validate(YAML(typ="safe").load(TEMPLATE))
    columns = [name for name in profile.variables if name not in CONSTANTS]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        people(columns, rows).write_csv(path)
        reading, frame = measured(lambda: pl.read_csv(path, infer_schema=False, empty_string_is_null=False))
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB, {pl.thread_pool_size()} threads")
    numbers = pl.int_range(2, rows + 2, dtype=pl.Int64)
    facts = SourceFacts(header=tuple(columns), rows=rows)
    table = Table(frame=frame.select(numbers.alias(ROW), numbers.alias(LINE), pl.all()), facts=facts)
    mapping, mapped = measured(lambda: map_variables_of_rows(table, profile))
    rendering, _ = measured(lambda: render_structure_rows(mapped, profile))
    fast = mapping + rendering
    print(f"polars.read_csv                {reading:7.3f} s")
    print(f"{len(profile.variables)} variables                   {mapping:7.3f} s")
    print(f"default Structure              {rendering:7.3f} s")
    print(f"together                       {fast:7.3f} s = {fast / reading:5.2f} x read_csv, at most {BUDGET}")
    part = mapped.frame.head(max(1, rows // 20))
    for name, text in (("default Structure", profile.structure), ("Structure with Jinja", WITH_JINJA)):
        slow, _ = measured(lambda text=text: compile_structure(text).by_row.render(part, names_of(part)))
        print(f"{name + ' by row':<30} {part.height / slow:9,.0f} rows/s")
    return 0 if fast <= BUDGET * reading else 1


def people(columns: list[str], rows: int) -> pl.DataFrame:
    """Every column filled but the phone's, which every other person has."""
    number = pl.int_range(rows).cast(pl.String)
    values = {name: pl.lit(f"{name} ") + number for name in columns}
    values["phonemac"] = pl.when(pl.int_range(rows) % 2 == 0).then(pl.lit("")).otherwise(pl.lit("0004") + number)
    return pl.select(**values)


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
