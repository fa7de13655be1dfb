"""The contacts that the rows ask for: phonebook entries without a user, each known again by its key.

The key is the display name and the phone, or the value of the variable that the profile names as `contact_key`. A
contact that breaks a rule does not get in and stays as it is in the phone system; the row's user gets in all the same.
"""

import json
from dataclasses import dataclass
from typing import Final

import polars as pl

from tasks.candidates import cell, untouched_fields_of, with_labels
from tasks.issue import issues_of_rows, no_issues
from tasks.output import LINE, ROW, Modules
from tasks.profile import Profile
from tasks.records import CONTACT_COLUMNS, CONTACT_SCHEMA
from tasks.rules import issues_of_field, issues_of_value_twice, shortened
from tasks.user import PHONEBOOK_FIELDS

KEY: Final = "#key"
"""The value of the profile's `contact_key` in each row of the rendered contacts."""


@dataclass(frozen=True)
class WantedContacts:
    """The contacts that passed, what must stay as it is, and what is wrong.

    Shape: `frame` has CONTACT_SCHEMA (null = stays as it is); `kept` has `key`; `broken` the rows (`#row`, `#line`)
    whose contact did not pass. `unknown` counts contacts whose key could not be read; `spoken_of`: the Structure has
    them.
    """

    frame: pl.DataFrame
    kept: pl.DataFrame
    broken: pl.DataFrame
    unknown: int
    spoken_of: bool
    issues: pl.DataFrame


def wanted_contacts(
    modules: Modules, profile: Profile, refused: pl.DataFrame, columns: dict[str, str]
) -> WantedContacts:
    """The contacts of the rows; those of a refused row (`#row`) stay as they are in the phone system."""
    rendered = modules.frames.get("contact")
    unread = modules.aside.filter(pl.col("outcome") == "rejected").height
    if rendered is None:
        nothing = pl.DataFrame(schema=CONTACT_SCHEMA)
        return WantedContacts(nothing, nothing.select("key"), nothing.select(ROW, LINE), 0, False, no_issues())
    contacts = _contacts(modules, rendered, profile)
    issues = _broken_rules(contacts, profile, columns)
    broken = contacts.join(issues.select(pl.col("row").alias(ROW), "#index").unique(), on=[ROW, "#index"], how="semi")
    # A row without a user is whole or not at all.
    with_user = modules.frames.get("identity", pl.DataFrame(schema={ROW: pl.Int64})).select(ROW)
    alone = broken.join(with_user, on=ROW, how="anti").select(ROW)
    out = contacts.join(broken, on=[ROW, "#index"], how="semi").select(ROW, "#index")
    out = pl.concat(
        [out, *(contacts.join(rows, on=ROW, how="semi").select(ROW, "#index") for rows in (alone, refused))]
    )
    stays = contacts.join(out, on=[ROW, "#index"], how="semi")
    return WantedContacts(
        frame=contacts.join(out, on=[ROW, "#index"], how="anti", maintain_order="left").select(CONTACT_SCHEMA.names()),
        kept=stays.select("key").drop_nulls().unique(),
        broken=broken.select(ROW, LINE).unique(ROW, maintain_order=True),
        unknown=unread + stays["key"].null_count(),
        spoken_of=True,
        issues=issues.drop("#index"),
    )


def default_key(display_name: pl.Expr, phone: pl.Expr) -> pl.Expr:
    """The key of a contact whose profile names no variable for it."""
    return pl.concat_str(pl.lit("["), _json(display_name), pl.lit(","), _json(phone), pl.lit("]"))


def key_value(key: str) -> str:
    """The value of `contact_key` that made a key, "" for a key of name and phone."""
    parts = json.loads(key)
    return "" if len(parts) > 1 and isinstance(parts[1], str) else str(parts[0])


def _contacts(modules: Modules, rendered: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Every rendered contact with its key; no key where the file does not tell it."""
    untouched = untouched_fields_of(modules, "contact")
    labels = modules.frames.get("phonebooklabel")
    entries = with_labels(rendered, None if labels is None else labels.filter(pl.col("#identity").is_null()))
    absent = pl.lit(None, dtype=pl.String)
    frame = entries.select(
        ROW,
        LINE,
        "#index",
        *([KEY] if KEY in entries.columns else []),
        *(
            cell(field, field.column, untouched) if field.key in entries.columns else absent.alias(field.column)
            for field in PHONEBOOK_FIELDS
        ),
    )
    return _kept_where_empty(frame.with_columns(key=_key(frame, profile, modules.untouched)), profile)


def _key(frame: pl.DataFrame, profile: Profile, untouched: tuple[str, ...]) -> pl.Expr:
    if profile.contact_key:
        value, further = pl.col(KEY).str.strip_chars(), pl.col("#index")
        nth = pl.when(further > 0).then(pl.format(",{}", further + 1)).otherwise(pl.lit(""))
        return pl.when(value != "").then(pl.concat_str(pl.lit("["), _json(value), nth, pl.lit("]")))
    if {"contact.028pho_bez", "contact.028pho_phone"}.intersection(untouched):
        return pl.lit(None, dtype=pl.String)
    name = pl.col("display_name")
    return pl.when(name != "").then(default_key(name, pl.col("phone").fill_null("")))


def _kept_where_empty(frame: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    if profile.empty_cells == "clear":
        return frame
    texts = [name for name in CONTACT_COLUMNS if name != "display_name"]
    return frame.with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in texts)


def _broken_rules(contacts: pl.DataFrame, profile: Profile, columns: dict[str, str]) -> pl.DataFrame:
    """An issue for each rule that a contact breaks. Shape: those of issues, and `#index`."""
    name = columns.get("contact.028pho_bez", "028pho_bez")
    nameless = contacts.filter(pl.col("display_name").fill_null("") == "")
    keyless = contacts.join(nameless.select(ROW, "#index"), on=[ROW, "#index"], how="anti").filter(
        pl.col("key").is_null()
    )
    by = profile.contact_key or f"{name} and {columns.get('contact.028pho_phone', '028pho_phone')}"
    parts = [
        (nameless, issues_of_rows(nameless, name, "contact-name-missing", f"{name}: a contact needs a display name")),
        (
            keyless,
            issues_of_rows(
                keyless,
                None,
                "contact-key-missing",
                f"a contact is known by {by}, and the row does not tell it; fill it in",
            ),
        ),
    ]
    doubled = contacts.filter(pl.col("key").is_not_null() & pl.col("key").is_duplicated())
    shown = doubled.with_columns(shown=shortened("display_name"))
    parts.append((doubled, issues_of_value_twice(shown, "key", name, "contact-twice", shown="shown")))
    for field in PHONEBOOK_FIELDS:
        column = columns.get(f"contact.{field.key}", field.key)
        parts.append(issues_of_field(contacts, field.column, field, column))
    return pl.concat([found.with_columns(rows["#index"]) for rows, found in parts])


def _json(text: pl.Expr) -> pl.Expr:
    """A text as JSON, as `json.dumps` without escapes of letters would write it."""
    encoded = pl.struct(text.alias("x")).struct.json_encode()
    return encoded.str.slice(5, encoded.str.len_chars() - 6)
