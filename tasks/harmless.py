"""Which columns, fields and devices a preview may show: an allow-list, less what flows into a secret.

A name has to be known as harmless, and static analysis of the profile must not have found that it feeds a password, a
pin or the like: a field that prints the column `Kennwort` is as secret as the column. Without a profile to analyse,
or where the profile asks for counts only, nothing is harmless.
"""

from typing import Final

from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.profile import Profile
from tasks.user import IDENTITY_FIELDS, PHONEBOOK_FIELDS

HARMLESS_VARIABLES: Final = frozenset(
    (
        *("displayname", "username", "phone", "givenname", "surname", "email", "organisation", "job"),
        *("mobile", "homephone", "fax", "roles", "phonemac", "phoneip"),
    )
)
FIELD_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "login": ("identity.003use_name",),
    "roles": ("identity.user_roles",),
    **{field.name: (f"{field.module}.{field.key}",) for field in (*IDENTITY_FIELDS, *PHONEBOOK_FIELDS)},
    "phonebook.labels": ("phonebooklabel.050lab_bez", "phonebooklabel.028050pholab_value"),
    **{f"contact.{field.column}": (f"contact.{field.key}",) for field in PHONEBOOK_FIELDS},
    "mac": ("ipphone.071ipp_mac",),
    "ip": ("ipphone.071ipp_ip",),
    "number": ("externals.number", "external.number"),
}
"""What a field of a plan is called in the Structure, as "module.field"."""

_SECRET_FIELDS: Final = frozenset(field.name for field in IDENTITY_FIELDS if field.secret)


def harmless_columns(profile: Profile | None, header: tuple[str, ...]) -> frozenset[str]:
    """The columns and variables of rows on their way that may be shown, case-folded."""
    secret = _secret_names(profile, header)
    return frozenset() if secret is None else HARMLESS_VARIABLES - secret


def harmless_fields(profile: Profile | None, header: tuple[str, ...]) -> frozenset[str]:
    """The fields of records and plans that may be shown: `display_name`, `phonebook.notes`, `mac`."""
    secret = _secret_names(profile, header)
    if profile is None or secret is None:
        return frozenset()
    fed = mapping_of(profile).structure.field_reads
    tainted = {key for key, reads in fed.items() if any(name.casefold() in secret for name in reads)}
    return frozenset(field for field, keys in FIELD_KEYS.items() if not tainted.intersection(keys)) - _SECRET_FIELDS


def _secret_names(profile: Profile | None, header: tuple[str, ...]) -> frozenset[str] | None:
    """The case-folded names that flow into a secret; None where nothing may be shown at all."""
    if profile is None or profile.preview == "counts":
        return None
    return frozenset(name.casefold() for name in mapping_of(profile).secret_names(Names(header)))
