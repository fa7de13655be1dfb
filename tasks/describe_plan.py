"""The plan as a person sees it in Prefect's UI: who, what, which field from what to what; which phone goes where.

Reconcile shows the changes of people, assign-phones, which makes the plan final, those of phones. Values are shown of
harmless fields only; of all others a person sees that they change.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from tasks.harmless import harmless_fields
from tasks.plan import Plan
from tasks.preview import Cell, Preview, shown_cell
from tasks.profile import Profile
from tasks.user import MASK

CHANGES_SHOWN: Final = 500
_PHONE_KINDS: Final = {"softphone": "softphone", "mobile": "mobile phone"}


def preview_of_plan(plan: Plan, profile: Profile | None) -> Preview:
    """The plan's counts and one table: of phones, once they are part of it, before that of people."""
    outcomes = {name: count for name, count in plan.summary.items() if count and not name.startswith("phones_")}
    harmless = harmless_fields(profile, plan.facts.header)
    is_final = bool(plan.checksum)
    phones = dict(plan.phones.group_by("action").len().sort("action").iter_rows()) if is_final else {}
    facts: dict[str, str | int] = outcomes | {f"phones to {action}": count for action, count in phones.items()}
    changes = plan.phones if is_final else plan.told
    rows = _phone_rows(plan, harmless) if is_final else _change_rows(plan, harmless)
    if is_final:
        facts |= {"checksum": plan.checksum}
    return Preview("Plan", facts, rows if harmless else (), _text(plan, changes.height), outcomes=outcomes)


def tables_of_plan(plan: Plan, profile: Profile) -> tuple[list[dict[str, Cell]], list[dict[str, Cell]]]:
    """Who changes how, and which phone goes where, as far as the profile lets it be seen."""
    harmless = harmless_fields(profile, plan.facts.header)
    return (_change_rows(plan, harmless), _phone_rows(plan, harmless)) if harmless else ([], [])


def _text(plan: Plan, changes: int) -> str:
    parts = [f"**Held.** {plan.held}"] if plan.held else []
    if changes > CHANGES_SHOWN:
        parts.append(f"The first {CHANGES_SHOWN} of {changes} changes; `rollcall show RUN` lists all.")
    return "\n\n".join(parts)


def _change_rows(plan: Plan, harmless: frozenset[str]) -> list[dict[str, Cell]]:
    contacts = frozenset(name.removeprefix("contact.") for name in harmless if name.startswith("contact."))
    rows: list[dict[str, Cell]] = []
    for action, login, contact, row, fields in plan.told.head(CHANGES_SHOWN).iter_rows():
        if contact is None:
            who, shown = login if "login" in harmless else MASK, harmless
        else:
            who, shown = f"contact {contact}" if "display_name" in contacts else MASK, contacts
        changes = "; ".join(_sentences(json.loads(fields), shown))
        rows.append({"action": action, "login": who, "row": row, "changes": changes})
    return rows


def _sentences(fields: dict[str, list[Any]], harmless: frozenset[str]) -> Iterator[str]:
    """Each changed field: `extension 345`, `email a@b → c@d`, `password •••`."""
    for field, (existing, wanted) in fields.items():
        if _field_of_any_entry(field) not in harmless:
            yield f"{field} {MASK}"
        else:
            yield f"{field} {_value(wanted)}" if existing is None else f"{field} {_value(existing)} → {_value(wanted)}"


def _field_of_any_entry(field: str) -> str:
    """The field's name without the number of a further phonebook entry."""
    module, _, rest = field.partition(".")
    number, _, column = rest.partition(".")
    return f"{module}.{column}" if number.isdecimal() and column else field


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(shown_cell(value)) if value not in (None, "", []) else "–"


def _phone_rows(plan: Plan, harmless: frozenset[str]) -> list[dict[str, Cell]]:
    logins = "login" in harmless
    rows: list[dict[str, Cell]] = []
    for phone in plan.phones.select("action", "login", "kind", "mac", "before").head(CHANGES_SHOWN).to_dicts():
        mac = phone["mac"] if "mac" in harmless else MASK
        after = None if phone["action"] == "release" else phone["login"]
        rows.append(
            {
                "action": phone["action"],
                "login": phone["login"] if logins else MASK,
                "phone": _PHONE_KINDS.get(phone["kind"], mac),
                "before": phone["before"] if logins or phone["before"] is None else MASK,
                "after": after if logins or after is None else MASK,
            }
        )
    return rows
