"""The audit log: who did what, to what, when, from where; one JSON line an action in `audit.log` of ROLLCALL_HOME."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from deployments.console.access import Person
from flows.request import now


class Audit:
    """Appends to the log; a line is written whole (O_APPEND), so that processes do not mix theirs."""

    def __init__(self, path: Path, clock: Callable[[], str] = now) -> None:
        self._path = path
        self._clock = clock

    def note(self, person: Person | str, action: str, subject: str = "", *, address: str = "") -> None:
        """One action. `subject` is a name of ours (profile, run, plan), never a cell."""
        name = person if isinstance(person, str) else person.name
        line = {"time": self._clock(), "who": name, "action": action, "subject": subject, "from": address}
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode())
        finally:
            os.close(descriptor)
