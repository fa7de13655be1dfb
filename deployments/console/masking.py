"""Which values a preview of the console shows: an allow-list, less whatever flows into a secret.

A column shows when its name is known to hold no secret, or when the profile puts it into a field that holds none. The
profile as it is saved is asked too: no edit brings to light what the saved one keeps secret, neither by name nor, when
the edit has the file read differently and cells may shift, by value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import polars as pl

from tasks.harmless import FIELD_KEYS, HARMLESS_VARIABLES
from tasks.mapping import SECRET_KEYS, Mapping, mapping_of
from tasks.names import Names
from tasks.output import Table
from tasks.profile import Profile
from tasks.user import FOLLOW_ME, MASK

READING: Final = ("encoding", "delimiter", "line_separator", "enclosure", "escape")
"""The settings by which a file is read."""
TELLING_CHARACTERS: Final = 3
"""A shorter value is found in too many cells to be looked for."""
WIDE: Final = 4
"""A header of so many columns has more than one name that is known."""
KNOWN: Final = (
    HARMLESS_VARIABLES
    | set(FOLLOW_ME)
    | {
        *("createsoftphone", "createmobile", "phoneuser", "name", "display name", "full name", "first name"),
        *("firstname", "last name", "lastname", "login", "user", "user name", "user_name", "mail", "e-mail"),
        *("telephone", "extension", "cell", "company", "department", "title", "role", "mac", "ip", "location", "city"),
        *("anzeige", "anzeigename", "vorname", "nachname", "familienname", "benutzer", "benutzername", "kennung"),
        *("telefon", "durchwahl", "nebenstelle", "mobil", "handy", "firma", "abteilung", "funktion", "rolle", "rollen"),
        *("standort", "ort"),
    }
)
_SOUNDS_SECRET: Final = re.compile(r"(?i)pass|pwd|kennw|geheim|secret|token|schl(?:ü|ue)ssel|\bpin|pin\b|_pin|pin_")
_HARMLESS_KEYS: Final = frozenset(
    {key for keys in FIELD_KEYS.values() for key in keys} | {f"ipphone.{name}" for name in (*FOLLOW_ME, "071ipp_user")}
) - set(SECRET_KEYS)


@dataclass(frozen=True)
class Masking:
    """What may be shown of one table under one profile, knowing the saved one."""

    mapping: Mapping
    header: Names
    secret: frozenset[str]
    harmless: frozenset[str]
    columns: frozenset[str]
    values: frozenset[str] = frozenset()

    def shows_column(self, name: str) -> bool:
        """Whether the values of a column of the file may be shown."""
        return not self._is_secret(name) and (name.casefold() in KNOWN or name in self.columns)

    def shows(self, name: str) -> bool:
        """Whether the values of a variable may be shown; where there is none of the name, it is a column."""
        found = Names(self.mapping.variables).find(name)
        if found is None:
            return self.shows_column(self.header.find(name) or name)
        columns = self.mapping.columns_behind([found], self.header)
        if columns is None or any(map(self._is_secret, (found, *columns))):
            return False
        return (
            self.mapping.variables[found].constant
            or found.casefold() in KNOWN
            or name in self.harmless
            or all(map(self.shows_column, columns))
        )

    def shows_field(self, key: str) -> bool:
        """Whether the values of a field of the Structure may be shown, by its "module.field"."""
        reads = self.mapping.structure.field_reads.get(key)
        if key in SECRET_KEYS or reads is None or any(map(self._is_secret, reads)):
            return False
        return all(map(self.shows, self.mapping.structure.printed_reads.get(key, reads)))

    def cell(self, value: str | None, *, shown: bool) -> str | None:
        """A value as it may be shown; an empty one always is."""
        if not value:
            return value
        return value if shown and not any(secret in value for secret in self.values) else MASK

    def field(self, value: Any, *, shown: bool) -> Any:
        """A value of a record as it may be shown; a list value by value."""
        if isinstance(value, list):
            return [self.field(item, shown=shown) for item in value]  # pyright: ignore[reportUnknownVariableType]
        return self.cell(value, shown=shown) if isinstance(value, str) else value if shown else MASK

    @property
    def knows_header(self) -> bool:
        """Whether the first line is proved to be a header: by the columns of the login, or by names that are known.

        One known word may be a cell; in a wide header, two must be there.
        """
        if self.mapping.columns_behind(self.mapping.structure.login_reads, self.header):
            return True
        known = sum(name.casefold() in KNOWN for name in self.header.header)
        return known >= (2 if len(self.header.header) >= WIDE else 1)

    def shown_names(self, columns: Sequence[str]) -> list[str]:
        """Names of columns where the first line may be a person: what is no known name is numbered."""
        return [
            name if name.casefold() in KNOWN else f"column_{position}" for position, name in enumerate(columns, start=1)
        ]

    def note(self, text: str, rows: pl.DataFrame) -> str:
        """A sentence about these rows, without any value of them that is not shown."""
        hidden = [name for name in self.header.header if name in rows.columns and not self.shows_column(name)]
        values = {value for row in rows.select(hidden).rows() for value in row} | self.values
        for value in sorted((each for each in values if _tells(each)), key=len, reverse=True):
            text = text.replace(value, MASK)
        return text

    def _is_secret(self, name: str) -> bool:
        return name in self.secret or _SOUNDS_SECRET.search(name) is not None


def masking_of(table: Table, profile: Profile, saved: Profile, sample: Table | None = None) -> Masking:
    """What a table shows under a profile; `sample` is the same file as the saved profile reads it, if differently."""
    header = Names(table.facts.header)
    kept = mapping_of(saved)
    known = kept.secret_names(header)
    edited = mapping_of(profile)
    secret = known | edited.secret_names(header, frozenset(header.header) & known)
    names = _harmless_names(edited) | _harmless_names(kept)
    columns = _columns_behind(edited, header) | _columns_behind(kept, header)
    return Masking(edited, header, secret, names, columns, _secret_values(sample, kept) if sample else frozenset())


def reading_of(profile: Profile) -> tuple[str, ...]:
    """How the profile has a file read, in the order of `READING`."""
    return tuple(getattr(profile, name) for name in READING)


def _harmless_names(mapping: Mapping) -> frozenset[str]:
    """What goes into fields without a secret."""
    printed = mapping.structure.printed_reads
    return frozenset(name for key in _HARMLESS_KEYS for name in printed.get(key, frozenset[str]()))


def _columns_behind(mapping: Mapping, header: Names) -> frozenset[str]:
    """The columns that go into fields without a secret, or that tell which rows are wanted."""
    columns = mapping.columns_behind(_harmless_names(mapping), header) or frozenset()
    return columns | {header.find(name) or name for name in mapping.prefilter.reads or ()}


def _secret_values(sample: Table, mapping: Mapping) -> frozenset[str]:
    secret = mapping.secret_names(Names(sample.facts.header))
    columns = [name for name in sample.facts.header if name in secret]
    values = {value for row in sample.frame.select(columns).rows() for value in row}
    return frozenset(value for value in values if _tells(value))


def _tells(value: str | None) -> TypeGuard[str]:
    return value is not None and len(value) >= TELLING_CHARACTERS
