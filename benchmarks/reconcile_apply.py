"""Reconcile and apply of a phone system on SQLite, against a bare insert of the same rows in the same run.

The floor is Python's `sqlite3` with `executemany` into one table of another file. Ours reads the phone system,
compares, assigns phones, judges the brakes, and writes users, numbers, voicemail, phonebook, phones and history in one
transaction. Both alternate, the best of each counts. `--scale` adds how time grows from 10,000 to 1,000,000 rows.
"""

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl

from flows.order import Job, as_function, make_plan
from flows.request import new_run, now
from tasks.apply import Applying, apply_plan
from tasks.fetch import FetchRequest
from tasks.output import LINE, ROW, Modules, SourceFacts
from tasks.profile import Profile
from tasks.profile_file import load_profile
from tasks.records import Records
from tasks.settings import Settings
from tasks.store.store import Store, open_store
from tasks.validate import validate_modules

TEMPLATE = Path(__file__).parent.parent / "tasks" / "template" / "users-from-csv.yaml"
LIMITS = {"first import": 8.0, "1 % changed": 2.0, "nothing changed": 2.0}
GROWTH = 1.15


def rows_of(count: int, changed: int = 0) -> pl.DataFrame:
    """The thirteen columns of an HR export; the first `changed` people have another e-mail address and job."""
    number = pl.int_range(count, eager=True).cast(pl.String)
    is_changed = pl.int_range(count, eager=True) < changed
    suffix = pl.select(pl.when(is_changed).then(pl.lit("new")).otherwise(pl.lit("old"))).to_series()
    return pl.select(
        username="user" + number,
        displayname="Person No " + number,
        password="secret-" + number,
        pin=(pl.int_range(count, eager=True) % 10000).cast(pl.String).str.zfill(4),
        phone=(pl.int_range(count, eager=True) + 200000).cast(pl.String),
        givenname=pl.repeat("Person", count),
        surname="No " + number,
        email="user" + number + "." + suffix + "@example.org",
        mobile="0171" + number,
        homephone=pl.repeat("", count),
        organisation=pl.repeat("ACME", count),
        roles=pl.repeat("Sales", count),
        job="Clerk " + suffix,
    )


def modules_of(rows: pl.DataFrame) -> Modules:
    """What the template's Structure makes of these rows."""
    numbered = rows.with_columns(
        pl.int_range(2, rows.height + 2, dtype=pl.Int64, eager=True).alias(ROW),
        pl.int_range(2, rows.height + 2, dtype=pl.Int64, eager=True).alias(LINE),
        pl.lit(0, dtype=pl.Int64).alias("#identity"),
        pl.lit(0, dtype=pl.Int64).alias("#index"),
    )
    place = [ROW, LINE, "#identity", "#index"]
    identity = {
        "003use_bez": "displayname",
        "003use_name": "username",
        "003use_pw": "password",
        "011acc_pin": "pin",
        "009ext_extension": "phone",
        "016voi_email": "email",
    }
    entry = {
        "028pho_bez": "displayname",
        "028pho_firstname": "givenname",
        "028pho_lastname": "surname",
        "028pho_organisation": "organisation",
        "028pho_email": "email",
        "028pho_mobile": "mobile",
        "028pho_homephone": "homephone",
        "028pho_notes": "job",
    }
    frames = {
        "identity": numbered.select(
            *place, user_roles=pl.concat_list("roles"), **{k: pl.col(v) for k, v in identity.items()}
        ),
        "phonebook": numbered.select(*place, **{k: pl.col(v) for k, v in entry.items()}),
    }
    facts = SourceFacts(
        name="users.csv", digest=str(rows.hash_rows().sum()), header=tuple(rows.columns), rows=rows.height
    )
    return Modules(frames=frames, facts=facts)


class Installation:
    """A phone system of its own, and the profile that fills it."""

    def __init__(self, home: Path) -> None:
        self.profile: Profile = load_profile(TEMPLATE)
        self.store: Store = open_store(Settings(home=home))

    def records(self, rows: pl.DataFrame) -> Records:
        return validate_modules(modules_of(rows), self.profile, self.store.keyring)

    def brings_in(self, records: Records) -> dict[str, int]:
        """Reconcile and apply, as an import does."""
        job = Job(
            profile=self.profile,
            request=FetchRequest(profile=self.profile, file=None),
            store=self.store,
            run=new_run(self.profile),
            clock=now,
        )
        plan = make_plan(records, job, as_function)
        return apply_plan(plan, Applying(job.run, job.store, job.clock)).summary


def bare_insert(file: Path, rows: list[tuple[str, ...]], columns: list[str]) -> None:
    """The floor: the same rows into one table."""
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"CREATE TABLE bare ({', '.join(columns)})")
    connection.executemany(f"INSERT INTO bare VALUES ({', '.join('?' * len(columns))})", rows)
    connection.commit()
    connection.close()


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def measured(count: int, rounds: int) -> dict[str, float]:
    """The best seconds of each job, alternating."""
    first, second = rows_of(count), rows_of(count, changed=count // 100)
    tuples = first.rows()
    best: dict[str, float] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours = Installation(Path(folder))
            records, changed = ours.records(first), ours.records(second)
            jobs: dict[str, Callable[[], object]] = {
                "bare insert": partial(bare_insert, Path(folder) / "bare.db", tuples, first.columns),
                "first import": partial(ours.brings_in, records),
                "nothing changed": partial(ours.brings_in, records),
                "1 % changed": partial(ours.brings_in, changed),
            }
            for name, job in jobs.items():
                best[name] = min(best.get(name, float("inf")), seconds_of(job))
    return best


def printed(count: int, best: dict[str, float]) -> bool:
    """Prints the ratios; whether all are within their limits."""
    floor = best["bare insert"]
    print(f"{count:,} users, SQLite\n  {'bare insert':16} {floor:7.2f} s")
    for name, limit in LIMITS.items():
        print(f"  {name:16} {best[name]:7.2f} s  {best[name] / floor:5.2f} × (limit {limit:g} ×)")
    return all(best[name] <= limit * floor for name, limit in LIMITS.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", action="store_true", help="also 10,000 and 1,000,000 rows, once each")
    options = parser.parse_args()
    held = printed(options.rows, measured(options.rows, options.rounds))
    if options.scale:
        small, large = measured(10_000, 3), measured(1_000_000, 1)
        for name in LIMITS:
            growth = large[name] / small[name] / 100
            print(f"  {name:16} 10,000 to 1,000,000 rows: {growth:5.2f} × rows (limit {GROWTH:g})")
            held = held and growth <= GROWTH
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
