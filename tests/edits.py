"""What people change in a phone system behind Rollcall's back."""

from typing import Any

import sqlalchemy as sa

from tasks.store.tables import devices, extensions, phonebook, users, voicemail_boxes

EDITS = (
    "create",
    "remove",
    "rename",
    "readdress",
    "note",
    "password",
    "entry",
    "number",
    "no number",
    "fax",
    "phone",
    "free phone",
    "softphones",
    "contact",
    "rename contacts",
)


def edits(login: str, what: str, number: str, sealed_password: bytes) -> list[Any]:
    """The statements of one edit; whoever is not there is not edited, a number in use is not given out again."""
    person = sa.select(users.c.id).where(users.c.login == login)
    match what:
        case "create":
            row = sa.select(sa.literal(login), sa.literal("By hand")).where(~sa.exists(person))
            made = sa.insert(users).from_select(["login", "display_name"], row)
            return [made, _numbered(login, number)]
        case "remove":
            return [sa.delete(users).where(users.c.login == login)]
        case "rename":
            return [sa.update(users).where(users.c.login == login).values(display_name="By hand")]
        case "readdress":
            mine = voicemail_boxes.c.user_id.in_(person)
            return [sa.update(voicemail_boxes).where(mine).values(email="hand@example.org")]
        case "note":
            return [sa.update(phonebook).where(phonebook.c.user_id.in_(person)).values(notes="by hand")]
        case "password":
            return [sa.update(users).where(users.c.login == login).values(password=sealed_password)]
        case "entry":
            return [sa.delete(phonebook).where(phonebook.c.user_id.in_(person))]
        case _:
            return _of_numbers_and_phones(login, what, number)


def _of_numbers_and_phones(login: str, what: str, number: str) -> list[Any]:
    person = sa.select(users.c.id).where(users.c.login == login)
    unnumbered = sa.delete(extensions).where(extensions.c.user_id.in_(person))
    match what:
        case "number":
            return [unnumbered, _numbered(login, number)]
        case "no number":
            return [unnumbered]
        case "fax":
            free = sa.select(sa.literal(number), sa.literal("fax")).where(~_in_use(number))
            return [sa.insert(extensions).from_select(["number", "kind"], free)]
        case "contact":
            return [sa.insert(phonebook).values(display_name="Bank", phone="11")]
        case "rename contacts":
            return [sa.update(phonebook).where(phonebook.c.user_id.is_(None)).values(display_name="By hand")]
        case "phone":
            return [_given(person.scalar_subquery())]
        case "free phone":
            return [_given(sa.null())]
        case _:
            return [sa.delete(devices).where(devices.c.kind == "softphone")]


def _given(user_id: Any) -> Any:
    return sa.update(devices).where(devices.c.mac == "000413a3016f").values(user_id=user_id)


def _numbered(login: str, number: str) -> Any:
    """A number, unless it is in use or the person has one."""
    has_one = sa.exists().where(extensions.c.user_id == users.c.id)
    row = sa.select(sa.literal(number), users.c.id).where(users.c.login == login, ~has_one, ~_in_use(number))
    return sa.insert(extensions).from_select(["number", "user_id"], row)


def _in_use(number: str) -> Any:
    return sa.exists().where(extensions.c.number == number)
