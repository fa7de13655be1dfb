"""First byte of every page of the console with 100,000 users in the phone system, and a plan that removes all of them.

The rows are written straight into the tables, a run that created them included; the console answers on loopback. What
counts is the median of some requests, since the first one opens what the next ones find open.
"""

import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
import polars as pl
import uvicorn

from deployments.console.access import access_for
from deployments.console.app import create_app
from deployments.console.receive import HEAD_BYTES
from deployments.console.samples import whole_lines
from deployments.console.work import keep_plan
from tasks.output import SourceFacts
from tasks.plan import PHONE_CHANGES_SCHEMA, Plan, empty_summary
from tasks.profile_file import find_profile, load_profile, new_profile
from tasks.report import Report
from tasks.settings import Settings
from tasks.store import tables
from tasks.store.seen import SEEN_PHONES_KEPT, seen_phones
from tasks.store.store import Store, open_store

USERS = 100_000
ISSUE = {
    "run_id": "20261122-000000-0000",
    "column": "phone",
    "code": "extension-invalid",
    "severity": "error",
    "message": "phone: expected 2 digits or more, found “0”",
}
REQUESTS = 7
LIMIT_MS = 100.0


@dataclass
class Numbers:
    """The columns that many tables share."""

    ids: pl.Series = field(default_factory=lambda: pl.int_range(1, USERS + 1, eager=True))

    @property
    def logins(self) -> pl.Series:
        return "user" + self.ids.cast(pl.String)


def fill(store: Store) -> None:
    """100,000 users with extension, voicemail, phonebook and phone, half of them of a profile that is gone.

    The run that brought them has 100,000 changes and as many issues; as many phones were seen as are kept.
    """
    numbers = Numbers()
    ids, logins, text = numbers.ids, numbers.logins, numbers.ids.cast(pl.String)
    fields = pl.Series(
        [json.dumps({"display_name": [None, f"User {at}"], "email": [None, f"u{at}@x.y"]}) for at in ids]
    )
    frames = {
        tables.users: {"id": ids, "login": logins, "display_name": "User " + text},
        tables.extensions: {"number": (ids + 1000).cast(pl.String), "user_id": ids},
        tables.voicemail_boxes: {"user_id": ids, "email": logins + "@example.com"},
        tables.phonebook: {"user_id": ids, "display_name": "User " + text},
        tables.devices: {"kind": pl.repeat("ip_phone", USERS, eager=True), "mac": text.str.zfill(12), "user_id": ids},
        tables.import_records: {"user_id": ids, "profile": (ids % 2).replace_strict({0: "staff", 1: "gone"})},
        seen_phones: {
            "mac": (ids + 10**9).cast(pl.String).str.zfill(12).head(SEEN_PHONES_KEPT),
            **{name: text.head(SEEN_PHONES_KEPT) for name in ("vendor", "address", "first_seen", "last_seen")},
        },
        tables.run_issues: {
            **{name: pl.repeat(value, USERS, eager=True) for name, value in ISSUE.items()},
            "position": ids,
            "row": ids + 1,
            "line": ids + 1,
        },
        tables.run_changes: {
            "run_id": pl.repeat("20261122-000000-0000", USERS, eager=True),
            "position": ids,
            "login": logins,
            "action": pl.repeat("create", USERS, eager=True),
            "row": ids + 1,
            "fields": fields,
        },
    }
    run = {
        "id": "20261122-000000-0000",
        "kind": "import",
        "profile": "staff",
        "mode": "sync",
        "started": "2026-11-22T00:00:00.000Z",
        "finished": "2026-11-22T00:00:09.000Z",
        "status": "applied",
        "summary": json.dumps(empty_summary() | {"create": USERS}),
        "source": "{}",
    }
    with store.open() as connection:
        connection.append(tables.runs, pl.DataFrame([run]))
        for table, columns in frames.items():
            connection.append(table, pl.DataFrame(columns))
        connection.commit()


def plan_of_removals() -> Plan:
    """A plan with 100,000 changes."""
    changes = pl.DataFrame({"login": Numbers().logins}).with_columns(
        action=pl.lit("remove"), row=pl.lit(None, dtype=pl.Int64), fields=pl.lit('{"display_name":["Somebody",null]}')
    )
    phones = pl.DataFrame(schema=PHONE_CHANGES_SCHEMA)
    summary = empty_summary() | {"remove": USERS}
    return Plan(profile="staff", mode="sync", changes=changes, phones=phones, summary=summary, facts=SourceFacts())


def sample() -> bytes:
    """As much of a file as is kept for the previews of the tabs."""
    header = b"displayname,username,password,pin,phone,givenname,surname,email,mobile,job\n"
    rows = b"".join(
        b"User %d,user%d,secret,1234,%d,User,%d,u%d@x.y,,Sales\n" % (at, at, at, at, at) for at in range(1000)
    )
    return whole_lines((header + rows)[:HEAD_BYTES])


def first_byte_ms(client: httpx.Client, path: str) -> float:
    """The median time from the request to the first byte of its answer."""
    times: list[float] = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        with client.stream("GET", path) as answer:
            next(answer.iter_raw(1))
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200, (path, answer.status_code)
    return statistics.median(times)


def main() -> int:
    """Prints a line a page; 1 when one is over the limit."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"ROLLCALL_HOME": f"{folder}/home", "ROLLCALL_PROFILES": f"{folder}/profiles"}
        settings = Settings()
        new_profile("staff", settings, {})
        fill(open_store(settings))
        app = create_app(settings, access_for("127.0.0.1", settings))
        jobs: Any = app.state.site.jobs
        job = jobs.new("simulate", "staff", "bench", status="done")
        keep_plan(Report(plan=plan_of_removals()), job.id, jobs)
        app.state.site.samples.keep(load_profile(find_profile("staff", settings)), sample(), whole=True)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        paths = [
            *("/profiles", "/profiles/new", "/runs", "/people", "/people?page=2000", "/people?search=user777"),
            *("/people/user77777", "/phones", "/phones?page=2000", "/phones?search=77777", "/phones?only=free"),
            *("/phones?only=seen", "/people?only=gone", "/people?only=gone&search=user777"),
            *(
                f"/profiles/staff/{tab}"
                for tab in ("basic", "prefilter", "variables", "structure", "brakes", "automate", "history")
            ),
            *(
                f"/runs/20261122-000000-0000{query}"
                for query in ("", "?page=2000&search=User", "?show=issues", "?show=failed&page=1000")
            ),
            *(f"/plans/{job.id}{query}" for query in ("", "?page=2000", "?search=user777", "?show=issues")),
        ]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            client.get("/profiles")
            found = {path: first_byte_ms(client, path) for path in paths}
        server.should_exit = True
        thread.join()
    for path, milliseconds in found.items():
        print(f"{milliseconds:7.1f} ms  {milliseconds / LIMIT_MS:5.2f} x limit  {path.replace(job.id, 'PLAN')}")
    print(f"slowest {max(found.values()):.1f} ms of {LIMIT_MS:.0f} ms, {USERS:,} users, median of {REQUESTS}")
    return 0 if max(found.values()) <= LIMIT_MS else 1


if __name__ == "__main__":
    sys.exit(main())
