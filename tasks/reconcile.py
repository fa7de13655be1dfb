"""Reconcile: compares the wanted records with the phone system, set-based, and makes the plan as data.

Nothing is removed on doubt: a rejected row protects its record, an unknown login protects all, a record of another
profile is a conflict and untouched, a record made by hand is adopted and never removed.
"""

from typing import Final

import polars as pl

from tasks.extensions import Settled, settle_extensions
from tasks.issue import issues_of_rows, no_issues
from tasks.output import LINE, ROW
from tasks.plan import (
    WAS,
    Plan,
    empty_summary,
    fields_json,
    json_flag,
    json_list,
    json_secret,
    json_text,
    phonebook_prefixes,
    text_fields,
)
from tasks.profile import Profile
from tasks.records import Records
from tasks.snapshot import Snapshot
from tasks.step import step
from tasks.user import SECRET_FIELDS

_DEFAULTS: Final = {"auth_method": "mobydick"}
_EXTENSION_KEY: Final = "identity.009ext_extension"


def reconcile_records(records: Records, snapshot: Snapshot, profile: Profile) -> Plan:
    """The plan for the users; phones are added by the next step.

    Shape: every record in is a create, update, unchanged, conflict or (its extension is taken) rejected.
    """
    joined = _joined(records, snapshot, profile)
    foreign = joined.filter(pl.col("action") == "conflict")
    nameless = joined.filter(pl.col("action") == "create", pl.col("display_name").fill_null("") == "")
    mine = joined.join(pl.concat([foreign, nameless]), on="login", how="anti", maintain_order="left")
    missing = _missing(records, snapshot, profile)
    settled = settle_extensions(
        mine.with_columns(column=pl.lit(records.columns.get(_EXTENSION_KEY, "extension"))),
        missing.filter(pl.col("action") == "remove").select("login"),
        snapshot,
        profile.name,
        profile.pool_start,
    )
    compared = _compared(mine, settled, records)
    changes = pl.concat(
        [compared.filter(pl.col("action") != "unchanged"), _untouched_rows(foreign), missing, _displaced(settled)],
        how="diagonal",
    )
    refused = pl.concat([joined.join(settled.rejected, on="login", how="semi"), nameless]).select(
        ROW, LINE, outcome=pl.lit("rejected"), login="login"
    )
    aside = pl.concat([records.aside, refused])
    summary = _summary(changes, compared, aside, _spared(records, snapshot, profile))
    return Plan(
        profile=profile.name,
        mode=mode_of(records, profile),
        changes=_final(changes),
        phones=pl.DataFrame(),
        summary=summary,
        facts=records.facts,
        owned=snapshot.users.filter(pl.col("profile") == profile.name).height,
        state=snapshot.lineage,
        issues=pl.concat([records.issues, settled.issues, *_further_issues(records, foreign, nameless, summary)]),
        aside=aside,
    )


def mode_of(records: Records, profile: Profile) -> str:
    """The mode of this run: a file of mended failed rows is an upsert whatever the profile says (decision 7)."""
    return "upsert" if records.facts.mended else profile.mode


def _joined(records: Records, snapshot: Snapshot, profile: Profile) -> pl.DataFrame:
    existing = snapshot.users.rename({name: f"{name}{WAS}" for name in snapshot.users.columns if name != "login"})
    joined = records.users.join(existing, on="login", how="left", maintain_order="left")
    absent = [name for name in text_fields(snapshot.users.columns) if name not in joined.columns]
    joined = joined.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    further = [name for name in text_fields(joined.columns) if f"{name}{WAS}" not in joined.columns]
    prefixes = [name for name in phonebook_prefixes(joined.columns) if f"{name}{WAS}" not in joined.columns]
    joined = joined.with_columns(
        *(pl.lit(None, dtype=pl.String).alias(f"{name}{WAS}") for name in further),
        *(pl.lit(False).alias(f"{name}{WAS}") for name in prefixes),
    )
    owner = pl.col(f"profile{WAS}")
    return joined.with_columns(
        action=pl.when(pl.col(f"user_id{WAS}").is_null())
        .then(pl.lit("create"))
        .when(owner.is_not_null() & (owner != profile.name))
        .then(pl.lit("conflict"))
        .otherwise(pl.lit("unchanged")),
        **{
            name: pl.when(pl.col(f"user_id{WAS}").is_null()).then(pl.col(name))
            for name in records.untouched
            if name in joined.columns and name not in SECRET_FIELDS
        },
    )


def _missing(records: Records, snapshot: Snapshot, profile: Profile) -> pl.DataFrame:
    """The records of this profile that the file no longer has: removed, or released when they were adopted."""
    gone = _absent(records, snapshot, profile)
    if records.unknown_logins or mode_of(records, profile) != "sync":
        gone = gone.clear()
    return gone.select(
        "login",
        "user_id",
        action=pl.when(pl.col("adopted")).then(pl.lit("release")).otherwise(pl.lit("remove")),
        fields=pl.lit("{}"),
    )


def _absent(records: Records, snapshot: Snapshot, profile: Profile) -> pl.DataFrame:
    owned = snapshot.users.filter(pl.col("profile") == profile.name)
    stays = pl.concat([records.users.select("login"), records.protected_logins])
    return owned.join(stays, on="login", how="anti")


def _spared(records: Records, snapshot: Snapshot, profile: Profile) -> int:
    """How many removals an unknown login prevented (decision 10)."""
    if not records.unknown_logins or mode_of(records, profile) != "sync":
        return 0
    return _absent(records, snapshot, profile).height


def _compared(mine: pl.DataFrame, settled: Settled, records: Records) -> pl.DataFrame:
    rows = mine.join(settled.rejected, on="login", how="anti", maintain_order="left")
    rows = rows.join(settled.numbers, on="login", how="left", maintain_order="left")
    rows = _defaults(rows)
    changed = _changed_fields(rows)
    rows = rows.with_columns(
        fields=fields_json(rows, changed),
        **{f"{field}_changed": changed[field][0] for field in SECRET_FIELDS},
    )
    differs = pl.any_horizontal(condition for condition, *_ in changed.values())
    return rows.with_columns(
        action=pl.when((pl.col("action") == "unchanged") & differs).then(pl.lit("update")).otherwise(pl.col("action"))
    )


def _defaults(rows: pl.DataFrame) -> pl.DataFrame:
    """What a create gets where the file says nothing, and what an entry without a name is called."""
    creates = pl.col("action") == "create"
    prefixes = phonebook_prefixes(rows.columns)
    rows = rows.with_columns(
        auth_method=pl.when(pl.col("auth_method") == "").then(pl.lit(_DEFAULTS["auth_method"])).otherwise("auth_method")
    )
    return rows.with_columns(
        auth_method=pl.when(creates)
        .then(pl.col("auth_method").fill_null(_DEFAULTS["auth_method"]))
        .otherwise("auth_method"),
        **{
            f"{prefix}.display_name": pl.when(
                pl.col(prefix).fill_null(False)
                & (
                    (pl.col(f"{prefix}.display_name") == "")
                    | ~pl.col(f"{prefix}{WAS}").fill_null(False) & pl.col(f"{prefix}.display_name").is_null()
                )
            )
            .then(pl.coalesce("display_name", f"display_name{WAS}"))
            .otherwise(f"{prefix}.display_name")
            for prefix in prefixes
        },
    )


def _changed_fields(rows: pl.DataFrame) -> dict[str, tuple[pl.Expr, pl.Expr, pl.Expr]]:
    """For each field: whether it changes, its existing and its wanted value as JSON."""
    creates = pl.col("action") == "create"
    null = pl.lit("null")
    changed: dict[str, tuple[pl.Expr, pl.Expr, pl.Expr]] = {}
    for name in text_fields(rows.columns):
        wanted, was = pl.col(name), pl.col(f"{name}{WAS}").fill_null(_DEFAULTS.get(name, ""))
        differs = (wanted.str.to_lowercase() != was.str.to_lowercase()) if name == "roles" else (wanted != was)
        changed[name] = (
            (wanted.is_not_null() & differs).fill_null(False),
            pl.when(creates).then(null).otherwise(_as_json(rows, name, f"{name}{WAS}")),
            _as_json(rows, name, name),
        )
    changed["extension"] = (
        pl.col("number").ne_missing(pl.col(f"extension{WAS}")),
        json_text(rows, f"extension{WAS}"),
        json_text(rows, "number"),
    )
    changed["extension_automatic"] = (
        ~creates & pl.col("automatic").ne_missing(pl.col(f"automatic{WAS}")),
        json_flag(pl.col(f"automatic{WAS}")),
        json_flag(pl.col("automatic")),
    )
    for field in SECRET_FIELDS:
        print_ = pl.col(f"{field}_fingerprint")
        differs = (print_ != "") & print_.ne_missing(pl.col(f"{field}_fingerprint{WAS}"))
        changed[field] = (differs, json_secret(pl.col(f"has_{field}{WAS}")), json_secret(pl.lit(True)))
    for prefix in phonebook_prefixes(rows.columns):
        wanted, was = pl.col(prefix), pl.col(f"{prefix}{WAS}").fill_null(False)
        changed[prefix] = (
            ~creates & (wanted.is_not_null() & (wanted != was)).fill_null(False),
            json_flag(was),
            json_flag(wanted),
        )
    changed["profile"] = (
        ~creates & pl.col(f"profile{WAS}").is_null(),
        null,
        pl.lit('"adopted"'),
    )
    return changed


def _as_json(rows: pl.DataFrame, field: str, column: str) -> pl.Expr:
    return json_list(column) if field == "roles" else json_text(rows, column)


def _untouched_rows(foreign: pl.DataFrame) -> pl.DataFrame:
    return foreign.select(ROW, "login", "action", user_id=f"user_id{WAS}", fields=pl.lit("{}"))


def _displaced(settled: Settled) -> pl.DataFrame:
    """People who are not in the file, but lose their number to an explicit claim."""
    rows = settled.displaced
    changed = {"extension": (pl.lit(True), json_text(rows, "extension"), json_text(rows, "number"))}
    return rows.select(
        "login", "user_id", "number", action=pl.lit("update"), automatic=pl.lit(True), fields=fields_json(rows, changed)
    )


def _final(changes: pl.DataFrame) -> pl.DataFrame:
    """The changes with the value that each field has in the end, in the order in which people read them."""
    columns = text_fields(changes.columns)
    if f"user_id{WAS}" in changes.columns:
        present = pl.col("user_id") if "user_id" in changes.columns else pl.lit(None, dtype=pl.Int64)
        changes = changes.with_columns(user_id=pl.coalesce(present, f"user_id{WAS}"))
        changes = changes.with_columns(
            pl.coalesce(name, f"{name}{WAS}").fill_null("") for name in columns if f"{name}{WAS}" in changes.columns
        ).with_columns(
            pl.coalesce(prefix, f"{prefix}{WAS}").fill_null(False) for prefix in phonebook_prefixes(changes.columns)
        )
    order = {"conflict": 0, "remove": 1, "release": 2, "disable": 3, "enable": 4, "update": 5, "create": 6}
    dropped = [name for name in changes.columns if name.endswith(WAS)] + ["extension", LINE]
    return (
        changes.drop(dropped, strict=False)
        .rename({ROW: "row"})
        .sort(pl.col("action").replace_strict(order, return_dtype=pl.Int8), "row", "login", nulls_last=True)
    )


def _summary(changes: pl.DataFrame, compared: pl.DataFrame, aside: pl.DataFrame, spared: int) -> dict[str, int]:
    summary = empty_summary()
    summary.update(dict(changes.group_by("action").len().iter_rows()))
    summary["unchanged"] = compared.filter(pl.col("action") == "unchanged").height
    outcomes = aside.unique(ROW).group_by("outcome").len()
    summary.update(dict(outcomes.iter_rows()))
    summary["protected"] = spared
    return summary


def _further_issues(
    records: Records, foreign: pl.DataFrame, nameless: pl.DataFrame, summary: dict[str, int]
) -> list[pl.DataFrame]:
    column = records.columns.get("identity.003use_name", "login")
    message = pl.format(
        "{}: “{}” belongs to profile {}; nothing of it was changed", pl.lit(column), "login", f"profile{WAS}"
    )
    name_column = records.columns.get("identity.003use_bez", "display_name")
    found = [
        issues_of_rows(foreign, column, "login-owned-elsewhere", message),
        issues_of_rows(
            nameless, name_column, "display-name-invalid", f"{name_column}: a new user needs a display name"
        ),
    ]
    if records.unknown_logins:
        text = (
            f"{records.unknown_logins} rows could not be read well enough to know whose they are, "
            f"so nothing was removed ({summary['protected']} spared)"
        )
        nowhere = pl.DataFrame({ROW: [None], LINE: [None]}, schema={ROW: pl.Int64, LINE: pl.Int64})
        found.append(issues_of_rows(nowhere, None, "login-unknown-no-removal", text))
    return [*found, no_issues()]


reconcile = step("reconcile", version=1, reads=("name", "mode", "pool_start"))(reconcile_records)
