"""Profile option `secrets: fingerprint`: change is seen, and no value of the file is kept anywhere in the database."""

import pytest
import sqlalchemy as sa

from tasks.store.files import read_file
from tasks.store.tables import METADATA, devices, users
from tests.world import World, counts, people

HEADER = "username,displayname,phone,password,pin,phonemac,phonepass"
ROWS = ("a,A,200,longenough,1234,000413a3016f,web-secret", "b,B,201,otherlong1,,,", "c,C,202,,4321,,", "d,D,203,,,,")
FIRST = people(*ROWS, header=HEADER)
SECOND = people("a,A,200,longenough2,1234,000413a3016f,web-two", *ROWS[1:], header=HEADER)


def sealed(world: World) -> list[str]:
    """The columns that hold a sealed value, SIP secrets excepted, which phones need and no file brings."""
    found = []
    with world.connection() as connection:
        for table in METADATA.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, sa.LargeBinary) and column.name != "sip_secret":
                    found += [f"{table.name}.{column.name}"] * connection.read(
                        sa.select(column).where(column.is_not(None))
                    ).height
    return found


def test_change_is_seen_and_no_value_is_kept(world: World) -> None:
    profile = world.profile(secrets="fingerprint")

    assert counts(world.imports(FIRST, profile)) == {"create": 4}
    assert counts(world.imports(FIRST, profile)) == {"unchanged": 4}
    assert counts(world.imports(SECOND, profile)) == {"update": 1, "unchanged": 3}
    assert counts(world.imports(SECOND, profile)) == {"unchanged": 4}
    assert sealed(world) == []
    with world.connection() as connection:
        assert connection.read(sa.select(devices.c.sip_secret))["sip_secret"].null_count() == 0


def test_undo_brings_back_what_was_told_and_the_next_import_sets_it_again(world: World) -> None:
    profile = world.profile(secrets="fingerprint")
    world.imports(FIRST, profile)
    world.imports(SECOND, profile)

    assert world.undo("run-002").issues.is_empty()

    assert counts(world.imports(FIRST, profile)) == {"unchanged": 4} and sealed(world) == []


def test_a_value_that_lies_sealed_goes_when_it_changes(world: World) -> None:
    world.imports(FIRST)
    world.imports(SECOND, world.profile(secrets="fingerprint"))

    with world.connection() as connection:
        kept = connection.read(sa.select(users.c.login).where(users.c.password.is_not(None)))["login"].to_list()
    assert kept == ["b"]


@pytest.mark.parametrize("text", [people(header=HEADER), people(*ROWS[:2], header=HEADER)])
def test_a_held_import_keeps_no_file(world: World, text: str) -> None:
    profile = world.profile(secrets="fingerprint")
    world.imports(FIRST, profile)

    held = world.imports(text, profile)

    assert held.plan.held and sealed(world) == []
    approved = world.imports(text, profile, approve=held.plan.checksum)
    assert approved.outcome is not None and approved.outcome.status == "applied"


def test_rejected_rows_are_kept_without_secrets(world: World) -> None:
    rows = people("a,A,9,longenough,1234,,", "b,B,200,zzqq-secret,1234,,,surplus", header=HEADER)
    world.imports(rows, world.profile(secrets="fingerprint"))

    with world.connection() as connection:
        content = read_file(connection, "run-001", "failed", world.store.keyring)
    assert content is not None and b"a,A,9,," in content
    assert b"longenough" not in content and b"zzqq" not in content
