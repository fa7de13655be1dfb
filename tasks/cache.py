"""Keeps the cache of sealed results within its limits; Prefect itself never removes a result.

The metadata of a result goes before the result: while only one of the two is left, the next run must find a miss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tasks.counts import number_of
from tasks.settings import Settings
from tasks.shelf import Entry, Shelf, key_shelf, result_shelf

_STILL_WRITING: Final = timedelta(hours=1)


@dataclass(frozen=True)
class CacheCounts:
    """What a clean-up left and what it took. Units: bytes of results."""

    kept: int
    kept_bytes: int
    removed: int
    removed_bytes: int

    @property
    def sentence(self) -> str:
        """The counts in words: `3 results removed (1.2 MB), 40 kept (16.0 MB)`."""
        removed = f"{number_of(self.removed, 'result')} removed ({_megabytes(self.removed_bytes)})"
        return f"{removed}, {self.kept} kept ({_megabytes(self.kept_bytes)})"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"


def clean_cache(settings: Settings, now: datetime | None = None) -> CacheCounts:
    """Removes results that nobody used for `cache_days`, then the longest unused ones above `cache_size_bytes`."""
    newest_first = sorted(_entries(settings), key=lambda entry: entry.used, reverse=True)
    limit = (now or datetime.now(UTC)) - timedelta(days=settings.cache_days)
    kept = 0
    total = 0
    for entry in newest_first:
        total += entry.size_bytes
        if entry.used < limit or total > settings.cache_size_bytes:
            break
        kept += 1
    return _remove(settings, newest_first[:kept], newest_first[kept:], now)


def clear_cache(settings: Settings) -> CacheCounts:
    """Removes every result."""
    return _remove(settings, [], _entries(settings), None)


def _entries(settings: Settings) -> list[Entry]:
    """The results; where their storage cannot list them, their metadata tells of them, but for their size."""
    results = result_shelf(settings)
    if results.can_list:
        return list(results.entries())
    return [replace(entry, size_bytes=0) for entry in key_shelf(settings).entries()]


def _remove(settings: Settings, kept: Sequence[Entry], gone: Sequence[Entry], now: datetime | None) -> CacheCounts:
    keys, results = key_shelf(settings), result_shelf(settings)
    for entry in gone:
        keys.remove(entry.name)
        results.remove(entry.name)
    _remove_orphans(keys, {entry.name for entry in kept}, (now or datetime.now(UTC)) - _STILL_WRITING)
    return CacheCounts(
        len(kept), sum(entry.size_bytes for entry in kept), len(gone), sum(entry.size_bytes for entry in gone)
    )


def _remove_orphans(keys: Shelf, names: set[str], limit: datetime) -> None:
    for entry in list(keys.entries()):
        if entry.name not in names and entry.used < limit:
            keys.remove(entry.name)
