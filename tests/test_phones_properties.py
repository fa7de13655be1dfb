"""Whatever files come in whatever order, and whatever is undone: a phone has one owner, a person one softphone."""

import tempfile
from collections import Counter
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.profile import Profile
from tasks.store.registrar_schema import sip_accounts
from tasks.store.tables import devices
from tests.world import World

LOGINS = ("ann", "bob", "cem")
MACS = ("000413000001", "00:04:13:00:00:02", "805ec0000003")
BRAKES = {"remove_percent": 100, "remove_floor": 99, "update_percent": 100, "shrink_percent": 100}

PEOPLE = st.fixed_dictionaries(
    {},
    optional={login: st.tuples(st.sampled_from(("", "broken", *MACS)), st.sampled_from(("", "1"))) for login in LOGINS},
).filter(bool)
STEPS = st.lists(st.one_of(PEOPLE, st.just("undo")), min_size=2, max_size=6)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_each_phone_has_one_owner_and_each_person_one_softphone(
    steps: list[str | dict[str, tuple[str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        profile = world.profile(variables=_variables(world), brakes=BRAKES)
        for step in steps:
            if isinstance(step, str):
                _undo_newest(world)
            else:
                _bring_in(world, step, profile)
            _check(world)


def _bring_in(world: World, people: dict[str, tuple[str, str]], profile: Profile) -> None:
    lines = [f"{login},{login},{mac},{softphone}" for login, (mac, softphone) in people.items()]
    text = "\n".join(["username,displayname,phonemac,soft", *lines, ""])
    report = world.imports(text, profile)
    if report.plan.held:
        report = world.imports(text, profile, approve=report.plan.checksum)
    assert report.outcome is not None and report.outcome.applied
    again = world.simulate(text, profile).plan
    assert again.phones.is_empty() and not again.writes


def _undo_newest(world: World) -> None:
    applied = [run["run"] for run in world.runs() if run["status"] == "applied" and run["kind"] == "import"]
    if applied:
        report = world.undo(applied[0])
        if report.plan.held:
            world.undo(applied[0], approve=report.plan.checksum)


def _check(world: World) -> None:
    with world.connection() as connection:
        found = connection.read(sa.select(devices.c.kind, devices.c.mac, devices.c.user_id, devices.c.sip_user))
        accounts = connection.read(sa.select(sip_accounts.c.username))["username"].to_list()
    rows = found.to_dicts()
    macs = Counter(row["mac"] for row in rows if row["kind"] == "ip_phone")
    softphones = Counter(row["user_id"] for row in rows if row["kind"] == "softphone")
    assert all(count == 1 for count in macs.values()) and None not in macs
    assert all(count == 1 for count in softphones.values()) and None not in softphones
    assert sorted(accounts) == sorted(row["sip_user"] for row in rows if row["user_id"] is not None)


def _variables(world: World) -> dict[str, str]:
    return {**world.profile().variables, "createSoftphone": 'return $row["soft"];'}
