"""Uploads wait sealed in the database until a run takes them, whole or not at all."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from tasks.errors import WrongUseError
from tasks.store.upload_tables import upload_pieces, uploads
from tasks.uploads import (
    PIECE_BYTES,
    UploadLimits,
    find_upload,
    forget_expired_uploads,
    forget_upload,
    keep_upload,
)
from tests.world import World

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = b"username,password\nmmuster,12ab34cd56\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rows(world: World, table: sa.Table) -> pl.DataFrame:
    with world.connection() as connection:
        return connection.read(sa.select(table))


def test_an_upload_comes_out_as_it_went_in_under_its_file_name(world: World) -> None:
    content = SECRET * (3 * PIECE_BYTES // len(SECRET))
    kept = keep_upload(world.store, io.BytesIO(content), "../../users.csv", NOW, UploadLimits())

    found = find_upload(world.store, kept.id, NOW)

    assert (found.name, found.read_bytes() == content, found.stat().st_size) == ("users.csv", True, len(content))
    assert found.open("rb").read(8) == b"username"


def test_no_byte_of_an_upload_lies_in_the_database_in_clear(world: World) -> None:
    keep_upload(world.store, io.BytesIO(SECRET), "users.csv", NOW, UploadLimits())

    assert all(b"12ab34cd56" not in file.read_bytes() for file in world.home.glob("phonesystem.db*"))


def test_pieces_cannot_be_swapped(world: World) -> None:
    kept = keep_upload(world.store, io.BytesIO(b"a" * PIECE_BYTES + b"b" * PIECE_BYTES), "u.csv", NOW, UploadLimits())
    first, second = rows(world, upload_pieces).sort("position")["content"]
    world.by_hand(sa.update(upload_pieces).where(upload_pieces.c.position == 0).values(content=second))
    world.by_hand(sa.update(upload_pieces).where(upload_pieces.c.position == 1).values(content=first))

    with pytest.raises(WrongUseError, match="damaged or"):
        kept.read_bytes()


@pytest.mark.parametrize(("content", "code"), [(b"", "upload-empty"), (b"x" * 11, "upload-too-large")])
def test_a_refused_upload_leaves_nothing_behind(world: World, content: bytes, code: str) -> None:
    with pytest.raises(WrongUseError) as refused:
        keep_upload(world.store, io.BytesIO(content), "users.csv", NOW, UploadLimits(size_bytes=10))

    assert refused.value.code == code
    assert rows(world, uploads).is_empty() and rows(world, upload_pieces).is_empty()


def test_an_upload_is_gone_after_its_use_and_after_its_time(world: World) -> None:
    limits = UploadLimits(lifetime=timedelta(hours=1))
    used = keep_upload(world.store, io.BytesIO(SECRET), "users.csv", NOW, limits)
    late = keep_upload(world.store, io.BytesIO(SECRET), "users.csv", NOW, limits)

    forget_upload(world.store, used.id)
    forget_upload(world.store, used.id)
    for upload, when in ((used, NOW), (late, NOW + timedelta(hours=2))):
        with pytest.raises(WrongUseError, match="Upload the file again"):
            find_upload(world.store, upload.id, when)
    forget_expired_uploads(world.store, NOW + timedelta(hours=2))

    assert rows(world, uploads).is_empty() and rows(world, upload_pieces).is_empty()


def test_an_upload_that_is_still_coming_in_cannot_be_imported(world: World) -> None:
    kept = keep_upload(world.store, io.BytesIO(SECRET), "users.csv", NOW, UploadLimits())
    world.by_hand(sa.update(uploads).values(pieces=0, size_bytes=0))

    with pytest.raises(WrongUseError, match="Upload the file again"):
        find_upload(world.store, kept.id, NOW)
