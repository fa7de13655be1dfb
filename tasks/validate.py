"""Validate: which records the phone system can take, and what is wrong with every other.

Rules run over whole columns (pydantic, one TypeAdapter a column), so that all broken rules of a row are reported at
once and a million rows cost seconds. A field whose CSV columns are all absent is not judged: it stays as it is.
"""

from typing import Final

import polars as pl
from pydantic import ValidationError

from tasks.issue import ISSUE_SCHEMA, issues_of_rows
from tasks.keyring import Keyring
from tasks.login import LOGIN_KEY, cleaned_login, login_fault
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import ASIDE_SCHEMA, LINE, ROW, Modules
from tasks.phone_rules import fingerprints, wanted_phones
from tasks.profile import Profile
from tasks.records import Records
from tasks.step import step
from tasks.user import (
    EMERGENCY_NUMBERS,
    IDENTITY_FIELDS,
    NAMES_OF_THE_ROLE_OF_EVERYONE,
    PHONEBOOK_FIELDS,
    RESERVED_LOGINS,
    SECRET_FIELDS,
    Field,
)

IDENTITY: Final = "#identity"
_SHOWN_CHARACTERS: Final = 40


def validate_modules(modules: Modules, profile: Profile, keyring: Keyring) -> Records:
    """The records that pass every rule.

    Shape: one user an identity object in; each comes out in `users`, or in `aside` as rejected with its issues.
    """
    columns = columns_behind_fields(modules, profile)
    untouched = _untouched(modules)
    candidates = _candidates(modules, untouched)
    fields = _fields_of(candidates)
    issues = [_login_issues(candidates, columns), *_twice(candidates, columns)]
    issues += [_broken_rules(candidates, field, columns) for field in fields]
    found = (
        pl.concat(issues).unique(subset=["row", "column", "code"], maintain_order=True).sort("row", maintain_order=True)
    )
    rejected = found.filter(pl.col("severity") == "error").select(pl.col("row").alias(ROW)).unique()
    kept = candidates.join(rejected, on=ROW, how="anti", maintain_order="left")
    phones = wanted_phones(modules, kept.select(ROW, IDENTITY, "login"), keyring, columns)
    return Records(
        users=_with_fingerprints(kept, keyring).drop(IDENTITY, "raw_login"),
        phones=phones.frame,
        facts=modules.facts,
        untouched=untouched,
        device_kinds=phones.kinds,
        columns=columns,
        issues=pl.concat([modules.issues, found, phones.issues]),
        aside=pl.concat([modules.aside, _aside(candidates.join(rejected, on=ROW, how="semi"))]),
    )


def columns_behind_fields(modules: Modules, profile: Profile) -> dict[str, str]:
    """The one CSV column or variable that each field ("module.field") prints, or else the field's own key."""
    mapping = mapping_of(profile)
    names = Names((*mapping.variables, *modules.facts.header))
    constants = {name for name, variable in mapping.variables.items() if variable.constant}
    found: dict[str, str] = {}
    for field, read in mapping.structure.printed_reads.items():
        behind = sorted({names.find(name) or name for name in read - constants})
        found[field] = behind[0] if len(behind) == 1 else field.rpartition(".")[2]
    return found


def _candidates(modules: Modules, untouched: tuple[str, ...]) -> pl.DataFrame:
    identity = modules.frames["identity"]
    columns = set(identity.columns)
    raw_login = pl.col(LOGIN_KEY) if LOGIN_KEY in columns else pl.lit("")
    base = identity.select(
        ROW,
        LINE,
        IDENTITY,
        raw_login.alias("raw_login"),
        cleaned_login(raw_login).alias("login"),
        *(_cell(field, field.name, untouched) for field in IDENTITY_FIELDS if field.key in columns),
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
    entries = _with_labels(entries, modules.frames.get("phonebooklabel"))
    positions = sorted({0, *entries["#index"].unique().to_list()})
    for index in positions:
        prefix = "phonebook" if index == 0 else f"phonebook.{index + 1}"
        part = entries.filter(pl.col("#index") == index).select(
            ROW,
            IDENTITY,
            pl.lit(True).alias(prefix),
            *(
                _cell(field, f"{prefix}.{field.column}", untouched)
                if field.key in entries.columns
                else pl.lit(None, dtype=pl.String).alias(f"{prefix}.{field.column}")
                for field in PHONEBOOK_FIELDS
            ),
        )
        base = base.join(part, on=[ROW, IDENTITY], how="left", maintain_order="left").with_columns(
            pl.col(prefix).fill_null(False)
        )
    return base


def _with_labels(entries: pl.DataFrame, labels: pl.DataFrame | None) -> pl.DataFrame:
    """The labels of each entry as one JSON text, sorted by name; no column where the Structure has no labels."""
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
    return entries.join(joined, on=[ROW, IDENTITY, "#index"], how="left", maintain_order="left").with_columns(
        pl.col("#labels").fill_null("")
    )


def _cell(field: Field, name: str, untouched: tuple[str, ...]) -> pl.Expr:
    """The field's text: trimmed unless it is a secret; an untouched field is only judged where it has a value."""
    cell = pl.col(field.key) if field.secret else pl.col(field.key).str.strip_chars()
    return (pl.when(cell != "").then(cell) if field.name in untouched else cell).alias(name)


def _roles() -> pl.Expr:
    """Decision 19: each item is split at `;`, `,` and `|`; the role of everyone is left out; sorted, joined by `;`."""
    everyone = sorted(NAMES_OF_THE_ROLE_OF_EVERYONE)
    items = (
        pl.col("user_roles")
        .list.join(";", ignore_nulls=True)
        .str.replace_all(r"[,|]", ";")
        .str.split(";")
        .list.eval(pl.element().str.strip_chars().filter(pl.element().str.strip_chars() != ""))
        .list.eval(pl.element().filter(~pl.element().str.to_lowercase().is_in(everyone)))
        .list.eval(pl.element().filter(pl.element().str.to_lowercase().is_first_distinct()))
    )
    return items.list.eval(pl.element().sort_by(pl.element().str.to_lowercase())).list.join(";")


def _untouched(modules: Modules) -> tuple[str, ...]:
    by_key = {f"{field.module}.{field.key}": field.name for field in (*IDENTITY_FIELDS, *PHONEBOOK_FIELDS)}
    by_key["identity.user_roles"] = "roles"
    return tuple(by_key[name] for name in modules.untouched if name in by_key)


def _fields_of(candidates: pl.DataFrame) -> list[tuple[str, Field]]:
    """The fields to judge as (column of the frame, field), phonebook entries beyond the first included."""
    by_column = {field.column: field for field in PHONEBOOK_FIELDS}
    further = [(name, by_column[name.rpartition(".")[2]]) for name in candidates.columns if name.count(".") == 2]
    return [(field.name, field) for field in (*IDENTITY_FIELDS, *PHONEBOOK_FIELDS)] + further


def _broken_rules(candidates: pl.DataFrame, judged: tuple[str, Field], columns: dict[str, str]) -> pl.DataFrame:
    name, field = judged
    present = candidates.filter(pl.col(name).is_not_null())
    try:
        field.rule.validate_python(present[name].to_list())
    except ValidationError as error:
        positions = sorted({int(problem["loc"][0]) for problem in error.errors(include_url=False, include_input=False)})
    else:
        return pl.DataFrame(schema=ISSUE_SCHEMA)
    column = columns.get(f"{field.module}.{field.key}", field.key)
    found = pl.lit("") if field.secret else pl.format(", found “{}”", _shortened(name))
    message = pl.format("{}{}", pl.lit(f"{column}: expected {field.expected}"), found)
    return issues_of_rows(present[positions], column, field.code, message)


def _login_issues(candidates: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    column = columns.get(f"identity.{LOGIN_KEY}", LOGIN_KEY)
    judged = candidates.with_columns(fault=login_fault(pl.col("raw_login"), pl.col("login")))
    messages = {
        "login-missing": "no login; every row needs one",
        "login-empty-after-cleanup": "no character of the login may stay; use a-z, 0-9, dot, dash and underscore",
        "login-reserved": f"{' and '.join(sorted(RESERVED_LOGINS))} belong to the phone system; use another login",
    }
    faults = [
        issues_of_rows(judged.filter(pl.col("fault") == code), column, code, f"{column}: {text}")
        for code, text in messages.items()
    ]
    cleaned = judged.filter(pl.col("fault").is_null(), pl.col("raw_login").str.strip_chars() != pl.col("login"))
    message = pl.format("{}: “{}” became “{}”", pl.lit(column), _shortened("raw_login"), _shortened("login"))
    return pl.concat([*faults, issues_of_rows(cleaned, column, "login-cleaned", message)])


def _twice(candidates: pl.DataFrame, columns: dict[str, str]) -> list[pl.DataFrame]:
    login_column = columns.get(f"identity.{LOGIN_KEY}", LOGIN_KEY)
    extension_column = columns.get("identity.009ext_extension", "009ext_extension")
    reserved = candidates.filter(pl.col("extension").is_in(EMERGENCY_NUMBERS))
    message = f"{extension_column}: {' and '.join(EMERGENCY_NUMBERS)} are emergency numbers; use another extension"
    return [
        issues_of_value_twice(candidates, "login", login_column, "login-twice"),
        issues_of_value_twice(candidates, "extension", extension_column, "extension-twice"),
        issues_of_rows(reserved, extension_column, "extension-reserved", message),
    ]


def issues_of_value_twice(rows: pl.DataFrame, name: str, column: str, code: str) -> pl.DataFrame:
    """An issue for every row that shares a value with another one; each message names all rows that meet."""
    meeting = rows.filter(pl.col(name) != "").filter(pl.col(name).is_duplicated())
    together = meeting.group_by(name).agg(
        together=pl.col(ROW).cast(pl.String).head(10).str.join(", "), more=pl.len().cast(pl.Int64) - 10
    )
    message = pl.format(
        "{}: “{}” stands in rows {}{}; only one of them can have it",
        pl.lit(column),
        _shortened(name),
        "together",
        pl.when(pl.col("more") > 0).then(pl.format(" and {} more", "more")).otherwise(pl.lit("")),
    )
    named = meeting.join(together, on=name, how="left", maintain_order="left")
    return issues_of_rows(named, column, code, message)


def _with_fingerprints(kept: pl.DataFrame, keyring: Keyring) -> pl.DataFrame:
    return kept.with_columns(
        fingerprints(keyring, kept["login"], field, kept[field]).alias(f"{field}_fingerprint")
        for field in SECRET_FIELDS
    )


def _aside(rejected: pl.DataFrame) -> pl.DataFrame:
    login = pl.when(pl.col("login") != "").then(pl.col("login"))
    return rejected.select(ROW, LINE, outcome=pl.lit("rejected"), login=login).cast(ASIDE_SCHEMA)


def _shortened(name: str) -> pl.Expr:
    text = pl.col(name).fill_null("")
    return (
        pl.when(text.str.len_chars() > _SHOWN_CHARACTERS).then(text.str.head(_SHOWN_CHARACTERS) + "…").otherwise(text)
    )


validate = step("validate", version=1, reads=("structure", "variables"))(validate_modules)
