"""The user of the phone system: its fields, where the Structure writes them, and the rule of each.

One pydantic type a field is the single place of its rule; `validate` runs it over whole columns, and maps pydantic's
own error types to the codes of the catalogue, so that no Python function is called a cell.
"""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import StringConstraints, TypeAdapter

RESERVED_LOGINS: Final = frozenset({"admin", "mobydick"})
EMERGENCY_NUMBERS: Final = ("110", "112")
ROLE_OF_EVERYONE: Final = "All"
ROLE_SEPARATOR: Final = "\x7f"
"""Between the roles of one person in a frame's cell: a control character, which no role of a file may hold, and the one
that JSON writes as it is. A role that was made by hand may hold a semicolon.
"""
NAMES_OF_THE_ROLE_OF_EVERYONE: Final = frozenset({"all", "all users", "default", "alle"})
MASK: Final = "•••"

DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Pin = Annotated[str, StringConstraints(pattern=r"^([0-9]{4,})?$")]
Extension = Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]+)?$")]
Email = Annotated[str, StringConstraints(pattern=r"^([^\s@,;<>]+@[^\s@,;<>]+)?$", max_length=254)]
AuthMethod = Literal["", "mobydick", "EXTERN"]
Text = Annotated[str, StringConstraints(max_length=10_000)]


@dataclass(frozen=True)
class Field:
    """One field of a user: its name in plans, the module and key that the Structure writes it by, its rule."""

    name: str
    module: str
    key: str
    type: Any = Text
    code: str = "text-too-long"
    expected: str = "10,000 characters at most"
    secret: bool = False

    @property
    def column(self) -> str:
        """The column of its table: the name without the module."""
        return self.name.rpartition(".")[2]

    @property
    def rule(self) -> TypeAdapter[list[Any]]:
        """Validates a whole column at once; an error's `loc[0]` is the position in the list."""
        return _column_of(self.type)


@cache
def _column_of(type_: Any) -> TypeAdapter[list[Any]]:
    column: Any = list[type_]  # pyright: ignore[reportInvalidTypeForm]  (made at run time, from data)
    return TypeAdapter(column)


IDENTITY_FIELDS: Final = (
    Field(
        "display_name", "identity", "003use_bez", DisplayName, "display-name-invalid", "a name of 1 to 80 characters"
    ),
    Field("auth_method", "identity", "003use_auth_method", AuthMethod, "auth-method-unknown", "mobydick or EXTERN"),
    Field("password", "identity", "003use_pw", secret=True),
    Field("pin", "identity", "011acc_pin", Pin, "pin-invalid", "4 digits or more", secret=True),
    Field(
        "extension",
        "identity",
        "009ext_extension",
        Extension,
        "extension-invalid",
        "2 digits or more, no leading 0, no * or #",
    ),
    Field("email", "identity", "016voi_email", Email, "email-invalid", "an address such as name@example.org"),
)

PHONEBOOK_FIELDS: Final = (
    Field("phonebook.display_name", "phonebook", "028pho_bez"),
    Field("phonebook.first_name", "phonebook", "028pho_firstname"),
    Field("phonebook.last_name", "phonebook", "028pho_lastname"),
    Field("phonebook.organisation", "phonebook", "028pho_organisation"),
    Field(
        "phonebook.email", "phonebook", "028pho_email", Email, "email-invalid", "an address such as name@example.org"
    ),
    Field("phonebook.phone", "phonebook", "028pho_phone"),
    Field("phonebook.mobile", "phonebook", "028pho_mobile"),
    Field("phonebook.home_phone", "phonebook", "028pho_homephone"),
    Field("phonebook.fax", "phonebook", "028pho_fax"),
    Field("phonebook.notes", "phonebook", "028pho_notes"),
    Field("phonebook.labels", "phonebook", "#labels"),
)

SECRET_FIELDS: Final = ("password", "pin")
FIELDS: Final = (*IDENTITY_FIELDS, *PHONEBOOK_FIELDS)
FOLLOW_ME: Final = {
    "inttimeout": "internal_timeout_seconds",
    "intdelay": "internal_delay_seconds",
    "exttimeout": "external_timeout_seconds",
    "extdelay": "external_delay_seconds",
    "quetimeout": "queue_timeout_seconds",
    "quedelay": "queue_delay_seconds",
}
FOLLOW_ME_DEFAULTS: Final = {name: 999 if "timeout" in name else 0 for name in FOLLOW_ME.values()}

_PREFIXES: Final = {
    "Snom": "000413 1c7126",
    "Yealink": "001565 249ad8 3497d7 44dbd2 644f56 805e0c 805ec0 b061a9 c4fc22 ec1da9 f01653",
    "Grandstream": "000b82 144cff c074ad ec74d7",
    "Mitel": "00085d 0010bc 08000f 1400e9",
    "Auerswald": "000952",
    "Gigaset": "002104 14b370 589ec6 7c2f80",
}
VENDORS: Final = {prefix: vendor for vendor, prefixes in _PREFIXES.items() for prefix in prefixes.split()}
"""The prefixes of the makers whose phones we name. Any other prefix is accepted, and its phone is named `Phone`.

Source: phone-system.md section 5, and all that the IEEE's registry gives to these makers (aiooui 0.1.11, 2026). That
library keeps the registry well, but is not used at run time: it knows companies, not makers of phones (Mitel has four
names there), and a new version of it could name the same phone differently.
"""
