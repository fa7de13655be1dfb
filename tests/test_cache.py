import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.cache import CacheCounts, clean_cache, clear_cache
from tasks.settings import Settings
from tasks.shelf import BlockShelf, LocalShelf, RemoteShelf, Shelf, result_shelf

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A cache of four results of ten bytes, unused for 0, 1, 20 and 40 days."""
    for days in (0, 1, 20, 40):
        for folder, content in (("keys", b"{}"), ("results", b"0123456789")):
            path = tmp_path / folder / f"parse-{days}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
            used = (NOW - timedelta(days=days)).timestamp()
            os.utime(path, (used, used))
    return Settings(home=tmp_path)


def names(settings: Settings, folder: str) -> list[str]:
    return sorted(path.name for path in (settings.home / folder).iterdir())


def test_what_nobody_used_for_long_is_removed(settings: Settings) -> None:
    counts = clean_cache(settings, NOW)

    assert counts == CacheCounts(kept=3, kept_bytes=30, removed=1, removed_bytes=10)
    assert names(settings, "keys") == names(settings, "results") == ["parse-0", "parse-1", "parse-20"]


def test_above_the_size_what_is_unused_longest_is_removed(settings: Settings) -> None:
    counts = clean_cache(settings.model_copy(update={"cache_size_bytes": 25}), NOW)

    assert (counts.kept, counts.removed) == (2, 2)
    assert names(settings, "results") == ["parse-0", "parse-1"]


def test_clearing_takes_everything(settings: Settings) -> None:
    assert clear_cache(settings) == CacheCounts(kept=0, kept_bytes=0, removed=4, removed_bytes=40)
    assert names(settings, "keys") == names(settings, "results") == []


def test_metadata_without_a_result_goes_unless_it_is_new(settings: Settings) -> None:
    for days in (0, 20):
        (settings.home / "results" / f"parse-{days}").unlink()

    clean_cache(settings, NOW)

    assert names(settings, "keys") == ["parse-0", "parse-1"]


def test_results_that_cannot_be_listed_are_told_by_their_metadata(settings: Settings) -> None:
    in_a_block = settings.model_copy(update={"result_storage": "s3-bucket/results", "cache_size_bytes": 1})

    cleaned = clean_cache(in_a_block, NOW)
    left = names(settings, "keys")
    cleared = clear_cache(in_a_block)

    assert (cleaned.kept, cleaned.removed, left) == (3, 1, ["parse-0", "parse-1", "parse-20"])
    assert (cleared.removed, names(settings, "keys")) == (3, [])


def test_an_empty_home_is_clean(tmp_path: Path) -> None:
    assert clean_cache(Settings(home=tmp_path / "none")) == CacheCounts(0, 0, 0, 0)


@pytest.fixture(params=["local", "remote"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    return LocalShelf(tmp_path / "results") if request.param == "local" else RemoteShelf(f"memory://{tmp_path}/r")


def test_a_shelf_gives_back_what_was_put_on_it(shelf: Shelf) -> None:
    assert list(shelf.entries()) == []

    shelf.write("a", b"one")
    shelf.write("a", b"two")
    shelf.touch("a")

    assert shelf.read("a") == b"two"
    assert [(entry.name, entry.size_bytes) for entry in shelf.entries()] == [("a", 3)]
    assert all(abs(entry.used - datetime.now(UTC)) < timedelta(minutes=1) for entry in shelf.entries())


def test_what_is_taken_from_a_shelf_is_gone(shelf: Shelf) -> None:
    shelf.write("a", b"one")

    shelf.remove("a")
    shelf.remove("a")

    with pytest.raises(OSError, match="a"):
        shelf.read("a")


@pytest.mark.parametrize("use", [LocalShelf.read, LocalShelf.remove, LocalShelf.touch])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, use: Callable[[LocalShelf, str], object]) -> None:
    (tmp_path / "key").write_text("secret")

    with pytest.raises(FileNotFoundError, match="not the name of a result"):
        use(LocalShelf(tmp_path / "results"), "../key")


@pytest.mark.parametrize(
    ("place", "expected"),
    [(None, LocalShelf), ("s3://bucket/results/", RemoteShelf), ("s3-bucket/results", BlockShelf)],
)
def test_the_storage_of_results_is_configurable(tmp_path: Path, place: str | None, expected: type) -> None:
    assert type(result_shelf(Settings(home=tmp_path, result_storage=place))) is expected
