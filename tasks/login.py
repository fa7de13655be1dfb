"""The login: the key by which a record is recognised, cleaned the way the phone system cleans it.

Decision 15: NFC first, lower case, then `[a-z0-9._-]` is kept and the rest removed with a warning.
"""

from typing import Final

import polars as pl

from tasks.user import RESERVED_LOGINS

LOGIN_KEY: Final = "003use_name"


def cleaned_login(raw: pl.Expr) -> pl.Expr:
    """The login as the phone system stores it; an empty text where nothing of it may stay."""
    return (
        raw.fill_null("").str.strip_chars().str.normalize("NFC").str.to_lowercase().str.replace_all(r"[^a-z0-9._-]", "")
    )


def login_fault(raw: pl.Expr, login: pl.Expr) -> pl.Expr:
    """The code of what is wrong with a login, null where nothing is."""
    return (
        pl.when(raw.fill_null("").str.strip_chars() == "")
        .then(pl.lit("login-missing"))
        .when(login == "")
        .then(pl.lit("login-empty-after-cleanup"))
        .when(login.is_in(sorted(RESERVED_LOGINS)))
        .then(pl.lit("login-reserved"))
    )
