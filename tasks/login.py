"""The login: the key by which a record is recognised, cleaned the way the phone system cleans it.

Decision 15: NFC first, lower case, then `[a-z0-9._-]` is kept and the rest removed with a warning.
"""

from typing import Final, Literal, TypeAlias

import polars as pl

from tasks.user import RESERVED_LOGINS

LOGIN_KEY: Final = "003use_name"
Cleanup: TypeAlias = Literal["strip", "transliterate", "reject"]
_SPELLED_OUT: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa", "œ": "oe", "ł": "l"}


def cleaned_login(raw: pl.Expr, cleanup: Cleanup) -> pl.Expr:
    """The login as the phone system stores it; an empty text where nothing of it may stay.

    `transliterate` writes ä as ae and é as e before the rest is removed.
    """
    text = raw.fill_null("").str.strip_chars().str.normalize("NFC").str.to_lowercase()
    if cleanup == "transliterate":
        text = text.str.replace_many(_SPELLED_OUT).str.normalize("NFKD")
    return text.str.replace_all(r"[^a-z0-9._-]", "")


def without(frame: pl.DataFrame, logins: pl.DataFrame) -> pl.DataFrame:
    """The rows of everybody else, in their order. Nearly always there is nobody to leave out, which costs nothing."""
    if logins.is_empty():
        return frame
    return frame.join(logins, on="login", how="anti", maintain_order="left")


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
