"""The modules of the phone system that a Structure can fill, and their fields.

A module is named in the Structure by a key (`ipdevice.mdsoftphone`) and in frames by one plain word (`softphone`).
What the phone system names itself is known here and ignored: no warning, no column.

Source: phone-system.md section 3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

POST: Final = "post"
"""The key that holds children: made after their parent and bound to it."""

LIST_FIELDS: Final = frozenset({"user_roles"})
"""Fields that hold a list of texts; all others hold one text."""


@dataclass(frozen=True)
class Module:
    """One kind of record: its name in frames, the keys that name it in a Structure, the owner it is bound to."""

    name: str
    keys: tuple[str, ...]
    fields: tuple[str, ...]
    owners: tuple[str, ...]
    ignored: frozenset[str] = frozenset()


_ROOT: Final = ""
_PHONEBOOK_FIELDS: Final = tuple(
    f"028pho_{name}"
    for name in (
        "bez",
        "phone",
        "firstname",
        "lastname",
        "organisation",
        "email",
        "mobile",
        "homephone",
        "fax",
        "notes",
    )
)
_IDENTITY_FIELDS: Final = (
    "003use_name",
    "003use_bez",
    "003use_pw",
    "003use_auth_method",
    "011acc_pin",
    "009ext_extension",
    "016voi_email",
    "user_roles",
)
_IP_PHONE_FIELDS: Final = (
    "071ipp_mac",
    "071ipp_ip",
    "071ipp_user",
    "071ipp_pw",
    "inttimeout",
    "intdelay",
    "exttimeout",
    "extdelay",
    "quetimeout",
    "quedelay",
)
_AUTOMATIC_NAME: Final = frozenset({"010dev_bez"})
_SOFTPHONE_KEYS: Final = ("ipdevice.mdsoftphone", "ipphone.mdsoftphone")
_LABEL_OWNERS: Final = ("phonebook", "contact", "identity", _ROOT)

MODULES: Final = (
    Module("identity", ("identity",), _IDENTITY_FIELDS, (_ROOT,)),
    Module("phonebook", ("phonebook",), _PHONEBOOK_FIELDS, ("identity",)),
    Module("contact", ("phonebook",), _PHONEBOOK_FIELDS, (_ROOT,)),
    Module("phonebooklabel", ("phonebook.phonebooklabel",), ("050lab_bez", "028050pholab_value"), _LABEL_OWNERS),
    Module("ipphone", ("ipphone",), _IP_PHONE_FIELDS, ("identity", _ROOT), _AUTOMATIC_NAME),
    Module("softphone", _SOFTPHONE_KEYS, (), ("identity", _ROOT), _AUTOMATIC_NAME),
    Module("external", ("externals",), ("number",), ("identity", _ROOT), _AUTOMATIC_NAME),
)

BY_NAME: Final = {module.name: module for module in MODULES}


def find_module(key: str, owner: Module | None) -> Module | None:
    """The module that a key names inside `owner` (None: the top level); None where there is none."""
    place = owner.name if owner else _ROOT
    return next((module for module in MODULES if key in module.keys and place in module.owners), None)


def module_keys(owner: Module | None) -> list[str]:
    """The keys that name a module inside `owner`."""
    place = owner.name if owner else _ROOT
    return [key for module in MODULES if place in module.owners for key in module.keys]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant; None where nothing is near."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[found[0]] if found else None
