"""The phone system as it was read: the other side of the comparison."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from tasks.output import Output, SourceFacts
from tasks.user import FOLLOW_ME, PHONEBOOK_FIELDS

USER_SCHEMA: Final = pl.Schema(
    {
        "user_id": pl.Int64,
        "login": pl.String,
        "display_name": pl.String,
        "auth_method": pl.String,
        "enabled": pl.Boolean,
        "has_password": pl.Boolean,
        "has_pin": pl.Boolean,
        "extension": pl.String,
        "automatic": pl.Boolean,
        "email": pl.String,
        "roles": pl.String,
        "profile": pl.String,
        "adopted": pl.Boolean,
        "password_fingerprint": pl.String,
        "pin_fingerprint": pl.String,
        "missing_since": pl.String,
        "was_enabled": pl.Boolean,
        "phonebook": pl.Boolean,
        **{item.name: pl.String() for item in PHONEBOOK_FIELDS},
    }
)
DEVICE_SCHEMA: Final = pl.Schema(
    {
        "device_id": pl.Int64,
        "kind": pl.String,
        "mac": pl.String,
        "user_id": pl.Int64,
        **dict.fromkeys(("ip", "name", "number", "web_user", "web_password_fingerprint"), pl.String()),
        **dict.fromkeys(FOLLOW_ME.values(), pl.Int64()),
        "login": pl.String,
        "profile": pl.String,
    }
)
CONTACTS_SCHEMA: Final = pl.Schema(
    {
        "entry_id": pl.Int64,
        "key": pl.String,
        "profile": pl.String,
        "adopted": pl.Boolean,
        "missing_since": pl.String,
        **{item.column: pl.String() for item in PHONEBOOK_FIELDS},
    }
)


@dataclass(frozen=True, kw_only=True)
class Snapshot(Output):
    """What reconcile reads of the phone system, in one transaction.

    Shape: `users` has USER_SCHEMA and `phonebook.K.FIELD` for entries beyond the first; `devices` DEVICE_SCHEMA;
    `contacts` CONTACTS_SCHEMA (no key and no profile: made by hand); `extensions` every number in use (`number`,
    `user_id` null for what is no user's); `resting` numbers freed lately. `last` are the facts of the last applied
    import of the profile; `contents` is the digest of what the phone system holds, `lineage` that of the profile's
    history as well; `mark` is what `tasks.store.watch` saw before it was read.
    """

    users: pl.DataFrame
    devices: pl.DataFrame
    extensions: pl.DataFrame
    resting: pl.DataFrame
    contacts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTACTS_SCHEMA))
    roles: tuple[str, ...] = ()
    last: SourceFacts | None = None
    undone_digests: tuple[str, ...] = ()
    contents: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Circumstances:
    """What a plan depends on beside file, profile and phone system.

    `today` is an ISO date, "" where no rule of the profile counts days; `profiles` are the names that exist, () where
    that is not known.
    """

    today: str = ""
    profiles: tuple[str, ...] = ()

    def cache_facts(self) -> dict[str, object]:
        """What a cached plan depends on of it."""
        return {"today": self.today, "profiles": list(self.profiles)}


def digest_of_frames(frames: Iterable[pl.DataFrame], *further: object) -> str:
    """A digest of frames without regard to the order of their rows (a database promises none)."""
    total = hashlib.blake2b(digest_size=16)
    for frame in frames:
        total.update(repr(sorted(frame.schema.items())).encode())
        ordered = frame.select(sorted(frame.columns)).hash_rows(seed=0).sort().rechunk()
        total.update(ordered.to_frame().write_ipc(None).getbuffer())
    total.update(repr(further).encode())
    return total.hexdigest()
