"""Validate: which records the phone system can take, and what is wrong with every other.

Rules run over whole columns, so that all broken rules of a row are reported at once and a million rows cost seconds.
A rejected row protects its record: its login, where it is known, stands in `aside`.
"""

import polars as pl

from tasks.candidates import IDENTITY, candidates_of, untouched_fields_of
from tasks.contact_rules import wanted_contacts
from tasks.keyring import Keyring
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.output import ASIDE_SCHEMA, LINE, ROW, Modules
from tasks.phone_rules import fingerprints, wanted_phones
from tasks.profile import Profile
from tasks.records import Records
from tasks.rules import broken_rules
from tasks.step import step
from tasks.user import SECRET_FIELDS


def validate_modules(modules: Modules, profile: Profile, keyring: Keyring) -> Records:
    """The records that pass every rule.

    Shape: one user an identity object in; each comes out in `users`, or in `aside` as rejected with its issues.
    """
    columns = columns_behind_fields(modules, profile)
    untouched = untouched_fields_of(modules)
    candidates = candidates_of(modules, untouched, profile)
    found = broken_rules(candidates, profile, columns)
    rejected = found.filter(pl.col("severity") == "error").select(pl.col("row").alias(ROW)).unique()
    kept = candidates.join(rejected, on=ROW, how="anti", maintain_order="left")
    phones = wanted_phones(modules, kept.select(ROW, IDENTITY, "login"), keyring, columns)
    contacts = wanted_contacts(modules, profile, rejected, columns)
    refused = _aside(candidates.join(rejected, on=ROW, how="semi"))
    return Records(
        users=_with_fingerprints(kept, keyring).drop(IDENTITY, "raw_login"),
        phones=phones.frame,
        facts=modules.facts,
        untouched=untouched,
        device_kinds=phones.kinds,
        columns=columns,
        contacts=contacts.frame,
        kept_contacts=contacts.kept,
        unknown_contacts=contacts.unknown,
        speaks_of_users="identity" in modules.frames,
        speaks_of_contacts=contacts.spoken_of,
        issues=pl.concat([modules.issues, found, phones.issues, contacts.issues]),
        aside=pl.concat([modules.aside, refused, _aside_without_user(contacts.broken, candidates)]),
    )


def columns_behind_fields(modules: Modules, profile: Profile) -> dict[str, str]:
    """The one CSV column or variable that each field ("module.field") prints, or else the field's own key."""
    mapping = mapping_of(profile)
    names = Names((*mapping.variables, *modules.facts.header))
    constants = {name for name, variable in mapping.variables.items() if variable.constant}
    found: dict[str, str] = {}
    for field, read in mapping.structure.printed_reads.items():
        behind = sorted({names.find(name) or name for name in read - constants})
        found[field] = behind[0] if len(behind) == 1 else field.rpartition(".")[2]
    return found


def _with_fingerprints(kept: pl.DataFrame, keyring: Keyring) -> pl.DataFrame:
    return kept.with_columns(
        fingerprints(keyring, kept["login"], field, kept[field]).alias(f"{field}_fingerprint")
        for field in SECRET_FIELDS
    )


def _aside_without_user(broken: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """The rows that make nothing but a contact, which is broken: they are nobody's."""
    alone = broken.join(candidates, on=ROW, how="anti", maintain_order="left")
    return alone.select(ROW, LINE, outcome=pl.lit("rejected"), login=pl.lit("")).cast(ASIDE_SCHEMA)


def _aside(rejected: pl.DataFrame) -> pl.DataFrame:
    login = pl.when(pl.col("login") != "").then(pl.col("login"))
    return rejected.select(ROW, LINE, outcome=pl.lit("rejected"), login=login).cast(ASIDE_SCHEMA)


validate = step(
    "validate",
    version=6,
    reads=("structure", "variables", "password_policy", "login_cleanup", "empty_cells", "contact_key"),
)(validate_modules)
