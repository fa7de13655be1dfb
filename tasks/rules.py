"""The rules that a record must pass, each a named code of the catalogue, over whole columns.

pydantic judges every field with one TypeAdapter a column; what is about more than one value (a login twice, a policy
of several parts) is a polars expression. All broken rules of a row are reported at once.
"""

from typing import Final

import polars as pl
from pydantic import ValidationError

from tasks.candidates import judged_fields
from tasks.issue import issues_of_rows, no_issues
from tasks.login import LOGIN_KEY, login_fault
from tasks.output import ROW
from tasks.profile import PasswordPolicy, Profile
from tasks.user import EMERGENCY_NUMBERS, RESERVED_LOGINS, ROLE_SEPARATOR, Field

_SHOWN_CHARACTERS: Final = 40
_CLASSES: Final = (r"\p{Ll}", r"\p{Lu}", r"\p{Nd}", r"[^\p{L}\p{Nd}]")


def broken_rules(candidates: pl.DataFrame, profile: Profile, columns: dict[str, str]) -> pl.DataFrame:
    """An issue for each rule that a row breaks, by row."""
    found = [
        *_login_issues(candidates, profile, columns),
        *_twice(candidates, columns),
        *_password_issues(candidates, profile.password_policy, columns),
        *_role_issues(candidates, columns),
        *(
            issues_of_field(candidates, name, field, columns.get(f"{field.module}.{field.key}", field.key))[1]
            for name, field in judged_fields(candidates)
        ),
    ]
    issues = pl.concat(found).unique(subset=["row", "column", "code"], maintain_order=True)
    return issues.sort("row", maintain_order=True)


def _password_issues(candidates: pl.DataFrame, policy: PasswordPolicy, columns: dict[str, str]) -> list[pl.DataFrame]:
    column, password = columns.get("identity.003use_pw", "003use_pw"), pl.col("password")
    given = candidates.filter(password.fill_null("") != "")
    classes = pl.sum_horizontal(password.str.contains(pattern).cast(pl.Int8) for pattern in _CLASSES)
    too_short = f"{column}: expected {policy.minimum_length} characters or more"
    too_simple = f"{column}: expected {policy.classes} of lower case, upper case, digits and signs"
    return [
        issues_of_rows(
            given.filter(password.str.len_chars() < policy.minimum_length), column, "password-too-short", too_short
        ),
        issues_of_rows(given.filter(classes < policy.classes), column, "password-too-simple", too_simple),
    ]


def _role_issues(candidates: pl.DataFrame, columns: dict[str, str]) -> list[pl.DataFrame]:
    column = columns.get("identity.user_roles", "user_roles")
    message = f"{column}: expected names of roles without line breaks and other control characters"
    bad = candidates.filter(pl.col("roles").str.contains(rf"[\p{{Cc}}--{ROLE_SEPARATOR}]"))
    return [issues_of_rows(bad, column, "role-invalid", message)]


def issues_of_field(
    candidates: pl.DataFrame, name: str, field: Field, column: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that break the rule of a field (in column `name` of the frame), and an issue for each."""
    nulls = candidates[name].null_count()
    if nulls == candidates.height:
        return candidates.clear(), no_issues()
    present = candidates.filter(pl.col(name).is_not_null()) if nulls else candidates
    try:
        field.rule.validate_python(present[name].to_list())
    except ValidationError as error:
        positions = sorted({int(problem["loc"][0]) for problem in error.errors(include_url=False, include_input=False)})
    else:
        return present.clear(), no_issues()
    found = pl.lit("") if field.secret else pl.format(", found “{}”", shortened(name))
    message = pl.format("{}{}", pl.lit(f"{column}: expected {field.expected}"), found)
    broken = present[positions]
    return broken, issues_of_rows(broken, column, field.code, message)


def _login_issues(candidates: pl.DataFrame, profile: Profile, columns: dict[str, str]) -> list[pl.DataFrame]:
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
    message = pl.format("{}: “{}” became “{}”", pl.lit(column), shortened("raw_login"), shortened("login"))
    if profile.login_cleanup != "reject":
        return [*faults, issues_of_rows(cleaned, column, "login-cleaned", message)]
    unclean = cleaned.filter(pl.col("raw_login").str.strip_chars().str.to_lowercase() != pl.col("login"))
    refused = pl.format(
        "{}: found “{}”, expected only a-z, 0-9, dot, dash, underscore", pl.lit(column), shortened("raw_login")
    )
    return [*faults, issues_of_rows(unclean, column, "login-unclean", refused)]


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


def issues_of_value_twice(
    rows: pl.DataFrame, name: str, column: str, code: str, *, shown: str | None = None
) -> pl.DataFrame:
    """An issue for every row that shares a value with another one; each message names all rows that meet.

    `shown` is the column that the message quotes instead of the value.
    """
    meeting = rows.filter(pl.col(name) != "").filter(pl.col(name).is_duplicated())
    together = meeting.group_by(name).agg(
        together=pl.col(ROW).cast(pl.String).head(10).str.join(", "), more=pl.len().cast(pl.Int64) - 10
    )
    message = pl.format(
        "{}: “{}” stands in rows {}{}; only one of them can have it",
        pl.lit(column),
        shortened(shown or name),
        "together",
        pl.when(pl.col("more") > 0).then(pl.format(" and {} more", "more")).otherwise(pl.lit("")),
    )
    named = meeting.join(together, on=name, how="left", maintain_order="left")
    return issues_of_rows(named, column, code, message)


def shortened(name: str) -> pl.Expr:
    """The text of a column as a message may quote it."""
    text = pl.col(name).fill_null("")
    return (
        pl.when(text.str.len_chars() > _SHOWN_CHARACTERS).then(text.str.head(_SHOWN_CHARACTERS) + "…").otherwise(text)
    )
