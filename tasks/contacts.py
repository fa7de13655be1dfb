"""Contacts: phonebook entries without a user, wanted beside existing, as part of the plan.

A contact is known by its key, which its profile keeps with it: so one that was changed by hand is found and set back.
Two profiles may each have the same contact. One that nobody imported is adopted, skipped or a conflict, as for people.
"""

import json
from dataclasses import dataclass
from typing import Final

import polars as pl

from tasks.issue import issues_of_rows, no_issues
from tasks.output import LINE, ROW
from tasks.ownership import action_when_missing, mode_of, orphans
from tasks.plan import CONTACT_CHANGES_SCHEMA, WAS, fields_json, json_flag, json_text
from tasks.profile import Profile
from tasks.records import CONTACT_COLUMNS, Records
from tasks.snapshot import Circumstances, Snapshot

_ORDER: Final = {"conflict": 0, "remove": 1, "release": 2, "disable": 3, "enable": 4, "update": 5, "create": 6}
_NULL: Final = pl.lit("null")


@dataclass(frozen=True)
class ContactChanges:
    """What becomes of the contacts.

    Shape: `changes` as `Plan.contacts`; `unchanged` counts wanted ones, `spared` those that doubt kept from removal.
    """

    changes: pl.DataFrame
    unchanged: int
    spared: int
    issues: pl.DataFrame


def contact_changes(
    records: Records, snapshot: Snapshot, profile: Profile, circumstances: Circumstances
) -> ContactChanges:
    """The contacts that the file wants, compared with those that exist."""
    if not records.speaks_of_contacts:
        return ContactChanges(pl.DataFrame(schema=CONTACT_CHANGES_SCHEMA), 0, 0, no_issues())
    beside = _beside_existing(records, snapshot, profile, circumstances)
    compared = _compared(beside, profile)
    absent = _absent(records, snapshot, profile)
    doubted = bool(records.unknown_logins or records.unknown_contacts) and mode_of(records, profile) == "sync"
    gone = absent.clear() if doubted or mode_of(records, profile) != "sync" else absent
    changes = pl.concat([compared.filter(pl.col("action") != "unchanged"), _missing(gone, profile, circumstances)])
    ordered = changes.sort(
        pl.col("action").replace_strict(_ORDER, return_dtype=pl.Int8), "row", "key", "entry_id", nulls_last=True
    )
    spared = absent.height if doubted else 0
    return ContactChanges(
        changes=ordered,
        unchanged=compared.height - compared.filter(pl.col("action") != "unchanged").height,
        spared=spared,
        issues=pl.concat([*_issues(beside, records), *([_doubt(records, spared)] if spared else [])]),
    )


def existing_contact_json(frame: pl.DataFrame) -> pl.Series:
    """What the removal of a contact takes away: every field that has a value, as [existing, null].

    Shape: `frame` has the columns of a snapshot's contacts.
    """
    differs = {name: pl.col(name) != "" for name in CONTACT_COLUMNS}
    differs["missing_since"] = pl.col("missing_since").is_not_null()
    return fields_json(frame, differs, lambda name: (json_text(frame, name), _NULL))


def _beside_existing(
    records: Records, snapshot: Snapshot, profile: Profile, circumstances: Circumstances
) -> pl.DataFrame:
    """Every wanted contact beside its own, or one of nobody's with the same name and phone, with a first action."""
    there = snapshot.contacts.rename({name: f"{name}{WAS}" for name in snapshot.contacts.columns if name != "key"})
    mine = there.filter(pl.col(f"profile{WAS}") == profile.name).with_columns(pl.col("key").alias(f"key{WAS}"))
    known = records.contacts.join(mine, on="key", how="left", maintain_order="left")
    new = known.filter(pl.col(f"entry_id{WAS}").is_null()).select(records.contacts.columns)
    free = there.rename({"key": f"key{WAS}"}).filter(
        pl.col(f"profile{WAS}").is_null() | pl.col(f"profile{WAS}").is_in(orphans(snapshot, profile, circumstances))
    )
    found = _same_name_and_phone(new, free)
    joined = pl.concat([known.filter(pl.col(f"entry_id{WAS}").is_not_null()), found], how="diagonal").sort(ROW)
    is_new, owner = pl.col(f"entry_id{WAS}").is_null(), pl.col(f"profile{WAS}")
    refused = {"adopt": "unchanged", "skip": "skip", "conflict": "conflict"}[profile.on_existing]
    return joined.with_columns(
        action=pl.when(is_new)
        .then(pl.lit("create"))
        .when(owner.is_null())
        .then(pl.lit(refused))
        .otherwise(pl.lit("unchanged"))
    )


def _same_name_and_phone(new: pl.DataFrame, free: pl.DataFrame) -> pl.DataFrame:
    """Each new contact beside one that is free to take; each of those is taken once."""
    both = [f"display_name{WAS}", f"phone{WAS}"]
    nth = pl.int_range(pl.len())
    ours = new.with_columns(phone=pl.col("phone").fill_null("")).with_columns(nth=nth.over("display_name", "phone"))
    theirs = free.sort(f"entry_id{WAS}").with_columns(nth=nth.over(both))
    joined = ours.join(
        theirs,
        left_on=["display_name", "phone", "nth"],
        right_on=[*both, "nth"],
        how="left",
        coalesce=False,
        maintain_order="left",
    )
    return joined.drop("nth", "nth_right").with_columns(new["phone"])


def _compared(beside: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """The wanted contacts as `Plan.contacts`, the unchanged ones among them."""
    creates, touched = pl.col("action") == "create", pl.col("action") == "unchanged"
    owner = pl.col(f"profile{WAS}")
    rows = beside.with_columns(
        pl.when(creates).then(pl.col(name).fill_null("")).otherwise(name).alias(name) for name in CONTACT_COLUMNS
    )
    back = touched & pl.col(f"missing_since{WAS}").is_not_null()
    takes = touched & owner.ne_missing(profile.name)
    differs = {
        name: (pl.col(name) != pl.when(creates).then(pl.lit("")).otherwise(f"{name}{WAS}")).fill_null(False)
        for name in CONTACT_COLUMNS
    }
    differs |= {"enabled": back, "missing_since": back, "key": takes, "profile": takes}
    changes = touched & pl.any_horizontal(differs.values())
    action = pl.when(back).then(pl.lit("enable")).when(changes).then(pl.lit("update")).otherwise("action")
    ends = {"missing_since": _NULL, "profile": _quoted(profile.name)}

    def sides(name: str) -> tuple[pl.Expr, pl.Expr]:
        if name == "enabled":
            return json_flag(pl.lit(False)), json_flag(pl.lit(True))
        before = pl.when(creates).then(_NULL).otherwise(json_text(rows, f"{name}{WAS}"))
        return before, ends[name] if name in ends else json_text(rows, name)

    told = rows.with_columns(
        action=pl.when(action == "skip").then(pl.lit("unchanged")).otherwise(action),
        fields=pl.when(pl.col("action").is_in(["conflict", "skip"]))
        .then(pl.lit("{}"))
        .otherwise(fields_json(rows, differs, sides)),
        contact=pl.coalesce("display_name", f"display_name{WAS}"),
        row=pl.col(ROW),
        entry_id=pl.col(f"entry_id{WAS}"),
        owner=pl.when(creates | takes).then(pl.lit(profile.name)),
        adopted=pl.when(creates).then(False).when(owner.is_null()).then(True).otherwise(f"adopted{WAS}"),
        disown=pl.lit(False),
        missing_since=pl.lit(None, dtype=pl.String),
    )
    return told.select(CONTACT_CHANGES_SCHEMA.names())


def _absent(records: Records, snapshot: Snapshot, profile: Profile) -> pl.DataFrame:
    """This profile's contacts that are neither in the file nor protected by a row that did not get in."""
    stays = pl.concat([records.contacts.select("key"), records.kept_contacts])
    return snapshot.contacts.filter(pl.col("profile") == profile.name).join(stays, on="key", how="anti")


def _missing(gone: pl.DataFrame, profile: Profile, circumstances: Circumstances) -> pl.DataFrame:
    """What becomes of the contacts that the file no longer has; nothing of them is written but who owns them."""
    gone = gone.with_columns(action=action_when_missing(profile, circumstances)).filter(pl.col("action").is_not_null())
    released = json.dumps({"profile": [profile.name, None]})
    told = gone.with_columns(
        fields=pl.when(pl.col("action") == "remove")
        .then(existing_contact_json(gone))
        .when(pl.col("action") == "release")
        .then(pl.lit(released))
        .otherwise(pl.lit('{"enabled":[true,false]}')),
        contact="display_name",
        row=pl.lit(None, dtype=pl.Int64),
        owner=pl.lit(None, dtype=pl.String),
        disown=pl.col("action") == "release",
    )
    return told.with_columns(
        pl.lit(None, dtype=pl.String).alias(name) for name in (*CONTACT_COLUMNS, "missing_since")
    ).select(CONTACT_CHANGES_SCHEMA.names())


def _issues(beside: pl.DataFrame, records: Records) -> list[pl.DataFrame]:
    column = records.columns.get("contact.028pho_bez", "028pho_bez")
    message = pl.format("{}: “{}” was made by hand; nothing of it was changed", pl.lit(column), "display_name")
    return [
        issues_of_rows(beside.filter(pl.col("action") == action), column, code, message)
        for action, code in (("conflict", "contact-exists"), ("skip", "contact-exists-skipped"))
    ]


def _doubt(records: Records, spared: int) -> pl.DataFrame:
    nowhere = pl.DataFrame({ROW: [None], LINE: [None]}, schema={ROW: pl.Int64, LINE: pl.Int64})
    count = records.unknown_contacts or records.unknown_logins
    unread = f"rows that could not be read well enough to know which contacts they are: {count}"
    text = f"{unread}; so none was removed ({spared} spared)"
    return issues_of_rows(nowhere, None, "contact-unknown-no-removal", text)


def _quoted(text: str) -> pl.Expr:
    return pl.lit(json.dumps(text))
