"""Reconcile: compares the wanted records with the phone system, set-based, and makes the plan as data.

Nothing is removed on doubt: a rejected row protects its record, an unknown login protects all, a record of another
profile is a conflict and untouched, a record made by hand is adopted and never removed.
"""

from collections.abc import Iterator
from typing import Final

import polars as pl

from tasks.checksum import people_digest
from tasks.comparison import compare_rows
from tasks.contacts import contact_changes
from tasks.extensions import Outside, Settled, settle_extensions
from tasks.issue import issues_of_rows, no_issues
from tasks.login import without
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import LINE, ROW
from tasks.ownership import (
    absent_records,
    keeping_logins,
    missing_records,
    mode_of,
    owned_records,
    wanted_beside_existing,
)
from tasks.plan import WAS, Plan, empty_summary, fields_json, json_text, phonebook_prefixes, text_fields
from tasks.profile import Profile
from tasks.records import Records
from tasks.snapshot import Circumstances, Snapshot
from tasks.step import step
from tasks.user import ROLE_SEPARATOR

_EXTENSION_KEY: Final = "identity.009ext_extension"
_LOGIN_KEY: Final = "identity.003use_name"
_NAME_KEY: Final = "identity.003use_bez"
_ROLES_KEY: Final = "identity.user_roles"


def reconcile_records(records: Records, snapshot: Snapshot, profile: Profile, circumstances: Circumstances) -> Plan:
    """The plan for the users; phones are added by the next step.

    Shape: every record in is a create, update, enable, unchanged, conflict or (its extension is taken) rejected.
    """
    joined = wanted_beside_existing(records, snapshot, profile, circumstances)
    apart = joined.filter(pl.col("action").is_in(["conflict", "skip"]))
    nameless = joined.filter(pl.col("action") == "create", pl.col("display_name").fill_null("") == "")
    mine = without(joined, pl.concat([apart, nameless]))
    missing = missing_records(records, snapshot, profile, circumstances)
    outside = Outside(
        removed=missing.filter(pl.col("action") == "remove").select("login"),
        kept=keeping_logins(records, snapshot, profile.name, mode_of(records, profile)),
    )
    claiming = mine.with_columns(column=pl.lit(records.columns.get(_EXTENSION_KEY, "extension")))
    settled = settle_extensions(claiming, outside, snapshot, profile)
    changed, unchanged = compare_rows(mine, settled, profile.name)
    conflicts = apart.filter(pl.col("action") == "conflict")
    changes = pl.concat(
        [
            changed,
            _untouched_rows(conflicts),
            *_missing_and_displaced(missing, settled),
        ],
        how="diagonal",
    )
    refused = pl.concat([joined.join(settled.rejected, on="login", how="semi"), nameless])
    aside = pl.concat([records.aside, refused.select(ROW, LINE, outcome=pl.lit("rejected"), login="login")])
    contacts = contact_changes(records, snapshot, profile, circumstances)
    unchanged += apart.height - conflicts.height + contacts.unchanged
    told = pl.concat([changes.select("action"), contacts.changes.select("action")])
    summary = _summary(told, unchanged, aside, _spared(records, snapshot, profile) + contacts.spared)
    issues = [
        *_issues_of_apart(records, apart),
        *_issues_of_names(records, nameless),
        _issues_of_roles(records, changed, snapshot),
        *_issues_of_file(records, snapshot, profile, summary),
    ]
    final = _final(changes)
    return Plan(
        profile=profile.name,
        mode=mode_of(records, profile),
        changes=final,
        people_digest=people_digest(final),
        phones=pl.DataFrame(),
        contacts=contacts.changes,
        skipped=apart.filter(pl.col("action") == "skip").select("login"),
        summary=summary,
        facts=records.facts,
        owned=owned_records(snapshot, profile.name),
        state=snapshot.lineage,
        contents=snapshot.contents,
        mark=snapshot.mark,
        issues=pl.concat([records.issues, settled.issues, contacts.issues, *issues]),
        aside=aside,
    )


def _spared(records: Records, snapshot: Snapshot, profile: Profile) -> int:
    """How many removals an unknown login prevented (decision 10)."""
    if not records.unknown_logins or mode_of(records, profile) != "sync":
        return 0
    return absent_records(records, snapshot, profile).height


def _untouched_rows(foreign: pl.DataFrame) -> pl.DataFrame:
    return foreign.select(ROW, "login", "action", user_id=f"user_id{WAS}", fields=pl.lit("{}"))


def _missing_and_displaced(missing: pl.DataFrame, settled: Settled) -> tuple[pl.DataFrame, pl.DataFrame]:
    """People who are not in the file: what becomes of them, and who loses a number to an explicit claim.

    Whoever is disabled or released and displaced at once is one change.
    """
    displaced = _displaced(settled)
    both = displaced.select("login", "number", "automatic", moved=pl.col("fields").str.strip_prefix("{"))
    missing = missing.join(both, on="login", how="left", maintain_order="left").with_columns(
        fields=pl.when(pl.col("moved").is_null())
        .then("fields")
        .otherwise(pl.concat_str(pl.col("fields").str.strip_suffix("}"), pl.lit(","), "moved"))
    )
    return missing.drop("moved"), displaced.join(missing, on="login", how="anti")


def _displaced(settled: Settled) -> pl.DataFrame:
    rows = settled.displaced
    fields = fields_json(
        rows, {"extension": pl.lit(True)}, lambda name: (json_text(rows, name), json_text(rows, "number"))
    )
    return rows.select("login", "user_id", "number", action=pl.lit("update"), automatic=pl.lit(True), fields=fields)


def _final(changes: pl.DataFrame) -> pl.DataFrame:
    """The changes with the value that each field has in the end, in the order in which people read them."""
    columns = text_fields(changes.columns)
    if f"user_id{WAS}" in changes.columns:
        present = pl.col("user_id") if "user_id" in changes.columns else pl.lit(None, dtype=pl.Int64)
        changes = changes.with_columns(user_id=pl.coalesce(present, f"user_id{WAS}"))
        of_file = pl.col(ROW).is_not_null() & (pl.col("action") != "conflict")
        texts = [name for name in columns if f"{name}{WAS}" in changes.columns]
        changes = changes.with_columns(
            *(pl.when(of_file).then(pl.coalesce(name, f"{name}{WAS}", pl.lit(""))).alias(name) for name in texts),
            *(
                pl.when(of_file).then(pl.coalesce(name, f"{name}{WAS}", pl.lit(False))).alias(name)
                for name in phonebook_prefixes(changes.columns)
            ),
        )
    order = {"conflict": 0, "remove": 1, "release": 2, "disable": 3, "enable": 4, "update": 5, "create": 6}
    dropped = [*(name for name in changes.columns if name.endswith(WAS)), "extension", LINE]
    return (
        changes.drop(dropped, strict=False)
        .rename({ROW: "row"})
        .sort(pl.col("action").replace_strict(order, return_dtype=pl.Int8), "row", "login", nulls_last=True)
    )


def _summary(changes: pl.DataFrame, unchanged: int, aside: pl.DataFrame, spared: int) -> dict[str, int]:
    counted = dict(changes.group_by("action").len().iter_rows())
    outcomes = dict(aside.unique(ROW).group_by("outcome").len().iter_rows())
    return {**empty_summary(), **counted, **outcomes, "unchanged": unchanged, "protected": spared}


def _issues_of_apart(records: Records, apart: pl.DataFrame) -> list[pl.DataFrame]:
    column = records.columns.get(_LOGIN_KEY, "login")
    by_hand = apart.filter(pl.col(f"profile{WAS}").is_null())
    elsewhere = apart.filter(pl.col(f"profile{WAS}").is_not_null())
    theirs = pl.format(
        "{}: “{}” belongs to profile {}; nothing of it was changed", pl.lit(column), "login", f"profile{WAS}"
    )
    hand_made = pl.format("{}: “{}” was made by hand; nothing of it was changed", pl.lit(column), "login")
    return [
        issues_of_rows(elsewhere, column, "login-owned-elsewhere", theirs),
        issues_of_rows(by_hand.filter(pl.col("action") == "conflict"), column, "login-exists", hand_made),
        issues_of_rows(by_hand.filter(pl.col("action") == "skip"), column, "login-exists-skipped", hand_made),
    ]


def _issues_of_names(records: Records, nameless: pl.DataFrame) -> list[pl.DataFrame]:
    column = records.columns.get(_NAME_KEY, "display_name")
    return [issues_of_rows(nameless, column, "display-name-invalid", f"{column}: a new user needs a display name")]


def _issues_of_roles(records: Records, changed: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """A warning for each role that is new, at the first row that names it (decision 19)."""
    column = records.columns.get(_ROLES_KEY, "roles")
    known = pl.Series("folded", snapshot.roles, dtype=pl.String).str.to_lowercase().to_frame()
    # Few lists differ, however many people there are.
    lists = changed.filter(pl.col("roles").fill_null("") != "").unique("roles", keep="first", maintain_order=True)
    named = lists.select(ROW, LINE, role=pl.col("roles").str.split(ROLE_SEPARATOR)).explode("role", empty_as_null=True)
    new = named.with_columns(folded=pl.col("role").str.to_lowercase()).join(known, on="folded", how="anti")
    message = pl.format("{}: there is no role “{}” yet; it is created", pl.lit(column), "role")
    return issues_of_rows(
        new.sort(ROW).unique("folded", keep="first", maintain_order=True), column, "role-created", message
    )


def _issues_of_file(
    records: Records, snapshot: Snapshot, profile: Profile, summary: dict[str, int]
) -> list[pl.DataFrame]:
    nowhere = pl.DataFrame({ROW: [None], LINE: [None]}, schema={ROW: pl.Int64, LINE: pl.Int64})
    found = [no_issues()]
    if records.unknown_logins:
        text = (
            f"rows that could not be read well enough to know whose they are: {records.unknown_logins}; "
            f"so nothing was removed ({summary['protected']} spared)"
        )
        found.append(issues_of_rows(nowhere, None, "login-unknown-no-removal", text))
    for name, what in _gone_columns(records, snapshot, profile):
        text = f"“{name}” was in the last applied file and is gone; {what}"
        found.append(issues_of_rows(nowhere, name, "column-gone", text))
    return found


def _gone_columns(records: Records, snapshot: Snapshot, profile: Profile) -> Iterator[tuple[str, str]]:
    """The columns that the last applied file had and the Structure reads, and what becomes of their fields."""
    mapping, header = mapping_of(profile), Names(records.facts.header)
    gone = [name for name in (snapshot.last.header if snapshot.last else ()) if header.find(name) is None]
    untouched = set(mapping.untouched(header)) if gone else set[str]()
    for name in gone:
        readers = mapping.readers_of(name, Names((*gone, *header.header)))
        stays = all(untouched & {reader, reader.partition(".")[0]} for reader in readers)
        if readers:
            yield name, "its fields stay as they are" if stays else "what else reads it takes it as empty"


reconcile = step(
    "reconcile",
    version=7,
    reads=("name", "mode", "pool_start", "on_existing", "on_missing", "remove_after_days", "variables", "structure"),
)(reconcile_records)
