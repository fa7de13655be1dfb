"""Secrets that no byte may hold once an import is over, imports that carry them, and crashes that try to tell them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import flows.order as order
from tasks.step import Step

CANARY = "CANARY-Kennwort-77"
PIN = "90817263"
SECRETS = (CANARY, PIN)

PROFILE_CHANGES = {'return $row["password"];': 'return $row["Kennwort"];'}
"""The template's profile with the password in a column that does not look like one."""

STEPS: dict[str, Step[..., Any]] = {
    step.name: step
    for step in (
        *(order.fetch, order.decode, order.parse, order.prefilter, order.map_variables),
        *(order.render_structure, order.validate, order.reconcile, order.assign_phones, order.apply),
    )
}

_HEADER = "displayname,username,Kennwort,pin,phone,phonemac,phonepass\n"
_GOOD = f"Max Muster,mmuster,{CANARY},{PIN},345,000413a3016f,{CANARY}-phone\n"
_REJECTED = f"Erika,erika,{CANARY}-2,{PIN},012,,\n"
_MALFORMED = f"Too,many,{CANARY}-3,{PIN},,,,,,{CANARY}\n"


def write_csv(folder: Path, *, with_bad_rows: bool = False, with_header: bool = True) -> Path:
    """A file of users with secrets; with rows that validate or parse sets aside, or with no header, where wanted."""
    file = folder / "staff.csv"
    header, bad = _HEADER if with_header else "", _REJECTED + _MALFORMED if with_bad_rows else ""
    file.write_text(header + _GOOD + bad, "utf-8")
    return file


def crashing(function: Callable[..., Any], error: Callable[[str], BaseException] = ValueError) -> Callable[..., Any]:
    """The function, which crashes when its work is done and quotes all that it was given and made."""

    def crash(*arguments: Any, **named: Any) -> NoReturn:
        made = function(*arguments, **named)
        raise error(f"cannot keep {CANARY}, pin {PIN}: {arguments!r} {named!r} {made!r}")

    crash.__name__, crash.__qualname__ = function.__name__, function.__qualname__
    return crash
