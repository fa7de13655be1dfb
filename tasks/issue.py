"""What is wrong with a row, as data: every code of the catalogue, and frames of issues.

Bad rows are never exceptions. An issue has a row number, a column, a stable code and a sentence; severity `error`
means that the row, or a part of it, did not get in; `warning` means that all got in, look at it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, NamedTuple

import polars as pl

Severity = Literal["error", "warning"]

ISSUE_SCHEMA: Final = pl.Schema(
    {
        "row": pl.Int64,
        "line": pl.Int64,
        "column": pl.String,
        "code": pl.String,
        "severity": pl.String,
        "message": pl.String,
    }
)


@dataclass(frozen=True)
class Rule:
    """One entry of the catalogue: what a code means and what to do about it."""

    code: str
    severity: Severity
    title: str
    remedy: str


class Issue(NamedTuple):
    """One thing to say about a row, or about the file when `row` is None.

    `message` quotes a cell only where its column can hold no secret.
    """

    row: int | None
    line: int | None
    column: str | None
    code: str
    message: str


def _rules(severity: Severity, *entries: tuple[str, str, str]) -> dict[str, Rule]:
    return {code: Rule(code, severity, title, remedy) for code, title, remedy in entries}


CATALOGUE: Final[dict[str, Rule]] = {
    **_rules(
        "error",
        ("too-many-cells", "The line has more cells than the header", "Put enclosures around cells with delimiters."),
        ("too-few-cells", "The line has fewer cells than the header", "Complete the line."),
        ("stray-enclosure", "An enclosure stands in the middle of a cell", "Double it, or enclose the whole cell."),
        ("enclosure-not-closed", "An enclosure is opened and never closed", "Close it."),
        ("prefilter-failed", "The pre-filter failed in this row", "Mend the snippet or the cell."),
        ("variable-failed", "A variable failed in this row", "Mend the snippet or the cell."),
        ("structure-failed", "The Structure did not render for this row", "Mend the Structure or the cell."),
        ("login-missing", "The row has no login", "Fill in the login."),
        ("login-empty-after-cleanup", "No character of the login may stay", "Use a-z, 0-9, dot, dash, underscore."),
        ("login-reserved", "The login belongs to the phone system itself", "Use another login."),
        ("login-twice", "Two rows meet in one login", "Give each person a login of their own."),
        ("display-name-invalid", "The display name is missing or longer than 80 characters", "Mend the name."),
        ("text-too-long", "A text is longer than 10,000 characters", "Shorten it."),
        ("password-too-short", "The password is too short", "Use a longer password, or leave it empty."),
        ("password-too-simple", "The password misses a class of characters", "Mix letters, digits and signs."),
        ("pin-invalid", "The pin is not 4 digits or more", "Use 4 or more digits, or leave it empty."),
        (
            "extension-invalid",
            "The extension is not a number that can be dialled",
            "Use 2 digits or more, no leading 0.",
        ),
        ("extension-reserved", "The extension is an emergency number", "Use another extension."),
        ("extension-twice", "Two rows want one extension", "Give each person an extension of their own."),
        ("extension-taken", "The extension belongs to somebody else", "Use another extension, or free this one."),
        ("email-invalid", "The e-mail address is none", "Mend the address, or leave it empty."),
        ("role-invalid", "The name of a role holds a control character", "Write the name on one line."),
        ("auth-method-unknown", "The authentication method is unknown", "Use mobydick or EXTERN."),
        ("mac-invalid", "The MAC address is none", "Use 12 hexadecimal digits, with any separators."),
        ("mac-twice", "Two rows want one phone", "Give each person a phone of their own."),
        ("mac-taken", "The phone belongs to another profile", "Release it there first."),
        ("ip-invalid", "The IP address of the phone is none", "Use an IPv4 or IPv6 address."),
        ("follow-me-invalid", "The FollowMe time is not 0 to 999 seconds", "Use whole seconds from 0 to 999."),
        ("mobile-number-missing", "The mobile device has no number", "Fill in the mobile number."),
        ("contact-name-missing", "The contact has no display name", "Fill in the name."),
        ("contact-key-missing", "The row does not tell by what the contact is known", "Fill in the column."),
        ("contact-twice", "Two rows want one contact", "Remove one, or give each a key of its own."),
        ("contact-exists", "The contact exists already and was not made by an import", "Adopt it."),
        ("login-unclean", "The login has characters that no login can have", "Use a-z, 0-9, dot, dash, underscore."),
        ("login-exists", "The user exists already and was not made by an import", "Adopt it, or use another login."),
        ("login-owned-elsewhere", "The user belongs to another profile", "Import it there, or adopt it."),
    ),
    **_rules(
        "warning",
        ("name-matched-without-case", "A name was found only without regard to case", "Write it as in the header."),
        ("column-absent", "The file has no such column", "Add the column, or take the name out of the profile."),
        ("column-name-empty", "A column of the header has no name", "Name it; it is numbered for now."),
        ("column-name-twice", "A column name stands twice in the header", "Rename it; it is numbered for now."),
        (
            "column-name-reserved",
            "A column name is reserved: # at its start, *, ^…$",
            "Rename it; it is renamed for now.",
        ),
        ("encoding-ambiguous", "More than one encoding fits the file", "State the encoding in the profile."),
        (
            "delimiter-trailing",
            "Each record ends in a delimiter, the header does not",
            "Check that no cell is shifted.",
        ),
        (
            "rows-swallowed",
            "A cell holds lines that look like rows",
            "Remove or double the stray enclosures around them.",
        ),
        ("line-separator-other", "The file has other line ends than the profile states", "Use line_separator: auto."),
        ("tls-not-verified", "The server's certificate is not checked", "Name the CA file in the profile."),
        ("login-cleaned", "The login was cleaned", "Write the login in lower case without special letters."),
        ("typographic-quotes", "Typographic quotes were read as straight ones", "Write straight quotes."),
        ("key-twice", "A key stands twice in one object of the Structure; the last wins", "Remove one."),
        ("module-unknown", "The Structure names a module that does not exist", "Use the nearest name, or remove it."),
        ("field-unknown", "The Structure names a field that does not exist", "Use the nearest name, or remove it."),
        ("extension-moved", "An extension moves from one person to another", "Check that it is meant."),
        ("login-exists-skipped", "The user exists already and is left alone", "Use on_existing: adopt to import it."),
        ("contact-exists-skipped", "The contact exists already and is left alone", "Use on_existing: adopt."),
        (
            "contact-unknown-no-removal",
            "A contact could not be recognised, so no contact is removed",
            "Mend the rows named above.",
        ),
        ("column-gone", "A column of the last applied file is gone", "Check the export."),
        ("undo-kept", "Something was changed since and stays as it is", "Change it by hand, if it should go back."),
        ("undo-other-number", "The extension was taken since; the next free one is used", "Tell the person."),
        (
            "undo-phone-kept",
            "A phone was changed or given away since, and stays",
            "Assign or set it by hand, if needed.",
        ),
        ("role-created", "A role did not exist and is created", "Check its spelling."),
        ("phone-moved-from-hand", "A phone that was assigned by hand moves", "Check that it is meant."),
        ("login-unknown-no-removal", "A login could not be read, so nothing is removed", "Mend the rows named above."),
    ),
}


@cache
def no_issues() -> pl.DataFrame:
    """The empty frame of issues."""
    return pl.DataFrame(schema=ISSUE_SCHEMA)


def issue_frame(issues: Iterable[Issue]) -> pl.DataFrame:
    """A frame of issues from single ones; the severity comes from the catalogue.

    Raises: KeyError for a code that the catalogue does not know.
    """
    rows = [(i.row, i.line, i.column, i.code, CATALOGUE[i.code].severity, i.message) for i in issues]
    return pl.DataFrame(rows, schema=ISSUE_SCHEMA, orient="row")


def issues_of_rows(rows: pl.DataFrame, column: str | None, code: str, message: str | pl.Expr) -> pl.DataFrame:
    """One issue a row of `rows` (which has `#row` and `#line`), without a Python call a row."""
    if rows.is_empty():
        return no_issues()
    return rows.select(
        row=pl.col("#row"),
        line=pl.col("#line"),
        column=pl.lit(column, dtype=pl.String),
        code=pl.lit(code),
        severity=pl.lit(CATALOGUE[code].severity),
        message=pl.lit(message) if isinstance(message, str) else message,
    )
