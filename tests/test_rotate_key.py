"""A new key: everything opens as before, nothing is to do, and the old key opens nothing any more."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pydantic import SecretStr

from deployments import cli
from flows.request import new_audited_run, now
from tasks.errors import WrongUseError
from tasks.key_file import add_key, open_keyring
from tasks.keyring import Keyring, SealError
from tasks.store import reseal
from tasks.store.files import read_file
from tasks.store.registrar_schema import sip_accounts
from tasks.store.rotate_key import rotate_key
from tasks.store.tables import METADATA, users
from tasks.store.upload_tables import METADATA as UPLOADS
from tasks.uploads import UploadLimits, find_upload, keep_upload
from tests.servers import PostgreSQL
from tests.state import state_of
from tests.world import World, counts, people

HEADER = "username,displayname,phone,password,pin,phonemac,phonepass"
ROWS = (
    "a,A,200,longenough,1234,000413a3016f,web-secret",
    "b,B,201,otherlong1,4321,,",
    "c,C,202,,,,",
)
AGAIN = people("a,A,200,longenough2,12345,000413a3016f,web-two", *ROWS[1:], header=HEADER)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A phone system whose key lies in a file."""
    (tmp_path / "key").write_text("11" * 32 + "\n")
    server: PostgreSQL | None = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    made = World(tmp_path, server.new_database() if server else None)
    made.reopened(key=None, key_file=tmp_path / "key")
    return made


def filled(world: World) -> str:
    """All that can lie sealed: people, phones, their history, failed rows, a held file, an upload; the upload's id."""
    world.imports(people(*ROWS, "x,X,9,short,1,,", header=HEADER))
    world.imports(AGAIN)
    assert world.imports(people(header=HEADER)).plan.held
    limits = UploadLimits()
    return keep_upload(world.store, BytesIO(b"username\nz\n"), "z.csv", datetime.now(UTC), limits).id


def rotate(world: World) -> None:
    rotate_key(world.settings, new_audited_run("rotate-key"), now())
    world.reopened()


def test_after_a_rotation_all_is_as_before_and_there_is_nothing_to_do(world: World) -> None:
    upload = filled(world)
    before, old = state_of(world.store), world.store.keyring.key_id
    with world.connection() as connection:
        accounts = connection.read(sa.select(sip_accounts.c.username, sip_accounts.c.ha1)).rows()

    rotate(world)

    prints = ("password_fingerprint", "pin_fingerprint", "web_password_fingerprint")
    assert without(state_of(world.store), *prints) == without(before, *prints)
    assert world.store.keyring.key_id != old and world.store.keyring.older_key_ids == ()
    assert counts(world.imports(AGAIN)) == {"unchanged": 3}
    with world.connection() as connection:
        assert b"short" in (read_file(connection, "run-001", "failed", world.store.keyring) or b"")
        assert read_file(connection, "run-003", "source", world.store.keyring) == people(header=HEADER).encode()
        assert connection.read(sa.select(sip_accounts.c.username, sip_accounts.c.ha1)).rows() == accounts
    assert find_upload(world.store, upload, datetime.now(UTC)).read_bytes() == b"username\nz\n"
    assert "rotate-key" in [run["kind"] for run in world.runs()]


def without(state: dict[str, dict[str, object]], *names: str) -> object:
    def of(value: object) -> object:
        if isinstance(value, dict):
            return {key: of(item) for key, item in value.items() if key not in names}
        return [of(item) for item in value] if isinstance(value, list) else value

    return of(state)


def test_an_earlier_run_can_be_undone_after_a_rotation(world: World) -> None:
    world.imports(people(*ROWS, header=HEADER))
    first = state_of(world.store)
    world.imports(AGAIN)
    rotate(world)

    report = world.undo("run-002")

    assert report.issues.is_empty()
    prints = ("password_fingerprint", "pin_fingerprint", "web_password_fingerprint")
    assert without(state_of(world.store), *prints) == without(first, *prints)
    assert counts(world.imports(people(*ROWS, header=HEADER), approve=None))["unchanged"] == 3


def test_a_password_that_its_user_changed_is_not_set_back_after_a_rotation(world: World) -> None:
    world.imports(people(*ROWS, header=HEADER))
    sealed = world.store.keyring.seal("my-own-secret", table="users", row="a", column="password")
    world.by_hand(sa.update(users).where(users.c.login == "a").values(password=sealed))

    rotate(world)

    assert counts(world.imports(people(*ROWS, header=HEADER))) == {"unchanged": 3}
    assert state_of(world.store)["a"]["password"] == "my-own-secret"


def test_nothing_lies_under_the_old_key_any_more(world: World) -> None:
    filled(world)
    old = bytes.fromhex(world.store.keyring.key_id)

    rotate(world)

    with world.connection() as connection:
        for table in (*METADATA.sorted_tables, *UPLOADS.sorted_tables):
            for column in table.columns:
                if isinstance(column.type, sa.LargeBinary):
                    values = connection.read(sa.select(column))[column.name].drop_nulls().to_list()
                    assert not any(value[1:9] == old for value in values), f"{table.name}.{column.name}"


def test_every_sealed_column_is_known_to_the_rotation() -> None:
    sealed = {
        (table.name, column.name)
        for table in (*METADATA.sorted_tables, *UPLOADS.sorted_tables)
        for column in table.columns
        if isinstance(column.type, sa.LargeBinary)
    }
    assert {(column.table.name, column.name) for column in (*reseal._COLUMNS, *reseal._FILES)} == sealed  # pyright: ignore[reportPrivateUsage]


def test_a_rotation_that_only_added_the_new_key_changes_nothing_and_is_finished_later(world: World) -> None:
    filled(world)
    before = state_of(world.store)
    add_key(world.settings)
    world.reopened()

    assert counts(world.imports(AGAIN)) == {"unchanged": 3} and state_of(world.store) == before
    new = open_keyring(world.settings, may_create=False).key_id
    assert world.store.keyring.key_id != new

    rotate(world)

    assert world.store.keyring.key_id == new and world.store.keyring.older_key_ids == ()
    assert counts(world.imports(AGAIN)) == {"unchanged": 3}


def test_a_value_that_does_not_open_leaves_the_old_key_in_force(world: World) -> None:
    filled(world)
    foreign = Keyring(b"\x22" * 32).seal("x", table="users", row="b", column="password")
    world.by_hand(sa.update(users).where(users.c.login == "b").values(password=foreign))
    old = world.store.keyring.key_id

    with pytest.raises(SealError):
        rotate_key(world.settings, new_audited_run("rotate-key"), now())

    world.reopened()
    assert world.store.keyring.key_id == old and len(world.store.keyring.older_key_ids) == 1


def test_whoever_started_with_the_old_key_writes_nothing_any_more(world: World) -> None:
    job = world.job(people(*ROWS, header=HEADER))
    rotate_key(world.settings, new_audited_run("rotate-key"), now())

    from flows.order import as_function, run_import

    with pytest.raises(WrongUseError) as refused:
        run_import(job, as_function)
    with pytest.raises(WrongUseError):
        keep_upload(world.store, BytesIO(b"x"), "x", datetime.now(UTC), UploadLimits())
    assert refused.value.code == "key-rotated"


KILLED = """
import os, sys
from pathlib import Path
from flows.request import new_audited_run, now
from tasks.settings import Settings
from tasks.store import rotate_key
def die(*_): os._exit(9)
setattr(rotate_key, sys.argv[1], die)
rotate_key.rotate_key(Settings(), new_audited_run("rotate-key"), now())
"""


@pytest.mark.parametrize("at", ["reseal", "write_audited_run", "_forget_older"])
def test_a_rotation_killed_anywhere_leaves_a_phone_system_that_opens(world: World, at: str) -> None:
    filled(world)
    before = state_of(world.store)
    settings = {
        "HOME": str(world.home),
        "KEY_FILE": str(world.home / "key"),
        "DATABASE_URL": world.settings.store_url(),
    }
    environment = os.environ | {f"ROLLCALL_{name}": value for name, value in settings.items()}
    killed = subprocess.run([sys.executable, "-c", KILLED, at], env=environment, check=False)
    assert killed.returncode == 9
    world.reopened()

    prints = ("password_fingerprint", "pin_fingerprint", "web_password_fingerprint")
    assert without(state_of(world.store), *prints) == without(before, *prints)
    assert counts(world.imports(AGAIN)) == {"unchanged": 3}
    rotate(world)
    assert world.store.keyring.older_key_ids == () and counts(world.imports(AGAIN)) == {"unchanged": 3}


def test_a_key_of_the_environment_is_rotated_to_the_first_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.imports(people(*ROWS, header=HEADER))
    monkeypatch.setenv("ROLLCALL_HOME", str(tmp_path))
    monkeypatch.setenv("ROLLCALL_KEY", "11" * 32)
    refused = CliRunner().invoke(cli.rollcall, ["key", "rotate"])
    assert refused.exit_code == 2 and "ROLLCALL_KEY" in refused.output

    monkeypatch.setenv("ROLLCALL_KEY", f"{'22' * 32},{'11' * 32}")
    done = CliRunner().invoke(cli.rollcall, ["key", "rotate"])

    assert done.exit_code == 0 and "is in force" in done.output and "take the older key out" in done.output
    world.reopened(key=SecretStr("22" * 32))
    assert counts(world.imports(people(*ROWS, header=HEADER))) == {"unchanged": 3}
