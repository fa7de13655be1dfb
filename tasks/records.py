"""Validated records: what the file wants of the phone system."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import polars as pl

from tasks.output import LINE, ROW, Output, SourceFacts
from tasks.user import PHONEBOOK_FIELDS

CONTACT_COLUMNS: Final = tuple(item.column for item in PHONEBOOK_FIELDS)
"""The fields of a contact: those of a phonebook entry, which it is."""

CONTACT_SCHEMA: Final = pl.Schema(
    {ROW: pl.Int64, LINE: pl.Int64, "key": pl.String, **dict.fromkeys(CONTACT_COLUMNS, pl.String())}
)


@dataclass(frozen=True, kw_only=True)
class Records(Output):
    """The wanted users and phones.

    Shape: `users` has `#row`, `#line`, `login`, the fields of `tasks.user` (null = stays as it is), `phonebook`
    (Boolean: the row rendered an entry; null = stays as it is), `phonebook.K.FIELD` for entries beyond the
    first, `password_fingerprint` and `pin_fingerprint` ("" = no value in the file). `phones` has one row a device that
    is wanted, or with `keep` true one that could not be read and must stay as it is. `untouched` are field names that
    stay as they are on update; `device_kinds` the kinds that Structure and file speak of at all; `columns` the CSV
    column or variable behind each field, for messages. `contacts` has CONTACT_SCHEMA, `kept_contacts` the keys of those
    that stay as they are; `unknown_contacts` counts those whose key could not be read. `speaks_of_users` and
    `speaks_of_contacts`: whether the Structure has them at all.
    """

    users: pl.DataFrame
    phones: pl.DataFrame
    facts: SourceFacts
    untouched: tuple[str, ...] = ()
    device_kinds: tuple[str, ...] = ()
    columns: dict[str, str]
    contacts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTACT_SCHEMA))
    kept_contacts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"key": pl.String}))
    unknown_contacts: int = 0
    speaks_of_users: bool = True
    speaks_of_contacts: bool = False

    @cached_property
    def unknown_logins(self) -> int:
        """How many rejected rows may belong to anybody; a row that makes no user has the login ""."""
        return self.aside.filter(pl.col("outcome") == "rejected", pl.col("login").is_null()).height

    @cached_property
    def protected_logins(self) -> pl.DataFrame:
        """The logins of rejected rows: their records stay as they are. Shape: `login`, unique."""
        return (
            self.aside.filter(pl.col("outcome") == "rejected", pl.col("login").is_not_null()).select("login").unique()
        )
