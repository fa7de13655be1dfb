"""Any sequence of imports, edits by hand and undos over two profiles, as hypothesis draws it.

After every import: replanning changes nothing, nobody is removed who is not the profile's own, people of others stay as
they are, every row of the file is counted once. After an undo of the last run: the state is exactly the former one.
"""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from flows.order import Job, as_function, make_plan, take_in
from tasks.apply import Applying, apply_plan
from tasks.plan import Plan
from tasks.profile import Profile
from tasks.records import Records
from tasks.run import Outcome, timestamp
from tasks.snapshot import Circumstances
from tests.edits import EDITS, edits
from tests.state import State, state_of
from tests.world import World, people, two_mobiles

LOGINS = ("a", "b", "c", "d")
NUMBERS = ("100", "101", "200", "201")
MACS = ("000413a3016f", "00-04-13-00-00-01", "0015.6500.0002")
PROFILES = ("first", "second")
GOOD = {
    "displayname": ("A", "B", "Ä"),
    "phone": ("", *NUMBERS),
    "password": ("", "longenough", "otherlong1"),
    "pin": ("", "1234", "4321"),
    "roles": ("", "Sales", "sales;Support"),
    "email": ("", "a@example.org", "b@example.org"),
    "phonemac": ("", *MACS),
    "phoneip": ("", "10.0.0.1", "10.0.0.2"),
    "phonepass": ("", "web-one", "web-two"),
    "softphone": ("", "yes"),
    "mobile": ("", "0171", "0172"),
    "homephone": ("", "0171", "030"),
    "job": ("", "Boss", "leaves"),
    "contact": ("", "Bank", "Shop"),
    "tel": ("", "11", "12"),
    "fax": ("", "13"),
}
BAD = {
    "displayname": "",
    "phone": "110",
    "password": "short",
    "pin": "12",
    "email": "none",
    "phonemac": "x",
    "phoneip": "x",
}
HEADERS = (
    ("displayname", "phone"),
    ("displayname", "phone", "phonemac", "phoneip", "phonepass"),
    ("displayname", "phone", "password", "pin"),
    ("displayname", "roles", "email", "job"),
    ("displayname", "softphone", "mobile", "phonemac"),
    ("displayname", "mobile", "homephone"),
    ("displayname", "contact", "tel", "fax"),
    ("displayname", "contact", "tel"),
    tuple(GOOD),
    tuple(GOOD)[1:],
)
BAD_LINES = (",A", "ä,A", "admin,A", "", "a,A,1,2,3,4,5,6,7,8,9,10,11,12,13")
VARIABLES = {
    "createSoftphone": "return array_key_exists('softphone', $row);",
    "createMobile": "return array_key_exists('mobile', $row);",
}
CONTACTS = """{{#if contact}}"phonebook": [
  {"028pho_bez": "{{{contact}}}", "028pho_phone": "{{{tel}}}", "028pho_fax": "{{{fax}}}"}
],{{/if}}"""
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Import:
    """One import as drawn: whose, what, under which options."""

    profile: str
    header: tuple[str, ...]
    rows: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


@st.composite
def imports(draw: st.DrawFn) -> Import:
    """An import of a few rows, mostly good ones; options that are not drawn are the profile's defaults."""
    header = draw(st.sampled_from(HEADERS))
    rows = [
        ",".join((login, *(draw(st.sampled_from(GOOD[name])) for name in header)))
        for login in draw(st.lists(st.sampled_from((*LOGINS, "boss")), unique=True, min_size=1, max_size=4))
    ]
    if draw(st.integers(0, 4)) == 4:
        bad = draw(st.sampled_from([name for name in header if name in BAD]))
        cells = rows[0].split(",")
        cells[1 + header.index(bad)] = BAD[bad]
        rows[0] = ",".join(cells)
    if draw(st.integers(0, 9)) == 9:
        rows.append(draw(st.sampled_from((*BAD_LINES, rows[0]))))
    return Import(draw(st.sampled_from(PROFILES)), ("username", *header), tuple(rows), draw(_options()))


def _options() -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    drawn = {
        "mode": st.sampled_from(["sync", "upsert"]),
        "on_missing": st.sampled_from(["remove", "disable", "disable_then_remove"]),
        "on_existing": st.sampled_from(["adopt", "skip", "conflict"]),
        "prefilter": st.just("return !array_key_exists('job', $row) || $row['job'] !== 'leaves';"),
        "empty_cells": st.sampled_from(["clear", "keep"]),
    }
    return st.fixed_dictionaries({}, optional=drawn).map(lambda options: tuple(sorted(options.items())))


class PhoneSystemMachine(RuleBasedStateMachine):
    """One phone system; `world_of` makes it in a folder, empty and migrated."""

    world_of: Callable[[Path], World]

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="rollcall-machine-"))
        self.world = type(self).world_of(self.home)
        self.days = 0
        self.state: State = {}
        self.last_run: str | None = None
        self.before_last_run: State = {}

    def teardown(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    def clock(self) -> str:
        """A time that goes on by days as the rules say, and by a second a run."""
        return timestamp(START + timedelta(days=self.days, seconds=self.world.serial))

    @rule(drawn=imports())
    def import_a_file(self, drawn: Import) -> None:
        self._import(drawn)

    @rule(drawn=imports())
    def import_another_file(self, drawn: Import) -> None:
        self._import(drawn)

    def _import(self, drawn: Import) -> None:
        template = self.world.profile()
        profile = self.world.profile(
            drawn.profile,
            variables={**template.variables, **VARIABLES},
            structure=two_mobiles(template.structure).replace('"identity"', f'{CONTACTS} "identity"', 1),
            **{"mode": "sync", **dict(drawn.options)},
        )
        text = people(*drawn.rows, header=",".join(drawn.header))
        job = replace(
            self.world.job(text, profile, circumstances=Circumstances(today=self.clock()[:10])), clock=self.clock
        )
        records = take_in(job, as_function).records
        plan = make_plan(records, job, as_function)
        if self._apply(plan, job).status == "held":
            assert state_of(self.world.store) == self.state
            job = replace(job, run=replace(job.run, id=f"{job.run.id}-approved"), approve=plan.checksum)
            plan = make_plan(records, job, as_function)
            self._apply(plan, job)
        self._check_counts(plan, records)
        now = state_of(self.world.store)
        self._check_others(plan, profile, now)
        self._check_protected(plan, records, now)
        self._check_absent_columns(drawn, plan, now)
        again = make_plan(records, replace(job, approve=None), as_function)
        assert not again.writes, changes_of(again)
        self._remember(job.run.id if plan.writes else None, now)

    @rule()
    @precondition(lambda self: self.last_run is not None)
    def undo_last_run(self) -> None:
        assert self.last_run is not None
        wanted, present = self.before_last_run, self.state
        report = self.world.undo(self.last_run)
        assert report.issues.is_empty(), report.issues.to_dicts()
        now = state_of(self.world.store)
        assert now == wanted, differences(now, wanted)
        self.state, self.before_last_run = present, {}
        self._remember(report.outcome.run if report.outcome and report.plan.writes else None, now)

    @rule(back=st.integers(1, 3))
    def undo_an_older_run(self, back: int) -> None:
        applied = [run["run"] for run in self.world.runs() if run["status"] == "applied"]
        if len(applied) <= back:
            return
        report = self.world.undo(applied[back])
        assert report.outcome is not None
        now = state_of(self.world.store)
        self._remember(report.outcome.run if report.plan.writes else None, now)

    @rule(login=st.sampled_from((*LOGINS, "boss")), what=st.sampled_from(EDITS), number=st.sampled_from(NUMBERS))
    def edit_by_hand(self, login: str, what: str, number: str) -> None:
        sealed = self.world.store.keyring.seal("by-hand-1", table="users", row=login, column="password")
        self.world.by_hand(*edits(login, what, number, sealed))
        self.state = state_of(self.world.store)
        self.last_run = None

    @rule(days=st.sampled_from([1, 40]))
    def days_pass(self, days: int) -> None:
        self.days += days

    def _apply(self, plan: Plan, job: Job) -> Outcome:
        return apply_plan(plan, Applying(job.run, self.world.store, job.clock))

    def _remember(self, run: str | None, now: State) -> None:
        if run is not None:
            self.last_run, self.before_last_run = run, self.state
        self.state = now

    def _check_counts(self, plan: Plan, records: Records) -> None:
        """Rows and contacts in = create + update + enable + unchanged + rejected + filtered + conflict."""
        counted = ("create", "update", "enable", "unchanged", "rejected", "filtered", "conflict")
        beside = plan.changes.filter(pl.col("action") == "update", pl.col("row").is_null()).height
        wanted = plan.facts.rows + records.contacts.height
        assert sum(plan.summary[name] for name in counted) - beside == wanted, plan.summary
        assert plan.changes.group_by("login").len().filter(pl.col("len") > 1).is_empty()

    def _check_others(self, plan: Plan, profile: Profile, now: State) -> None:
        """Nothing not owned is removed; people of another profile stay as they are, those made by hand nearly so."""
        named = set(plan.changes.filter(pl.col("row").is_not_null())["login"])
        contacts = [entry for name, entry in now.items() if name.startswith("contact ")]
        for login, person in self.state.items():
            if login.startswith("contact "):
                assert person["profile"] in {profile.name, None} or person in contacts, f"{person} belongs to others"
            elif person["profile"] == profile.name:
                assert login in now or not person["adopted"], f"{login} was adopted and is gone"
            elif person["profile"] is not None:
                assert now.get(login) == person, f"{login} belongs to {person['profile']}"
            elif login not in named or profile.on_existing != "adopt":
                movable = ("extension", "automatic", "devices")
                assert {k: v for k, v in now[login].items() if k not in movable} == {
                    k: v for k, v in person.items() if k not in movable
                }
                # A claim may take the number or a phone; nothing else is taken, nothing is given.
                assert devices_of(now[login], "softphone", "mobile") == devices_of(person, "softphone", "mobile")
                assert {device["mac"] for device in now[login]["devices"]} <= {d["mac"] for d in person["devices"]}

    def _check_protected(self, plan: Plan, records: Records, now: State) -> None:
        """Whose row is rejected, and whom an unknown login spares, stays as he is against every claim (decision 12)."""
        kept = set(plan.rejected_logins["login"])
        if records.unknown_logins and plan.mode == "sync":
            own = {login for login, person in self.state.items() if person["profile"] == plan.profile}
            kept |= own - set(records.users["login"])
        for login in kept & self.state.keys():
            assert now.get(login) == self.state[login], f"{login} is protected"

    def _check_absent_columns(self, drawn: Import, plan: Plan, now: State) -> None:
        """A softphone or mobile device whose column is not in the file stays with its user, as it is (decision 14)."""
        new = set(plan.changes.filter(pl.col("action") == "create")["login"])
        freed = set(plan.changes.filter(pl.col("action").is_in(["remove", "disable"]))["login"])
        for kind in {"softphone", "mobile"} - set(drawn.header):
            for login in (self.state.keys() & now.keys()) - new - freed:
                if "devices" in now[login]:
                    assert devices_of(now[login], kind) == devices_of(self.state[login], kind), f"{login}: {kind}"


def devices_of(person: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """The devices of these kinds that somebody has."""
    return [device for device in person["devices"] if device["kind"] in kinds]


def differences(now: State, wanted: State) -> dict[str, Any]:
    """Where two states are not alike, as login or login.field to (now, wanted)."""
    both = now.keys() & wanted.keys()
    found: dict[str, Any] = {login: (login in now, login in wanted) for login in now.keys() ^ wanted.keys()}
    fields = {(login, name) for login in both for name in now[login].keys() | wanted[login].keys()}
    for login, name in sorted(fields):
        pair = now[login].get(name), wanted[login].get(name)
        if pair[0] != pair[1]:
            found[f"{login}.{name}"] = pair
    return found


def changes_of(plan: Plan) -> list[dict[str, Any]]:
    """What a plan would do, to be shown where it should do nothing."""
    people_ = plan.changes.filter(pl.col("action") != "conflict").select("action", "login", "row", "fields")
    return [*people_.to_dicts(), *plan.phones.select("action", "login", "kind", "mac", "before", "fields").to_dicts()]
