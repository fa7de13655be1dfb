import base64
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.errors import WrongUseError
from tasks.key_file import add_key, open_keyring
from tasks.keyring import Keyring, SealError
from tasks.settings import Settings

KEY = bytes(range(32))
RING = Keyring(KEY)
PLACE = {"table": "secrets", "row": "mmuster", "column": "pin"}


def settings(home: Path, **values: object) -> Settings:
    return Settings.model_validate({"home": home, **values})


@pytest.mark.parametrize("text", [KEY.hex(), base64.b64encode(KEY).decode(), base64.urlsafe_b64encode(KEY).decode()])
def test_a_key_may_be_written_in_hex_or_base64(tmp_path: Path, text: str) -> None:
    ring = open_keyring(settings(tmp_path, key=SecretStr(text)), may_create=False)

    assert ring.key_id == RING.key_id


def test_sub_keys_are_those_of_rfc_5869() -> None:
    expected = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"rollcall/1/cache").derive(KEY)

    assert RING.derive("cache") == expected


@pytest.mark.parametrize("text", ["short", "ä" * 44, "0" * 63 + "x", base64.b64encode(KEY[:31]).decode()])
def test_a_key_that_is_none_is_named_by_its_setting_and_never_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(WrongUseError, match=r"ROLLCALL_KEY holds .*openssl rand") as raised:
        open_keyring(settings(tmp_path, key=SecretStr(text)), may_create=False)

    assert raised.value.code == "key-invalid"
    assert text not in str(raised.value)


def test_sqlite_gets_a_private_key_file_on_first_use(tmp_path: Path) -> None:
    made = open_keyring(settings(tmp_path / "home"), may_create=True)

    assert stat.S_IMODE((tmp_path / "home" / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert open_keyring(settings(tmp_path / "home"), may_create=False).key_id == made.key_id
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["key"]


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        rings = list(pool.map(lambda _: open_keyring(settings(tmp_path), may_create=True), range(64)))

    assert len({ring.key_id for ring in rings}) == 1


def test_no_key_is_made_when_the_database_already_holds_sealed_values(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="the database holds sealed values") as raised:
        open_keyring(settings(tmp_path), may_create=False)

    assert raised.value.code == "key-missing"
    assert not (tmp_path / "key").exists()


def test_postgresql_never_gets_a_key_made(tmp_path: Path) -> None:
    database = SecretStr("postgresql+psycopg://u:p@h/d")

    with pytest.raises(WrongUseError, match="set ROLLCALL_KEY or ROLLCALL_KEY_FILE"):
        open_keyring(settings(tmp_path, database_url=database), may_create=True)


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match=r"nothing\.key cannot be read \(FileNotFoundError\)"):
        open_keyring(settings(tmp_path, key_file=tmp_path / "nothing.key"), may_create=True)


@given(st.text(), st.text(), st.text(), st.text())
def test_what_was_sealed_opens_at_its_place(value: str, table: str, row: str, column: str) -> None:
    sealed = RING.seal(value, table=table, row=row, column=column)

    assert RING.open(sealed, table=table, row=row, column=column).decode() == value


@pytest.mark.parametrize("elsewhere", [{"table": "users"}, {"row": "other"}, {"column": "password"}])
def test_a_sealed_value_opens_at_no_other_place(elsewhere: dict[str, str]) -> None:
    sealed = RING.seal("CANARY-1234", **PLACE)

    with pytest.raises(SealError) as raised:
        RING.open(sealed, **(PLACE | elsewhere))

    assert "CANARY" not in str(raised.value)
    assert raised.value.__cause__ is None


@given(st.binary())
def test_any_bytes_open_or_raise_our_error(junk: bytes) -> None:
    with pytest.raises(SealError):
        RING.open(junk, **PLACE)


def test_one_flipped_bit_is_seen() -> None:
    sealed = bytearray(RING.seal("1234", **PLACE))
    sealed[-1] ^= 1

    with pytest.raises(SealError, match="damaged"):
        RING.open(bytes(sealed), **PLACE)


def test_the_same_value_never_looks_the_same_twice() -> None:
    assert RING.seal("1234", **PLACE) != RING.seal("1234", **PLACE)


def test_a_sealed_column_opens_cell_by_cell() -> None:
    logins, pins = pl.Series(["a", "b", "c"]), pl.Series("pin", ["1234", None, ""])

    sealed = RING.seal_series(pins, logins, table="secrets", column="pin")

    assert sealed.dtype == pl.Binary
    assert RING.open(sealed[0], table="secrets", row="a", column="pin") == b"1234"
    assert RING.open_series(sealed, logins, table="secrets", column="pin").to_list() == ["1234", None, ""]


def test_an_older_key_opens_and_never_seals() -> None:
    sealed = RING.seal("1234", **PLACE)
    rotated = Keyring(bytes(32), [KEY])

    assert rotated.open(sealed, **PLACE) == b"1234"
    with pytest.raises(SealError, match=rotated.key_id):
        RING.open(rotated.seal("1234", **PLACE), **PLACE)
    assert rotated.at(RING.key_id).fingerprint("a", "pin", "1") == RING.fingerprint("a", "pin", "1")


def test_an_unknown_key_is_named_by_its_id() -> None:
    with pytest.raises(SealError, match=RING.key_id):
        Keyring(bytes(32)).open(RING.seal("1234", **PLACE), **PLACE)


def test_a_rotated_key_file_keeps_the_former_keys(tmp_path: Path) -> None:
    before = open_keyring(settings(tmp_path), may_create=True)

    after = add_key(settings(tmp_path))

    assert after.key_id != before.key_id
    assert after.older_key_ids == (before.key_id,)
    assert after.holds(before.key_check())
    assert not before.holds(after.key_check())
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_key_of_the_environment_is_rotated_by_its_owner(tmp_path: Path) -> None:
    with pytest.raises(WrongUseError, match="comes from ROLLCALL_KEY"):
        add_key(settings(tmp_path, key=SecretStr(KEY.hex())))


def test_equal_pins_do_not_look_equal() -> None:
    assert RING.fingerprint("a", "pin", "1234") != RING.fingerprint("b", "pin", "1234")
    assert RING.fingerprint("a", "pin", "1234") != RING.fingerprint("a", "password", "1234")
    assert RING.fingerprint("a", "pin", "11234") != RING.fingerprint("a1", "pin", "1234")


@given(st.lists(st.tuples(st.text(min_size=1), st.text() | st.none())))
def test_a_column_of_fingerprints_is_the_fingerprints_of_its_cells(rows: list[tuple[str, str | None]]) -> None:
    logins = pl.Series([login for login, _ in rows], dtype=pl.String)
    pins = pl.Series("pin", [pin for _, pin in rows], dtype=pl.String)

    prints = RING.fingerprint_series(logins, "pin", pins).to_list()

    assert prints == [None if pin is None else RING.fingerprint(login, "pin", pin) for login, pin in rows]


def test_no_representation_shows_a_key() -> None:
    shown = f"{RING!r} {RING} {list(vars(RING).values())!r}"

    assert KEY.hex() not in shown
    assert repr(KEY)[2:-1] not in shown
    with pytest.raises(TypeError, match="never pickled"):
        RING.__reduce__()


def test_the_keyring_needs_neither_prefect_nor_cryptography_to_start() -> None:
    program = "import sys, tasks.key_file; print([m for m in ('prefect', 'cryptography') if m in sys.modules])"

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"
