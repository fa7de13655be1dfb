"""Every phone and softphone has a SIP account, made once; a person may ask for another secret."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from flows.request import new_audited_run, now
from tasks.errors import WrongUseError
from tasks.run import Run
from tasks.store.registrar import digests
from tasks.store.registrar_schema import sip_accounts
from tasks.store.rotate import rotate_sip_secret
from tasks.store.tables import devices
from tests.world import World, people, with_devices

HEADER = "username,displayname,phonemac,phoneip"
MAC = "000413a3016f"


def test_every_phone_has_a_sip_account_that_stays(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))
    account = sa.select(devices.c.sip_user, devices.c.sip_secret)
    with world.connection() as connection:
        first = connection.read(account)

    world.imports(people("a,A,,", f"b,B,{MAC},10.0.0.9", header=HEADER))

    with world.connection() as connection:
        assert connection.read(account).equals(first)
    assert len(first["sip_user"][0]) == 15 and first["sip_user"][0].endswith(MAC[-6:])


def test_a_rotated_phone_has_another_secret_the_same_user_name_and_a_place_in_the_history(world: World) -> None:
    world.imports(people(f"a,A,{MAC},", "b,B,,", header=HEADER))
    before = account(world)

    name = rotate_sip_secret(world.store, "00:04:13:A3:01:6F", rotation("rotated"), now())

    after = account(world)
    assert name == f"Snom {MAC}" and before["sip_user"] == after["sip_user"]
    assert before["secret"] != after["secret"] and before["ha1"] != after["ha1"]
    assert digests(after["sip_user"], "rollcall", after["secret"])[0] == after["ha1"]
    last = world.story("a")[-1]
    assert (last["run_id"], last["action"], last["phones"][0]["mac"]) == ("rotated", "rotate", MAC)
    assert world.run("rotated")["kind"] == "rotate"
    assert after["secret"] not in str((world.run("rotated"), world.story("a")))
    with pytest.raises(WrongUseError, match="of the kind rotate, which changed no record"):
        world.undo("rotated")


def test_a_softphone_is_rotated_by_its_login_and_an_unknown_phone_is_told(world: World) -> None:
    world.imports(people("a,A"), with_devices(world, '"ipdevice.mdsoftphone": [{}]'))

    assert rotate_sip_secret(world.store, "a", rotation("rotated"), now()) == "Softphone a"
    with pytest.raises(WrongUseError, match="no phone with the MAC 000413000000"):
        rotate_sip_secret(world.store, "000413000000", rotation("further"), now())
    assert world.runs()[0]["run"] == "rotated"


def rotation(run: str) -> Run:
    return replace(new_audited_run("rotate"), id=run)


def account(world: World) -> dict[str, str]:
    """The SIP account of the one phone, its secret opened."""
    with world.connection() as connection:
        found = connection.read(sa.select(devices.c.sip_user, devices.c.sip_secret)).to_dicts()[0]
        ha1 = connection.read(sa.select(sip_accounts.c.ha1))["ha1"][0]
    sealed = world.store.keyring.open(found["sip_secret"], table="devices", row=found["sip_user"], column="sip_secret")
    return {"sip_user": found["sip_user"], "secret": sealed.decode(), "ha1": ha1}
