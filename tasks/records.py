"""Validated records: what the file wants of the phone system."""

from dataclasses import dataclass

import polars as pl

from tasks.output import Output, SourceFacts


@dataclass(frozen=True, kw_only=True)
class Records(Output):
    """The wanted users and phones.

    Shape: `users` has `#row`, `#line`, `login`, the fields of `tasks.user` (null = stays as it is), `phonebook`
    (Boolean: the row rendered an entry; null = the Structure has none), `phonebook.K.FIELD` for entries beyond the
    first, `password_fingerprint` and `pin_fingerprint` ("" = no value in the file). `phones` has one row a device that
    is wanted, or with `keep` true one that could not be read and must stay as it is. `untouched` are field names that
    stay as they are on update; `device_kinds` the kinds that the Structure speaks of at all; `columns` the CSV column
    or variable behind each field, for messages.
    """

    users: pl.DataFrame
    phones: pl.DataFrame
    facts: SourceFacts
    untouched: tuple[str, ...] = ()
    device_kinds: tuple[str, ...] = ()
    columns: dict[str, str]

    @property
    def unknown_logins(self) -> int:
        """How many rejected rows may belong to anybody."""
        return self.aside.filter(pl.col("outcome") == "rejected", pl.col("login").is_null()).height

    @property
    def protected_logins(self) -> pl.DataFrame:
        """The logins of rejected rows: their records stay as they are. Shape: `login`, unique."""
        return (
            self.aside.filter(pl.col("outcome") == "rejected", pl.col("login").is_not_null()).select("login").unique()
        )
