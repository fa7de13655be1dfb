"""The plan as data: what would change, in which field, from what to what; counted, and signed by a checksum.

Renderers (terminal, JSON, artifact, console) stand apart. The checksum approves exactly what was seen: it is keyed,
since a plain hash over a pin could be guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, TypeAlias

import polars as pl

from tasks.errors import StaleError
from tasks.output import Output, SourceFacts
from tasks.user import IDENTITY_FIELDS, MASK, PHONEBOOK_FIELDS, ROLE_SEPARATOR, SECRET_FIELDS

ACTIONS: Final = ("create", "update", "remove", "release", "disable", "enable", "conflict")
OUTCOMES: Final = (
    "create",
    "update",
    "remove",
    "release",
    "disable",
    "enable",
    "unchanged",
    "filtered",
    "rejected",
    "conflict",
    "protected",
)
"""In the order in which people read them."""
WAS: Final = "#was"

PHONE_CHANGES_SCHEMA: Final = pl.Schema(
    {
        "action": pl.String,
        "login": pl.String,
        "kind": pl.String,
        "mac": pl.String,
        "device_id": pl.Int64,
        "row": pl.Int64,
        "before": pl.String,
        "fields": pl.String,
    }
)

CONTACT_CHANGES_SCHEMA: Final = pl.Schema(
    {
        "action": pl.String,
        "key": pl.String,
        "contact": pl.String,
        "row": pl.Int64,
        "entry_id": pl.Int64,
        "fields": pl.String,
        "owner": pl.String,
        "adopted": pl.Boolean,
        "disown": pl.Boolean,
        "missing_since": pl.String,
        **{item.column: pl.String() for item in PHONEBOOK_FIELDS},
    }
)


def empty_summary() -> dict[str, int]:
    """A count of nothing for every outcome."""
    return dict.fromkeys(OUTCOMES, 0)


@dataclass(frozen=True, kw_only=True)
class Plan(Output):
    """What an import would do.

    Shape: `changes` has `action`, `login`, `row`, `user_id`, `fields` (JSON of field to [existing, wanted], secrets
    masked), and the final value of every field for `apply`; `phones` has PHONE_CHANGES_SCHEMA and the final values of
    the device; `contacts` CONTACT_CHANGES_SCHEMA: `contact` is the display name, values are null where they stay as
    they are, `owner` is null where nobody's record is written. Unchanged and filtered rows are only counted, people
    and contacts together. `state` is the digest of the snapshot, `contents` the one of what it holds without the
    history, `mark` the one of `tasks.store.watch` at that time. `skipped` are the people of the file whom `on_existing:
    skip` leaves alone (`login`).
    `people_digest` is reconcile's of `changes`, which only `tasks.checksum.with_further_changes` alters after it.
    """

    profile: str
    mode: str
    changes: pl.DataFrame
    phones: pl.DataFrame
    contacts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONTACT_CHANGES_SCHEMA))
    skipped: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"login": pl.String}))
    summary: dict[str, int] = field(default_factory=empty_summary)
    facts: SourceFacts
    owned: int = 0
    checksum: str = ""
    held: str | None = None
    state: str = ""
    contents: str = ""
    mark: str = ""
    people_digest: str = ""

    @property
    def writes(self) -> bool:
        """Whether applying it would change anything in the phone system."""
        return any(self.summary[action] for action in ACTIONS if action != "conflict") or self.phones.height > 0

    @property
    def told(self) -> pl.DataFrame:
        """Every change of a person or a contact, as people are told it.

        Shape: `action`, `login` (null for a contact), `contact` (its display name, null for a person), `row`, `fields`.
        """
        people = self.changes.select("action", "login", pl.lit(None, dtype=pl.String).alias("contact"), "row", "fields")
        if self.contacts.is_empty():
            return people
        absent = pl.lit(None, dtype=pl.String).alias("login")
        return pl.concat([people, self.contacts.select("action", absent, "contact", "row", "fields")])

    @cached_property
    def rejected_logins(self) -> pl.DataFrame:
        """The people whose rows did not get in. Shape: `login`."""
        return self.aside.filter(pl.col("outcome") == "rejected").select("login").drop_nulls()

    @property
    def untouched_logins(self) -> pl.DataFrame:
        """The people of the file of whom nothing may change: rejected, in conflict or skipped. Shape: `login`."""
        conflicts = self.changes.filter(pl.col("action") == "conflict").select("login")
        return pl.concat([self.rejected_logins, conflicts, self.skipped])

    def same_as(self, checksum: str | None) -> "Plan":
        """The plan itself, when it is the one that was seen, or when none was.

        Raises: StaleError when another plan was seen.
        """
        if checksum in {None, self.checksum}:
            return self
        raise StaleError(
            "plan-stale",
            f"The plan is now {self.checksum}, expected was {checksum}: the file, the profile or the phone system "
            "has changed since. Nothing was written. Look at the new plan, and take that one.",
        )

    def released_by(self, checksum: str | None) -> "Plan":
        """The plan without its brake, when exactly this one was approved."""
        return replace(self, held=None) if checksum == self.checksum else self

    @property
    def clean(self) -> bool:
        """Whether every row got in: no error and no conflict."""
        return self.summary["conflict"] == 0 and self.issues.filter(pl.col("severity") == "error").is_empty()


def summary_line(summary: dict[str, int]) -> str:
    """The one line with the same words everywhere: `12 create, 3 update, 1 remove, 240 unchanged, 4 rejected`."""
    always = ("create", "update", "remove", "unchanged")
    return ", ".join(f"{summary[name]} {name}" for name in OUTCOMES if name in always or summary[name])


def phonebook_prefixes(columns: list[str]) -> list[str]:
    """The phonebook entries of a wide frame: `phonebook`, then `phonebook.2` and so on."""
    return [
        name for name in columns if name == "phonebook" or (name.startswith("phonebook.") and name[10:].isdecimal())
    ]


def text_fields(columns: list[str]) -> list[str]:
    """The fields that are compared and written as text, in the order in which people read them."""
    identity = [item.name for item in IDENTITY_FIELDS if item.name not in (*SECRET_FIELDS, "extension")]
    entries = [f"{prefix}.{item.column}" for prefix in phonebook_prefixes(columns) for item in PHONEBOOK_FIELDS]
    return [*identity, "roles", *entries]


Sides: TypeAlias = Callable[[str], tuple[pl.Expr, pl.Expr]]
"""Gives the existing and the wanted value of a field, by its name, as JSON."""


def fields_json(frame: pl.DataFrame, differs: Mapping[str, pl.Expr], sides: Sides) -> pl.Series:
    """JSON of the changed fields, built as columns.

    `differs` says by the field's name where it changes; `sides` is asked only for fields that change anywhere.
    """
    conditions = {name: condition.fill_null(False) for name, condition in differs.items()}
    some = frame.select(condition.any().alias(name) for name, condition in conditions.items()).row(0, named=True)
    present = [name for name in conditions if some[name]]
    if not present:
        return pl.repeat("{}", frame.height, dtype=pl.String, eager=True).alias("fields")
    every = frame.select(conditions[name].all().alias(name) for name in present)
    # One flat concatenation where it can be: each nested one, and each choice, costs a copy of its text.
    parts: list[pl.Expr] = []
    for name in present:
        existing, wanted = sides(name)
        piece = [pl.lit(f',"{name}":['), existing, pl.lit(","), wanted, pl.lit("]")]
        parts += piece if every[name].all() else [pl.when(conditions[name]).then(pl.concat_str(piece))]
    if every[present[0]].all():
        parts[0] = pl.lit(f'{{"{present[0]}":[')
        return frame.select(fields=pl.concat_str([*parts, pl.lit("}")], ignore_nulls=True))["fields"]
    body = pl.concat_str(parts, ignore_nulls=True).str.strip_prefix(",")
    return frame.select(fields=pl.concat_str(pl.lit("{"), body, pl.lit("}")))["fields"]


def json_text(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A text column as JSON strings; null stays JSON's null. Columns without special characters take the short way."""
    column = pl.col(name)
    special = frame.select(column.str.contains(r'["\\\x00-\x1f]').any()).item()
    if special:
        encoded = pl.struct(column.alias("x")).struct.json_encode()
        return encoded.str.slice(5, encoded.str.len_chars() - 6)
    quoted = pl.concat_str(pl.lit('"'), column, pl.lit('"'), ignore_nulls=True)
    has_nulls = frame[name].null_count() > 0
    return pl.when(column.is_null()).then(pl.lit("null")).otherwise(quoted) if has_nulls else quoted


def json_roles(frame: pl.DataFrame, name: str) -> pl.Expr:
    """A column of roles, joined by ROLE_SEPARATOR, as a JSON list of strings; null stays JSON's null."""
    items = json_text(frame, name).str.replace_all(ROLE_SEPARATOR, '","', literal=True)
    return (
        pl.when(pl.col(name).is_null())
        .then(pl.lit("null"))
        .when(pl.col(name) == "")
        .then(pl.lit("[]"))
        .otherwise(pl.concat_str(pl.lit("["), items, pl.lit("]")))
    )


def json_flag(expression: pl.Expr) -> pl.Expr:
    """A Boolean as JSON."""
    return (
        pl.when(expression.is_null())
        .then(pl.lit("null"))
        .when(expression)
        .then(pl.lit("true"))
        .otherwise(pl.lit("false"))
    )


def json_secret(present: pl.Expr) -> pl.Expr:
    """A mask where there is a secret, null where there is none."""
    return pl.when(present.fill_null(False)).then(pl.lit(f'"{MASK}"')).otherwise(pl.lit("null"))
