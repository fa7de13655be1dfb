"""An uploaded file: read as it is, or unpacked within limits, or refused with a reason."""

import gzip
import io
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.archive import Limits, unpack
from tasks.errors import SourceError
from tasks.fetch import FetchRequest, fetch_source
from tasks.profile import Profile
from tests.fault_server import CSV


def upload(file: Path, **fetch: object) -> FetchRequest:
    return FetchRequest(profile=Profile.model_validate({"title": "U", "structure": "{}", "fetch": fetch}), file=file)


def test_an_upload_is_read(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_bytes(CSV)
    source = fetch_source(upload(tmp_path / "users.csv"))
    assert (source.data, source.facts.name) == (CSV, "users.csv")


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_an_upload_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="no file"):
        fetch_source(upload(tmp_path / name))


def test_an_upload_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_bytes(CSV)
    with pytest.raises(SourceError, match="larger than"):
        fetch_source(upload(tmp_path / "users.csv", size_limit_mib=0.00001))


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, CSV)
    return file.getvalue()


# Archives hold the time: without names of their own, two processes would collect different tests.
ARCHIVES = {
    "gzip": gzip.compress(CSV),
    "gzip-of-two-members": gzip.compress(CSV[:9]) + gzip.compress(CSV[9:]),
    "gzip-padded-with-zeros": gzip.compress(CSV) + b"\0\0",
    "zip": zipped("users.csv"),
    "zip-with-a-readme": zipped("docs/readme.md", "users.CSV", "__MACOSX/._users.csv"),
}


NO_ARCHIVES = {
    "zip-of-two": (zipped("a.csv", "b.csv"), "archive-ambiguous"),
    "zip-of-none": (zipped("a.md"), "archive-ambiguous"),
    "zip-cut": (zipped("a.csv")[:-9], "archive-damaged"),
    "gzip-cut": (gzip.compress(CSV)[:-9], "archive-damaged"),
    "gzip-overwritten": (gzip.compress(CSV)[:12] + b"xx", "archive-damaged"),
}


@pytest.mark.parametrize("data", ARCHIVES.values(), ids=ARCHIVES)
def test_an_archive_is_unpacked(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "users").write_bytes(data)
    assert fetch_source(upload(tmp_path / "users")).data == CSV


@pytest.mark.parametrize(("data", "code"), NO_ARCHIVES.values(), ids=NO_ARCHIVES)
def test_an_archive_that_cannot_be_unpacked_is_refused(tmp_path: Path, data: bytes, code: str) -> None:
    (tmp_path / "users").write_bytes(data)
    with pytest.raises(SourceError) as caught:
        fetch_source(upload(tmp_path / "users"))
    assert caught.value.code == code


def packed(method: int) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        archive.writestr("größe.csv", CSV * 40)
    return target.getvalue()


WHOLE = [*map(packed, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))]
WHOLE.append(gzip.compress(CSV * 40, mtime=0))


@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 8),
)
@settings(max_examples=500, deadline=None)
def test_an_archive_damaged_anyhow_is_read_or_refused(
    whole: bytes, changes: list[tuple[float, int]], missing: int
) -> None:
    damaged = bytearray(whole[: len(whole) - missing])
    for place, byte in changes:
        damaged[int(place * len(damaged))] = byte

    with suppress(SourceError):
        unpack(bytes(damaged), Limits(1 << 24, 1000))
