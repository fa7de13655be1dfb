"""Every assigned phone is let in by a real registrar, and no other one is."""

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tasks.store.registrar import digests
from tasks.store.tables import devices, users
from tests.servers import PostgreSQL, running_kamailio
from tests.world import World, people

HEADER = "username,displayname,phone,phonemac"
MAC = "000413a3016f"
PHONES = 200


def test_all_phones_of_an_import_register(world: World, tmp_path: Path) -> None:
    mac = [f"000413{serial:06x}" for serial in range(PHONES)]
    rows = [f"user{at},User {at},{1000 + at},{mac[at]}" for at in range(PHONES)]
    world.imports(people(*rows, header=HEADER))
    of_mac = accounts(world)

    with running_kamailio(tmp_path, *defines(world)) as registrar, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda one: registrar.registers(*of_mac[one]), mac))
        assert answers.count("200 OK") == PHONES, answers

        user, secret = of_mac[mac[0]]
        assert registrar.registers(user, "wrong").startswith("401")
        released = [rows[0].removesuffix(mac[0]), f"user1,User 1,1001,{mac[2]}", f"user2,User 2,1002,{mac[1]}"]
        world.imports(people(*released, *rows[3:], header=HEADER))
        assert registrar.registers(user, secret).startswith("401")
        assert accounts(world)[mac[2]] == of_mac[mac[2]]
        assert registrar.registers(*of_mac[mac[2]]) == "200 OK"
    assert extension_of(world, of_mac[mac[2]][0]) == "1001"


def test_the_views_hold_what_kamailio_and_asterisk_ask_for(world: World) -> None:
    world.imports(people(f'a,"A ""B"" <C>",300,{MAC}', header=HEADER))
    user, secret = accounts(world)[MAC]
    ha1, ha1b = digests(user, "rollcall", secret)

    assert rows_of(world, "subscriber", "username", "domain", "ha1", "ha1b", "password") == [
        (user, "rollcall", ha1, ha1b, "")
    ]
    assert rows_of(world, "version", "table_name", "table_version") == [("subscriber", "7"), ("dbaliases", "1")]
    assert rows_of(world, "dbaliases", "alias_username", "username") == [("300", user)]
    assert rows_of(world, "ps_endpoints", "id", "aors", "auth", "callerid") == [(user, user, user, '"A B C" <300>')]
    assert rows_of(world, "ps_auths", "id", "auth_type", "username", "realm", "md5_cred") == [
        (user, "md5", user, "rollcall", ha1)
    ]
    assert rows_of(world, "ps_aors", "id", "max_contacts") == [(user, "1")]


def test_a_phone_nobody_has_and_a_disabled_user_have_no_account(world: World) -> None:
    world.imports(people(f"a,A,300,{MAC}", "b,B,301,000413000001", header=HEADER))

    world.by_hand(sa.update(users).where(users.c.login == "b").values(enabled=False))
    world.imports(people("a,A,300,", "b,B,301,000413000001", header=HEADER))

    assert rows_of(world, "subscriber", "username") == []


def test_a_new_name_or_extension_reaches_the_registrar(world: World) -> None:
    world.imports(people(f"a,A,300,{MAC}", header=HEADER))

    world.imports(people(f"a,Anna,301,{MAC}", header=HEADER))

    assert rows_of(world, "ps_endpoints", "callerid") == [('"Anna" <301>',)]


def test_another_realm_makes_every_digest_anew(world: World) -> None:
    world.imports(people(f"a,A,300,{MAC}", header=HEADER))
    user, secret = accounts(world)[MAC]

    world.reopened(sip_realm="sip.example.org")

    assert rows_of(world, "subscriber", "ha1") == [(digests(user, "sip.example.org", secret)[0],)]


def test_sqlites_registrar_is_a_file_of_its_own_that_its_group_may_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.imports(people(f"a,A,300,{MAC}", header=HEADER))

    assert stat.S_IMODE((tmp_path / "registrar.db").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "phonesystem.db").stat().st_mode) == 0o600
    with world.connection() as connection:
        main = connection.read(sa.select(sa.column("name", sa.Text)).select_from(sa.table("sqlite_master")))
    assert not set(main["name"]) & {"subscriber", "sip_accounts"}


@pytest.mark.parametrize("damage", ["lost", "emptied", "behind"])
def test_a_registrar_file_that_is_out_of_step_is_made_again(tmp_path: Path, damage: str) -> None:
    world, file = World(tmp_path), tmp_path / "registrar.db"
    world.imports(people(f"a,A,300,{MAC}", header=HEADER))
    expected, earlier = rows_of(world, "subscriber", "username", "ha1"), file.read_bytes()
    if damage == "behind":
        world.imports(people(f"a,A,301,{MAC}", header=HEADER))
    file.unlink()
    if damage != "lost":
        file.write_bytes(earlier if damage == "behind" else b"")

    world.reopened()

    assert rows_of(world, "subscriber", "username", "ha1") == expected
    assert rows_of(world, "dbaliases", "alias_username") == [("301" if damage == "behind" else "300",)]


def test_only_the_registrars_role_reads_the_views_and_no_role_but_the_owner_the_rest(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.new_database()
    database = url.rpartition("/")[2]
    world = World(tmp_path, url)
    world.imports(people(f"a,A,300,{MAC}", header=HEADER))
    postgresql.run(
        f"CREATE ROLE kamailio_{database} LOGIN IN ROLE rollcall_registrar; CREATE ROLE other_{database} LOGIN"
    )

    assert postgresql.run("SELECT count(*) FROM subscriber", database, f"kamailio_{database}") == "1"
    for user, table in (
        ("other", "subscriber"),
        ("other", "ps_auths"),
        ("kamailio", "sip_accounts"),
        ("kamailio", "devices"),
    ):
        with pytest.raises(subprocess.CalledProcessError):
            postgresql.run(f"SELECT count(*) FROM {table}", database, f"{user}_{database}")


def accounts(world: World) -> dict[str, tuple[str, str]]:
    """SIP user and secret by MAC."""
    with world.connection() as connection:
        found = connection.read(sa.select(devices.c.mac, devices.c.sip_user, devices.c.sip_secret))
    plain = world.store.keyring.open_series(
        found["sip_secret"], found["sip_user"], table="devices", column="sip_secret"
    )
    return {mac: (user, secret) for mac, user, secret in zip(found["mac"], found["sip_user"], plain, strict=True)}


def rows_of(world: World, view: str, *columns: str) -> list[tuple[str, ...]]:
    """The rows of a view, all cells as text."""
    with world.connection() as connection:
        found = connection.read(sa.select(*(sa.column(name, sa.Text) for name in columns)).select_from(sa.table(view)))
    return found.cast(pl.String).rows()


def extension_of(world: World, sip_user: str) -> str:
    return dict(rows_of(world, "subscriber", "username", "extension"))[sip_user]


def defines(world: World) -> list[str]:
    """What Kamailio must be told to read this phone system."""
    url = world.settings.store_url()
    if url.startswith("sqlite"):
        file = world.settings.registrar_path()
        return ['REALM="rollcall"', f'DBURL="sqlite:///{file}"', f'DBFILE="{file}"']
    return ['REALM="rollcall"', "WITH_POSTGRES", f'DBURL="{url.replace("postgresql+psycopg", "postgres")}"']
