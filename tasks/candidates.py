"""Candidates: the rendered modules as one wide row a person, before any rule is applied.

Cells are trimmed here, secrets excepted. A field whose CSV columns are all absent is only taken where it has a value
of its own, so that it is neither judged nor cleared.
"""

from typing import Final

import polars as pl

from tasks.login import LOGIN_KEY, cleaned_login
from tasks.output import LINE, ROW, Modules
from tasks.profile import Profile
from tasks.user import (
    IDENTITY_FIELDS,
    NAMES_OF_THE_ROLE_OF_EVERYONE,
    PHONEBOOK_FIELDS,
    ROLE_SEPARATOR,
    Field,
)

IDENTITY: Final = "#identity"
LABELS: Final = PHONEBOOK_FIELDS[-1]
LABEL_KEYS: Final = ("phonebooklabel.050lab_bez", "phonebooklabel.028050pholab_value")


def candidates_of(modules: Modules, untouched: tuple[str, ...], profile: Profile) -> pl.DataFrame:
    """One row an identity object.

    Shape: `#row`, `#line`, `#identity`, `raw_login`, `login` (cleaned), every field (null = stays as it is),
    `phonebook` and further entries as in `Records`.
    """
    wide = _candidates(modules, untouched, profile)
    if profile.empty_cells == "clear":
        return wide
    texts = [name for name, field in judged_fields(wide) if not field.secret and name != "extension"]
    return wide.with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in (*texts, "roles"))


def untouched_fields_of(modules: Modules, entries: str = "phonebook") -> tuple[str, ...]:
    """The fields that stay as they are on update, since all their CSV columns are absent (decision 14).

    `entries` is the module that the fields of a phonebook entry are read from: `phonebook` or `contact`. Where absent
    columns decide whether there is an entry at all, `phonebook` is among them, for it and all of its fields.
    """
    by_key = {f"{field.module}.{field.key}": field.name for field in IDENTITY_FIELDS}
    by_key |= {f"{entries}.{field.key}": field.name for field in PHONEBOOK_FIELDS}
    by_key["identity.user_roles"] = "roles"
    by_key |= dict.fromkeys((*LABEL_KEYS, "phonebooklabel"), LABELS.name) | {"phonebook": "phonebook"}
    return tuple(dict.fromkeys(by_key[name] for name in modules.untouched if name in by_key))


def judged_fields(candidates: pl.DataFrame) -> list[tuple[str, Field]]:
    """The fields to judge as (column of the frame, field), phonebook entries beyond the first included."""
    by_column = {field.column: field for field in PHONEBOOK_FIELDS}
    further = [(name, by_column[name.rpartition(".")[2]]) for name in candidates.columns if name.count(".") == 2]
    return [(field.name, field) for field in (*IDENTITY_FIELDS, *PHONEBOOK_FIELDS)] + further


def _candidates(modules: Modules, untouched: tuple[str, ...], profile: Profile) -> pl.DataFrame:
    identity = modules.frames.get("identity", pl.DataFrame(schema={ROW: pl.Int64, LINE: pl.Int64, IDENTITY: pl.Int64}))
    columns = set(identity.columns)
    raw_login = pl.col(LOGIN_KEY) if LOGIN_KEY in columns else pl.lit("")
    base = identity.select(
        ROW,
        LINE,
        IDENTITY,
        raw_login.alias("raw_login"),
        cleaned_login(raw_login, profile.login_cleanup).alias("login"),
        *(cell(field, field.name, untouched) for field in IDENTITY_FIELDS if field.key in columns),
        *([_roles().alias("roles")] if "user_roles" in columns else []),
    )
    missing = [field.name for field in IDENTITY_FIELDS if field.key not in columns] + (
        [] if "user_roles" in columns else ["roles"]
    )
    base = base.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)
    return _with_phonebook(base, modules, untouched)


def _with_phonebook(base: pl.DataFrame, modules: Modules, untouched: tuple[str, ...]) -> pl.DataFrame:
    entries = modules.frames.get("phonebook")
    if entries is None:
        nothing = (pl.lit(None, dtype=pl.String).alias(field.name) for field in PHONEBOOK_FIELDS)
        return base.with_columns(*nothing, phonebook=pl.lit(None, dtype=pl.Boolean))
    entries = with_labels(entries, modules.frames.get("phonebooklabel"))
    positions = sorted({0, *entries["#index"].unique().to_list()})
    for index in positions:
        prefix = "phonebook" if index == 0 else f"phonebook.{index + 1}"
        part = entries.filter(pl.col("#index") == index).select(
            ROW,
            IDENTITY,
            pl.lit(True).alias(prefix),
            *(
                cell(field, f"{prefix}.{field.column}", untouched)
                if field.key in entries.columns
                else pl.lit(None, dtype=pl.String).alias(f"{prefix}.{field.column}")
                for field in PHONEBOOK_FIELDS
            ),
        )
        base = base.join(part, on=[ROW, IDENTITY], how="left", maintain_order="left").with_columns(
            pl.col(prefix).fill_null(False)
        )
    return base


def with_labels(entries: pl.DataFrame, labels: pl.DataFrame | None) -> pl.DataFrame:
    """Entries with the labels of each as one JSON text, sorted by name; no column where the Structure has no labels."""
    if labels is None:
        return entries
    absent = pl.lit(None, dtype=pl.String)
    named = labels.select(
        ROW,
        IDENTITY,
        pl.col("#parent").alias("#index"),
        name=(pl.col("050lab_bez") if "050lab_bez" in labels.columns else absent).str.strip_chars(),
        value=(pl.col("028050pholab_value") if "028050pholab_value" in labels.columns else absent).fill_null(""),
    ).filter(pl.col("name") != "")
    one = pl.struct("name", "value").struct.json_encode()
    joined = (
        named.sort("name", "value")
        .group_by(ROW, IDENTITY, "#index", maintain_order=True)
        .agg(**{"#labels": pl.concat_str(pl.lit("["), one.str.join(","), pl.lit("]"))})
    )
    whole = entries.join(joined, on=[ROW, IDENTITY, "#index"], how="left", nulls_equal=True, maintain_order="left")
    return whole.with_columns(pl.col("#labels").fill_null(""))


def cell(field: Field, name: str, untouched: tuple[str, ...]) -> pl.Expr:
    """The field's text: trimmed unless it is a secret; an untouched field is only judged where it has a value."""
    if field is LABELS and field.name in untouched:
        # Beside a constant name, an absent column would print a label without a value.
        return pl.lit(None, dtype=pl.String).alias(name)
    cell = pl.col(field.key) if field.secret else pl.col(field.key).str.strip_chars()
    return (pl.when(cell != "").then(cell) if field.name in untouched else cell).alias(name)


def _roles() -> pl.Expr:
    """Decision 19: each item is split at `;`, `,` and `|`; the role of everyone is left out; sorted and joined."""
    everyone = sorted(NAMES_OF_THE_ROLE_OF_EVERYONE)
    items = (
        pl.col("user_roles")
        .list.join(";", ignore_nulls=True)
        .str.replace_all(r"[,|]", ";")
        # One of the file's own becomes another control character, so that it is refused like these.
        .str.replace_all(ROLE_SEPARATOR, "\x1f", literal=True)
        .str.split(";")
        .list.eval(pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != ""))
        .list.eval(pl.element().filter(~pl.element().str.to_lowercase().is_in(everyone)))
        .list.eval(pl.element().filter(pl.element().str.to_lowercase().is_first_distinct()))
    )
    return items.list.eval(pl.element().sort_by(pl.element().str.to_lowercase())).list.join(ROLE_SEPARATOR)
