"""Tells cheaply whether anybody committed to the phone system since a mark was taken.

A mark says nothing but that: equal marks mean that not one byte of the file was changed by another connection, so
what was read then need not be read again. Another mark, or none, means: look for yourself.
"""

import secrets
import threading
import weakref
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

    def mark(self) -> str:
        """What stays the same while nobody else commits; "" where that cannot be known.

        Raises: StoreBusyError when the file stays locked.
        """
        if self._path is None:
            return ""
        with self._lock:
            if self._adbc is None:
                self._adbc = connect_sqlite_plainly(self._path)
                weakref.finalize(self, self._adbc.close)
            with busy_is_told(), self._adbc.cursor() as cursor:
                cursor.execute("PRAGMA data_version")
                return f"{self._token}:{cursor.fetch_polars().item()}"
