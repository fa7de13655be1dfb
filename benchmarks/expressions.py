"""What expressions cost: rows a second of per-row snippets, and columns relative to reading the file.

Run from the repository's root: `PYTHONPATH=. python benchmarks/expressions.py [rows]`.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", str(os.cpu_count()))

import polars as pl

from tasks.expression.compiled import compile_expression
from tasks.names import Names

COLUMNS = (
    *("displayname", "username", "password", "pin", "phone", "givenname", "surname", "email", "mobile", "homephone"),
    *("organisation", "fax", "phonemac", "phoneip", "phoneuser", "phonepass", "inttimeout", "intdelay", "exttimeout"),
    *("job", "roles"),
)
FOREACH = """
foreach ($row as $name => $cell) {
    if (str_starts_with($name, "tel") && trim($cell) !== "") {
        $numbers[] = $name . ": " . trim($cell);
    }
}
return implode(", ", $numbers);
"""
SPLIT = """
$roles = [];
foreach (explode(";", $row["roles"]) as $role) {
    $role = trim($role);
    if ($role !== "" && !in_array($role, $roles)) { $roles[] = strtolower($role); }
}
return $roles;
"""
PER_ROW = 100_000
AT_LEAST = 50_000
"""Rows a second of processor time for a `foreach` with five operations in its body."""


def main(rows: int) -> int:
    """Prints the figures; 1 where a `foreach` is slower than it may be."""
    slow = False
    print(f"per row, {PER_ROW:,} rows, one core: by processor time (by the clock)")
    for title, source, frame in (
        ("foreach over 13 cells, five operations in its body", FOREACH, cells(PER_ROW)),
        ("foreach over the roles of a cell, five operations", SPLIT, cells(PER_ROW)),
        (
            "preg_replace and sprintf",
            'return sprintf("+49 %s", preg_replace("/\\D/", "", $row["tel1"]));',
            cells(PER_ROW),
        ),
        ("Jinja2 template with a filter", "{{ tel1 }} {{ roles | upper }}", cells(PER_ROW)),
    ):
        expression = compile_expression(source, name=title)
        processor = timed(expression.evaluate, frame, Names(frame.columns[2:]), clock=time.thread_time)
        elapsed = timed(expression.evaluate, frame, Names(frame.columns[2:]))
        too_slow = "five operations" in title and PER_ROW / processor < AT_LEAST
        slow |= too_slow
        verdict = f": less than {AT_LEAST:,}" if too_slow else ""
        print(
            f"  {PER_ROW / processor:>10,.0f} rows/s ({PER_ROW / elapsed:,.0f})  {title} ({expression.mode}){verdict}"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "users.csv"
        users(rows).write_csv(path)
        compare(path, rows)
    return int(slow)


def compare(path: Path, rows: int) -> None:
    """The 21 default variables and some usual snippets, relative to reading the file."""

    def read() -> pl.DataFrame:
        return pl.read_csv(path, infer_schema=False)

    reading = timed(read)
    frame = read().with_row_index("#row").with_columns(pl.col(COLUMNS).fill_null(""))
    names = Names(COLUMNS)
    print(f"columns, {rows:,} rows, {path.stat().st_size / 1e6:.0f} MB; polars.read_csv takes {reading:.2f} s = 1")
    defaults = [compile_expression(f'return $row["{name}"];', name=name) for name in COLUMNS]
    single = timed(lambda: [expression.evaluate(frame, names) for expression in defaults])
    print(f"  {single / reading:>10.2f}  21 default variables, one evaluate() each")
    together = timed(
        lambda: frame.select(
            column.alias(f"{place}")
            for place, expression in enumerate(defaults)
            if (column := expression.column(names)) is not None
        )
    )
    print(f"  {together / reading:>10.2f}  21 default variables, one select")
    for source in (
        'return $row["givenname"] . " " . $row["surname"];',
        'return strtolower(trim($row["username"]));',
        'if (empty($row["phone"])) return ""; return $row["phone"] === "110" ? "" : $row["phone"];',
        'return str_replace(["ä", "ö", "ü", "ß"], ["ae", "oe", "ue", "ss"], $row["surname"]);',
    ):
        expression = compile_expression(source, name="usual")
        seconds = timed(expression.evaluate, frame, names)
        print(f"  {seconds / reading:>10.2f}  {source} ({expression.mode})")
    keep = compile_expression("return array_key_exists('displayName', $row);", name="prefilter")
    print(f"  {timed(keep.keep, frame, names) / reading:>10.2f}  {keep.source} (pre-filter, {keep.mode})")


def timed(work: Callable[..., object], *arguments: object, clock: Callable[[], float] = time.perf_counter) -> float:
    """The best of four runs, in seconds: what disturbs one of them disturbs no other alike."""
    best = float("inf")
    for _ in range(4):
        start = clock()
        work(*arguments)
        best = min(best, clock() - start)
    return best


def cells(rows: int) -> pl.DataFrame:
    """13 columns of strings."""
    number = pl.int_range(rows).cast(pl.String)
    telephones = {f"tel{n}": pl.lit(f" 030 {n}") + number for n in range(4)}
    others = {f"column{n}": pl.lit(f"value {n} ") + number for n in range(8)}
    roles = pl.lit("Sales; IT ;All;Sales")
    first = pl.select(**{"#row": pl.int_range(rows) + 2, "#line": pl.int_range(rows) + 2})
    return first.with_columns(**telephones, **others, roles=roles)


def users(rows: int) -> pl.DataFrame:
    """A file as an HR system would write it, with some cells empty."""
    number = pl.int_range(rows)
    filled = {name: pl.lit(f"{name} ") + number.cast(pl.String) for name in COLUMNS}
    sparse = {name: pl.when(number % 3 == 0).then(filled[name]).otherwise(pl.lit("")) for name in COLUMNS[12:18]}
    return pl.select(**{**filled, **sparse})


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
