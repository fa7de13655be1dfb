"""Sessions in signed cookies, a token against forged requests for each, and a limit on guesses at the login.

A cookie names the person and when the session began; it is signed under a sub-key of the installation, so that a
restart logs nobody out. Which sessions were ended stands in a file, so that a restart lets nobody in again either. The
token of a session is derived from its id: it is nowhere stored.
"""

import base64
import hmac
import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from deployments.console.access import Person, Role
from tasks.keyring import Keyring

COOKIE: Final = "rollcall_session"
LIFETIME_SECONDS: Final = 12 * 3600
GUESSES: Final = 5
GUESSES_SECONDS: Final = 300.0


@dataclass(frozen=True)
class Session:
    """One browser's session: its id, who it is (None before the login), when it began."""

    id: str
    person: Person | None
    started: int


class Sessions:
    """Makes, reads and ends sessions."""

    def __init__(self, keyring: Keyring, ended: Path, clock: Callable[[], float] = time.time) -> None:
        self._key = keyring.derive("console sessions")
        self._clock = clock
        self._file = ended
        self._lock = Lock()
        self._ended = _read_ended(ended)

    def start(self, person: Person | None) -> Session:
        """A new session; a login always gets one, so that none can be planted before it."""
        return Session(secrets.token_urlsafe(18), person, int(self._clock()))

    def cookie(self, session: Session) -> str:
        """The session as its cookie's value."""
        person = session.person
        content = [session.id, session.started, person.name if person else None, person.role.word if person else None]
        payload = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
        return f"{payload}.{self._sign('session', payload)}"

    def read(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None for one that is forged, too old or ended."""
        payload, _, signature = (cookie or "").partition(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", payload).encode()):
            return None
        session_id, started, name, role = json.loads(base64.urlsafe_b64decode(payload))
        if self._clock() - started > LIFETIME_SECONDS or session_id in self._ended:
            return None
        return Session(session_id, Person(name, Role[role.upper()]) if name else None, started)

    def end(self, session: Session) -> None:
        """Makes the session's cookie worthless, wherever a copy of it is."""
        now = self._clock()
        with self._lock:
            lasting = {each: ended for each, ended in self._ended.items() if now - ended < LIFETIME_SECONDS}
            self._ended = {**lasting, session.id: now}
            _write_ended(self._file, self._ended)

    def token(self, session: Session) -> str:
        """What every form of the session carries."""
        return self._sign("form", session.id)

    def is_token(self, session: Session, token: str | None) -> bool:
        """Whether a form comes from a page of this session."""
        return hmac.compare_digest(self.token(session).encode(), (token or "").encode())

    def _sign(self, purpose: str, text: str) -> str:
        return hmac.digest(self._key, f"{purpose}:{text}".encode(), "sha256").hex()


def _read_ended(file: Path) -> dict[str, float]:
    try:
        return json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}


def _write_ended(file: Path, ended: Mapping[str, float]) -> None:
    """An id alone opens nothing: a cookie is signed."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
        json.dump(ended, out)
    draft.replace(file)


class Guesses:
    """Counts attempts to log in by address and by name; too many of either have to wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[str, deque[float]] = {}
        self._lock = Lock()

    def attempt(self, *keys: str) -> bool:
        """Whether another attempt may be made now; it counts before it is known how it ends, so that none overtakes."""
        with self._lock:
            if any(len(self._recent(key)) >= GUESSES for key in keys):
                return False
            for key in keys:
                self._made.setdefault(key, deque()).append(self._clock())
            return True

    def forget(self, *keys: str) -> None:
        """After a login that succeeded."""
        with self._lock:
            for key in keys:
                self._made.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        times = self._made.get(key, deque())
        while times and self._clock() - times[0] > GUESSES_SECONDS:
            times.popleft()
        if not times:
            self._made.pop(key, None)
        return times
