"""Validate: which records the phone system can take, and what is wrong with every other.

Rules run over whole columns, so that all broken rules of a row are reported at once and a million rows cost seconds.
A rejected row protects its record: its login, where it is known, stands in `aside`.
"""

import polars as pl

from tasks.candidates import IDENTITY, candidates_of, untouched_fields_of
from tasks.issue import issues_of_rows, no_issues
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
    return Records(
        users=_with_fingerprints(kept, keyring).drop(IDENTITY, "raw_login"),
        phones=phones.frame,
        facts=modules.facts,
        untouched=untouched,
        device_kinds=phones.kinds,
        columns=columns,
        issues=pl.concat([modules.issues, found, phones.issues, _contact_issues(modules)]),
        aside=pl.concat([modules.aside, _aside(candidates.join(rejected, on=ROW, how="semi"))]),
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


def _contact_issues(modules: Modules) -> pl.DataFrame:
    """Contacts without a user are said not to get in, once a row; the rest of the row does."""
    contacts = modules.frames.get("contact")
    if contacts is None:
        return no_issues()
    message = "phonebook at top level: contacts without a user are not imported yet; put the entry into the user's post"
    return issues_of_rows(contacts.unique(ROW, maintain_order=True), None, "contact-not-imported", message)


def _aside(rejected: pl.DataFrame) -> pl.DataFrame:
    login = pl.when(pl.col("login") != "").then(pl.col("login"))
    return rejected.select(ROW, LINE, outcome=pl.lit("rejected"), login=login).cast(ASIDE_SCHEMA)


validate = step(
    "validate", version=2, reads=("structure", "variables", "password_policy", "login_cleanup", "empty_cells")
)(validate_modules)
