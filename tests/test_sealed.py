from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing.parametric import dataframes
from pydantic import SecretStr

from tasks.errors import Problem, ProfileError, SourceError, TransientSourceError
from tasks.keyring import Keyring, SealError
from tasks.output import Modules, Source, SourceFacts, Table, Text
from tasks.profile import Profile
from tasks.redact import RedactedError
from tasks.sealed import open_result, read_label, seal_result

RING = Keyring(bytes(range(32)))
FACTS = SourceFacts(name="users.csv", digest="d", confidence=0.1, header=("name", "pin"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$"), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


def there_and_back(value: Any) -> Any:
    return open_result(seal_result(value, "name", RING), RING)


@given(JSON)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert there_and_back(value) == value


@given(dataframes(allowed_dtypes=[pl.String, pl.Int64, pl.Boolean, pl.Binary, pl.List(pl.String)], max_cols=4))
def test_frames_come_back_as_they_were(frame: pl.DataFrame) -> None:
    assert there_and_back(frame).equals(frame)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        datetime(2026, 11, 22, 12, tzinfo=UTC),
        date(2026, 11, 22),
        {1: "one", ("a", 2): b"two"},
        Profile(title="Users", structure="{}", variables={"a": "return 1;"}),
    ],
)
def test_further_values_come_back_as_they_were(value: object) -> None:
    assert there_and_back(value) == value


def test_outputs_come_back_as_they_were() -> None:
    frame = pl.DataFrame({"#row": [2], "pin": ["1234"], "#list:roles": [["a", "b"]], "sealed": [b"\x00"]})
    table = Table(frame=frame, facts=FACTS, lineage="parse-1")
    modules = Modules(frames={"identity": frame, "phonebook": frame.clear()}, facts=FACTS, untouched=("a.b",))

    assert there_and_back(table).frame.equals(frame)
    assert replace(there_and_back(table), frame=frame).facts == FACTS
    assert there_and_back(modules).frames["phonebook"].schema == frame.schema
    assert there_and_back(modules).untouched == ("a.b",)
    assert there_and_back(Source(data=b"\xff\x00", facts=FACTS)).data == b"\xff\x00"


@pytest.mark.parametrize(
    "error",
    [
        SourceError("source-gone", "404"),
        TransientSourceError("source-busy", "503", 12.5),
        ProfileError("p.yaml", [Problem("wrong", 3, 4, "^")]),
        RedactedError("ValueError at parse.py:1 (details withheld)"),
    ],
)
def test_our_errors_come_back_as_they_were(error: SourceError) -> None:
    back = there_and_back(error)

    assert type(back) is type(error)
    assert vars(back) == vars(error)


def test_any_other_error_comes_back_without_its_words() -> None:
    back = there_and_back(ValueError("CANARY"))

    assert isinstance(back, RedactedError)
    assert str(back) == "ValueError (details withheld)"


@pytest.mark.parametrize("value", [object(), {1, 2}, SecretStr("x"), print])
def test_what_cannot_be_sealed_is_refused_by_its_type(value: object) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        seal_result(value, "name", RING)


def test_nothing_of_the_content_is_readable() -> None:
    sealed = seal_result(Text(data=b"CANARY" * 100, facts=FACTS), "decode-1", RING)

    assert b"CANARY" not in sealed
    assert b"users.csv" not in sealed
    assert read_label(sealed).name == "decode-1"


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_any_flipped_bit_is_seen(at: int, bit: int) -> None:
    sealed = bytearray(SEALED)
    sealed[at % len(sealed)] ^= 1 << bit

    with pytest.raises(SealError):
        open_result(bytes(sealed), RING)


@given(st.integers(0, 10**6))
def test_a_result_that_was_cut_off_is_seen(at: int) -> None:
    with pytest.raises(SealError):
        open_result(SEALED[: at % len(SEALED)], RING)


@given(st.binary())
def test_any_bytes_are_refused(junk: bytes) -> None:
    with pytest.raises(SealError):
        open_result(junk, RING)


def test_another_name_or_key_opens_nothing() -> None:
    renamed = SEALED.replace(b"parse-1", b"parse-2")

    with pytest.raises(SealError, match="does not open"):
        open_result(renamed, RING)
    with pytest.raises(SealError, match=RING.key_id):
        open_result(SEALED, Keyring(bytes(32)))


def test_a_rotated_ring_still_opens() -> None:
    assert isinstance(open_result(SEALED, Keyring(bytes(32), [bytes(range(32))])), Table)


def test_blocks_cannot_change_places() -> None:
    frame = pl.DataFrame({"a": ["x"]})
    sealed = seal_result({"one": frame, "two": frame}, "n", RING)
    label = len(bytes(read_label(sealed))) + 4
    blocks: list[bytes] = []
    start = label
    while start < len(sealed):
        end = start + 8 + 12 + int.from_bytes(sealed[start : start + 8], "big")
        blocks.append(sealed[start:end])
        start = end
    head, one, two = blocks

    assert isinstance(open_result(sealed[:label] + head + one + two, RING), dict)
    with pytest.raises(SealError):
        open_result(sealed[:label] + head + two + one, RING)
    with pytest.raises(SealError):
        open_result(sealed[:label] + head + one, RING)
    with pytest.raises(SealError):
        open_result(sealed[: label - 4] + (2).to_bytes(4, "big") + head + one, RING)


SEALED = seal_result(
    Table(frame=pl.DataFrame({"#row": [2], "a": ["x"]}), facts=FACTS, lineage="parse-1"), "parse-1", RING
)
