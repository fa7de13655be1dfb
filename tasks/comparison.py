"""Compares wanted with existing, field by field, as columns: what changes, from what to what.

An empty cell clears its field, except secrets and an automatic extension. Secrets are compared by the fingerprint of
what was imported last, so that a password which its user changed is not set back by every run.
"""

import json
from typing import Final

import polars as pl

from tasks.extensions import Settled
from tasks.login import without
from tasks.plan import (
    WAS,
    Sides,
    fields_json,
    json_flag,
    json_roles,
    json_secret,
    json_text,
    phonebook_prefixes,
    text_fields,
)
from tasks.user import SECRET_FIELDS

_DEFAULTS: Final = {"auth_method": "mobydick"}


def compare_rows(mine: pl.DataFrame, settled: Settled, profile: str) -> tuple[pl.DataFrame, int]:
    """The rows that change, with action, changed fields as JSON and the number in the end; how many do not change.

    Shape: `mine` has the wanted fields and the existing ones (`FIELD#was`); rows whose number was refused are left out.
    """
    rows = without(mine, settled.rejected)
    rows = rows.join(settled.numbers, on="login", how="left", maintain_order="left")
    rows = _defaults(rows)
    differs = _differences(rows, profile)
    known = pl.col("action") == "unchanged"
    action = (
        pl.when(known & _enabled_again())
        .then(pl.lit("enable"))
        .when(known & pl.any_horizontal(differs.values()))
        .then(pl.lit("update"))
        .otherwise(pl.col("action"))
    )
    changed = rows.with_columns(action=action).filter(pl.col("action") != "unchanged")
    # New people have nothing before; apart from the others their JSON costs a fraction.
    parts = [changed.filter(pl.col("action") != "create"), changed.filter(pl.col("action") == "create")]
    changed = pl.concat([_with_fields(part, differs, profile) for part in parts])
    return changed, rows.height - changed.height


def _with_fields(rows: pl.DataFrame, differs: dict[str, pl.Expr], profile: str) -> pl.DataFrame:
    return rows.with_columns(
        fields=fields_json(rows, differs, _both_sides(rows, profile)),
        enabled=pl.when(back_again()).then(f"was_enabled{WAS}"),
        **{f"{field}_changed": differs[field] for field in SECRET_FIELDS},
    )


def back_again() -> pl.Expr:
    """Whether a person whom an import disabled is in the file again."""
    return pl.col(f"missing_since{WAS}").is_not_null()


def _enabled_again() -> pl.Expr:
    """Whether such a person is to be enabled: whoever was disabled by hand before stays so."""
    return back_again() & pl.col(f"was_enabled{WAS}")


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


def _differences(rows: pl.DataFrame, profile: str) -> dict[str, pl.Expr]:
    """For each field: whether it changes."""
    creates, removed = pl.col("action") == "create", _removed_entries(rows)
    changed: dict[str, pl.Expr] = {}
    for name in text_fields(rows.columns):
        wanted, was = pl.col(name), pl.col(f"{name}{WAS}").fill_null(_DEFAULTS.get(name, ""))
        differs = (wanted.str.to_lowercase() != was.str.to_lowercase()) if name == "roles" else (wanted != was)
        differs = (wanted.is_not_null() & differs).fill_null(False)
        gone = removed.get(name.rpartition(".")[0])
        changed[name] = differs if gone is None else pl.when(gone).then(was != "").otherwise(differs)
    changed["extension"] = pl.col("number").ne_missing(pl.col(f"extension{WAS}"))
    changed["extension_automatic"] = ~creates & pl.col("automatic").ne_missing(pl.col(f"automatic{WAS}"))
    for field in SECRET_FIELDS:
        print_ = pl.col(f"{field}_fingerprint")
        changed[field] = (print_ != "") & print_.ne_missing(pl.col(f"{field}_fingerprint{WAS}"))
    for prefix in phonebook_prefixes(rows.columns):
        wanted, was = pl.col(prefix), pl.col(f"{prefix}{WAS}").fill_null(False)
        changed[prefix] = ~creates & (wanted.is_not_null() & (wanted != was)).fill_null(False)
    changed["enabled"], changed["missing_since"] = ~creates & _enabled_again(), ~creates & back_again()
    changed["profile"] = ~creates & pl.col(f"profile{WAS}").ne_missing(profile)
    return changed


def _both_sides(rows: pl.DataFrame, profile: str) -> Sides:
    """Each field's existing and wanted value as JSON."""
    null, removed = pl.lit("null"), _removed_entries(rows)
    are_new = rows["action"].is_in(["create"]).all()
    flags = {
        "extension_automatic": (json_flag(pl.col(f"automatic{WAS}")), json_flag(pl.col("automatic"))),
        "enabled": (json_flag(pl.lit(False)), json_flag(pl.lit(True))),
    }
    for field in SECRET_FIELDS:
        flags[field] = json_secret(pl.col(f"has_{field}{WAS}")), json_secret(pl.lit(True))
    for prefix in phonebook_prefixes(rows.columns):
        flags[prefix] = json_flag(pl.col(f"{prefix}{WAS}").fill_null(False)), json_flag(pl.col(prefix))
    ends = {"missing_since": null, "profile": pl.lit(json.dumps(profile))}

    def sides(name: str) -> tuple[pl.Expr, pl.Expr]:
        if name in flags:
            return flags[name]
        was = null if are_new else _as_json(rows, name, f"{name}{WAS}")
        if name in ends:
            return was, ends[name]
        wanted = _as_json(rows, name, "number" if name == "extension" else name)
        gone = removed.get(name.rpartition(".")[0])
        return was, wanted if gone is None else pl.when(gone).then(null).otherwise(wanted)

    return sides


def _removed_entries(rows: pl.DataFrame) -> dict[str, pl.Expr]:
    """The phonebook entries that somebody loses: by prefix, whether a row does."""
    removed = {
        prefix: ~pl.col(prefix).fill_null(True) & pl.col(f"{prefix}{WAS}").fill_null(False)
        for prefix in phonebook_prefixes(rows.columns)
    }
    found = rows.select(condition.any().alias(prefix) for prefix, condition in removed.items())
    return {prefix: condition for prefix, condition in removed.items() if found[prefix].any()}


def _as_json(rows: pl.DataFrame, field: str, column: str) -> pl.Expr:
    return json_roles(rows, column) if field == "roles" else json_text(rows, column)


def existing_fields_json(frame: pl.DataFrame) -> pl.Series:
    """What a removal takes away: every field that has a value, as [existing, null].

    Shape: `frame` has the columns of a snapshot's users.
    """
    null = pl.lit("null")
    entries = phonebook_prefixes(frame.columns)
    differs = {
        **{name: pl.col(name).fill_null("") != "" for name in text_fields(frame.columns)},
        **{prefix: pl.col(prefix).fill_null(False) for prefix in entries},
        "extension": pl.col("extension").is_not_null(),
        "extension_automatic": pl.col("automatic").fill_null(False),
        "enabled": ~pl.col("enabled"),
        "missing_since": pl.col("missing_since").is_not_null(),
        "was_enabled": ~pl.col("was_enabled"),
        **{field: pl.col(f"has_{field}") for field in SECRET_FIELDS},
    }

    def sides(name: str) -> tuple[pl.Expr, pl.Expr]:
        if name in SECRET_FIELDS:
            return json_secret(pl.lit(True)), null
        if name in {*entries, "enabled", "was_enabled"}:
            return json_flag(pl.col(name)), null
        return json_flag(pl.col("automatic")) if name == "extension_automatic" else _as_json(frame, name, name), null

    return fields_json(frame, differs, sides)
