"""Tells cheaply whether anybody committed to the phone system since a mark was taken.

A mark says nothing but that: equal marks mean that not one byte of the file was changed by another connection, so
what was read then need not be read again. Another mark, or none, means: look for yourself. `data_version` sees commits
of every connection, also of this process and through checkpoints, but only in the file that it opened: a backup that
was put in its place is another file, so a mark also says which file it was, and when it was written as a whole.
Attached files are not watched: a plan depends on nothing in them.
"""

import os
import secrets
import threading
import weakref
from pathlib import Path
from typing import Any

from tasks.store.connection import busy_is_told, connect_sqlite_plainly, sqlite_path


class Watch:
    """A connection that only asks SQLite for its `data_version`; PostgreSQL knows nothing alike and has no marks.

    Source: https://sqlite.org/pragma.html#pragma_data_version (comparable on one and the same connection only).
    """

    def __init__(self, url: str) -> None:
        self._path = sqlite_path(url)
        self._token = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._adbc: Any = None
        self._file = (0, 0)

    def mark(self) -> str:
        """What stays the same while nobody else commits; "" where that cannot be known.

        Raises: StoreBusyError when the file stays locked.
        """
        if self._path is None:
            return ""
        with self._lock:
            found = self._path.stat()
            if self._file != (found.st_dev, found.st_ino):
                self._watch_anew(self._path, found)
            with busy_is_told(), self._adbc.cursor() as cursor:
                cursor.execute("PRAGMA data_version")
                version = cursor.fetch_polars().item()
            return f"{self._token}:{version}:{found.st_dev}:{found.st_ino}:{found.st_mtime_ns}"

    def _watch_anew(self, path: Path, found: os.stat_result) -> None:
        if self._adbc is not None:
            self._adbc.close()
        self._adbc = connect_sqlite_plainly(path)
        self._file = (found.st_dev, found.st_ino)
        weakref.finalize(self, self._adbc.close)
