"""The checksum of a plan: keyed, over everything that would be applied and the phone system that it was made for, so
that it approves exactly what was seen.

HMAC-SHA256 under a sub-key (decision 20): a plain hash over a pin could be guessed. Reconcile, which makes the changes
of people, digests them; assign-phones adds its own to that, and need not read a hundred thousand people again.
"""

import hashlib
import hmac
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from tasks.keyring import Keyring
from tasks.plan import Plan, json_text

_OF_PEOPLE: Final = (
    *("action", "login", "user_id", "fields"),
    *("password_fingerprint", "pin_fingerprint", "number", "automatic"),
)
_OF_CONTACTS: Final = ("action", "key", "entry_id", "fields")
_OF_PHONES: Final = (
    *("action", "login", "kind", "mac", "device_id"),
    *("before", "fields", "web_password_fingerprint"),
)


def plan_checksum(plan: Plan, keyring: Keyring) -> str:
    """What approves the plan; not over run ids, times, paths or anything random."""
    what = {
        "people": plan.people_digest or people_digest(plan.changes),
        "phones": _digest(plan.phones, _OF_PHONES),
        "contacts": _digest(plan.contacts, _OF_CONTACTS, by="key"),
        "of": [plan.profile, plan.mode, plan.owned, plan.facts.digest, plan.contents],
    }
    return hmac.digest(keyring.derive("plan"), json.dumps(what).encode(), "sha256").hex()[:32]


def people_digest(changes: pl.DataFrame) -> str:
    """The digest of people's changes; it stays inside the plan, since it is not keyed."""
    return _digest(changes, _OF_PEOPLE)


def with_further_changes(plan: Plan, further: pl.DataFrame) -> Plan:
    """The plan with further people to change; its digest goes on, so that none is ever approved unseen."""
    digest = plan.people_digest and plan.people_digest + people_digest(further)
    return replace(plan, changes=pl.concat([plan.changes, further], how="diagonal_relaxed"), people_digest=digest)


def _digest(frame: pl.DataFrame, columns: Sequence[str], by: str = "login") -> str:
    """SHA-256 over rows in the order of `by`, since a database promises none; "" where there are none."""
    present = [name for name in columns if name in frame.columns]
    if frame.is_empty():
        return ""
    total = _Hash()
    ordered = frame.select(present).sort(by, nulls_last=True, maintain_order=True)
    # As JSON no text holds a control character, so that none can pass for the end of a value; `fields` is JSON already.
    texts = [name for name in present if ordered.schema[name] == pl.String and name != "fields"]
    ordered = ordered.with_columns(json_text(ordered, name).alias(name) for name in texts)
    with io.BufferedWriter(total) as rows:
        ordered.write_csv(rows, separator="\x1e", line_terminator="\x1d", null_value="\x00", quote_style="never")
    return total.hexdigest()


class _Hash(io.RawIOBase):
    """SHA-256 as a file, so that polars writes the rows into it: as Python text they would cost seven times as much."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._hash.update(data)
        return len(data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
