"""Assign phones: every wanted phone finds its user, by MAC, and what nobody wants any more is released, not deleted.

Decisions 18 and 24: no phone block in the Structure: phones untouched; block there and not rendered for the row:
release. Within a profile, from nobody or from a hand-made owner a phone moves; owned through another profile: error.
"""

from dataclasses import replace
from functools import partial
from typing import Final

import polars as pl

from tasks.brakes import judged
from tasks.checksum import with_further_changes
from tasks.issue import issues_of_rows, no_issues
from tasks.keyring import Keyring
from tasks.login import without
from tasks.output import ROW
from tasks.ownership import keeping_logins
from tasks.phone_rules import vendor_of
from tasks.plan import PHONE_CHANGES_SCHEMA, WAS, Plan, fields_json, json_secret, json_text
from tasks.profile import Profile
from tasks.records import Records
from tasks.snapshot import Snapshot
from tasks.step import step
from tasks.user import FOLLOW_ME, FOLLOW_ME_DEFAULTS, VENDORS

_MAC_KEY: Final = "ipphone.071ipp_mac"
_NUMBER_KEY: Final = "external.number"
_TEXTS: Final = ("ip", "number", "web_user")
_VALUES: Final = (*_TEXTS, *FOLLOW_ME.values())
_ACTIONS_THAT_FREE_PHONES: Final = ("remove", "disable")


def assign_phones_to_users(
    plan: Plan, records: Records, snapshot: Snapshot, profile: Profile, keyring: Keyring
) -> Plan:
    """The plan with its phones, its brakes judged and its checksum made.

    Shape: one change a phone that is assigned, moved, released or altered; a user whose phones alone change becomes
    an update.
    """
    wanted = _wanted(plan, records, snapshot)
    is_taken = wanted.select(x=_belongs_elsewhere(plan, _held_logins(plan, records, snapshot)))["x"]
    taken, wanted = wanted.filter(is_taken), wanted.filter(~is_taken)
    numberless, wanted = wanted.filter(_HAS_NO_NUMBER), wanted.filter(~_HAS_NO_NUMBER)
    altered = _altered(wanted)
    kept = pl.concat([_kept_logins(records), taken.select("login", "kind")])
    free = snapshot.devices.join(wanted.select("device_id").drop_nulls(), on="device_id", how="anti")
    phones = pl.concat([_assigned(altered), _released(plan, records, free, kept)], how="diagonal")
    phones = phones.sort("row", "login", "kind", "mac", nulls_last=True, maintain_order=True)
    plan = _with_phone_updates(plan, phones, snapshot)
    summary = {**plan.summary, "phones_unchanged": wanted.height - altered.height}
    issues = pl.concat([plan.issues, *_issues(altered, taken, records), _numberless_issues(numberless, records)])
    return judged(replace(plan, phones=phones, issues=issues, summary=summary), snapshot, profile, keyring)


def _wanted(plan: Plan, records: Records, snapshot: Snapshot) -> pl.DataFrame:
    """The readable devices of the users who get in, beside the device that exists: by MAC, or the user's n-th of its
    kind.
    """
    phones = without(records.phones.filter(~pl.col("keep")), plan.untouched_logins)
    phones = phones.filter(_is_spoken_of(plan, records))
    existing = snapshot.devices.rename(
        {name: f"{name}{WAS}" for name in snapshot.devices.columns if name not in ("mac", "kind", "device_id")}
    )
    is_ip_phone = pl.col("kind") == "ip_phone"
    by_mac = phones.filter(is_ip_phone).join(existing.drop("kind"), on="mac", how="left", maintain_order="left")
    there = existing.filter(~is_ip_phone).drop("mac").sort("device_id").with_columns(login=f"login{WAS}")
    others = (
        phones.filter(~is_ip_phone)
        .with_columns(nth=_NTH)
        .join(there.with_columns(nth=_NTH), on=["login", "kind", "nth"], how="left", maintain_order="left")
    )
    return pl.concat([by_mac, others], how="diagonal")


def _is_spoken_of(plan: Plan, records: Records) -> pl.Expr:
    """Whether a row may have its device: a new user always, others not where the file says nothing of its kind."""
    new = plan.changes.filter(pl.col("action") == "create")["login"]
    return pl.col("kind").is_in(records.device_kinds) | pl.col("login").is_in(new.implode())


_NTH: Final = pl.int_range(pl.len()).over("login", "kind")

# The file has no such column, and the device that is to be made none from before.
_HAS_NO_NUMBER: Final = (pl.col("kind") == "mobile") & pl.col("number").is_null() & pl.col("device_id").is_null()


def _held_logins(plan: Plan, records: Records, snapshot: Snapshot) -> pl.DataFrame:
    """Whose phones stay where they are against every claim: rows that were refused, or whose phone could not be read,
    and whoever an unknown login spares (decisions 12 and 18). Shape: `login`.
    """
    kept = records.phones.filter(pl.col("keep"), pl.col("kind") == "ip_phone").select("login")
    keeping = keeping_logins(records, snapshot, plan.profile, plan.mode)
    return pl.concat([plan.rejected_logins, kept, keeping]).unique()


def _belongs_elsewhere(plan: Plan, held: pl.DataFrame) -> pl.Expr:
    """Whether the device belongs to a user of another profile, or to somebody else who keeps his phones."""
    owner = pl.col(f"login{WAS}")
    elsewhere = pl.col(f"profile{WAS}").is_not_null() & (pl.col(f"profile{WAS}") != plan.profile)
    return (elsewhere | (owner.is_in(held["login"].implode()) & (owner != pl.col("login")))).fill_null(False)


def _altered(wanted: pl.DataFrame) -> pl.DataFrame:
    """The devices that are assigned, moved or set otherwise, with the values that they have in the end."""
    owner = pl.col(f"login{WAS}")
    password_changed = pl.col("web_password").is_not_null() & (
        pl.col("web_password_fingerprint") != pl.col(f"web_password_fingerprint{WAS}").fill_null("")
    )
    differs = [(pl.col(name) != pl.col(f"{name}{WAS}")).fill_null(False) for name in _VALUES]
    is_altered = owner.ne_missing(pl.col("login")) | password_changed | pl.any_horizontal(differs)
    values: dict[str, pl.Expr] = {}
    for name in _VALUES:
        values[name] = pl.coalesce(name, f"{name}{WAS}", pl.lit(_default_of(name)))
    return wanted.filter(is_altered).with_columns(**values, password_changed=password_changed)


def _assigned(altered: pl.DataFrame) -> pl.DataFrame:
    names = {
        "ip_phone": pl.format("{} {}", vendor_of(pl.col("mac"), VENDORS), "mac"),
        "softphone": pl.format("Softphone {}", "login"),
        "mobile": pl.format("Mobile {}", "login"),
    }
    moves = pl.col(f"login{WAS}").is_not_null() & (pl.col(f"login{WAS}") != pl.col("login"))
    frame = altered.with_columns(
        action=pl.when(moves).then(pl.lit("move")).otherwise(pl.lit("assign")),
        before=pl.col(f"login{WAS}"),
        name=pl.coalesce(*(pl.when(pl.col("kind") == kind).then(text) for kind, text in names.items())),
    )
    fields = fields_json(frame, _differing_values(), partial(_both_sides, frame))
    columns = [
        *PHONE_CHANGES_SCHEMA.names(),
        *_VALUES,
        "name",
        "web_password",
        "web_password_fingerprint",
        "password_changed",
    ]
    return frame.with_columns(fields=fields).rename({ROW: "row"}).select(columns)


def _differing_values() -> dict[str, pl.Expr]:
    """For each value: whether it changes."""
    differs = {name: pl.col(name) != pl.col(f"{name}{WAS}").fill_null(_default_of(name)) for name in _VALUES}
    return {**differs, "web_password": pl.col("password_changed")}


def _both_sides(frame: pl.DataFrame, name: str) -> tuple[pl.Expr, pl.Expr]:
    """The existing and the wanted value as JSON."""
    if name == "web_password":
        had = pl.col(f"web_password_fingerprint{WAS}").fill_null("") != ""
        return json_secret(had), json_secret(pl.col("web_password_fingerprint") != "")
    if name in _TEXTS:
        return json_text(frame, f"{name}{WAS}"), json_text(frame, name)
    return pl.col(f"{name}{WAS}").cast(pl.String).fill_null("null"), pl.col(name).cast(pl.String)


def _default_of(name: str) -> str | int:
    return "" if name in _TEXTS else FOLLOW_ME_DEFAULTS[name]


def _kept_logins(records: Records) -> pl.DataFrame:
    return records.phones.filter(pl.col("keep")).select("login", "kind")


def _released(plan: Plan, records: Records, free: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """The devices whose user goes, or whose user's row no longer asks for them. `free` are those nobody asks for."""
    gone = plan.changes.filter(pl.col("action").is_in(_ACTIONS_THAT_FREE_PHONES)).select("login")
    present = without(records.users.select("login", row=pl.col(ROW)), plan.untouched_logins)
    owned = free.filter(pl.col("login").is_not_null())
    of_gone = owned.join(gone, on="login", how="semi").with_columns(row=pl.lit(None, dtype=pl.Int64))
    spoken_of = owned.filter(pl.col("kind").is_in(records.device_kinds)).join(present, on="login", how="inner")
    not_named = spoken_of.join(kept, on=["login", "kind"], how="anti")
    frame = pl.concat([of_gone, not_named], how="diagonal").unique("device_id", maintain_order=True)
    released = frame.with_columns(action=pl.lit("release"), before="login", fields=_given_up(frame))
    return released.select(*PHONE_CHANGES_SCHEMA.names(), *_VALUES, "name")


def _given_up(frame: pl.DataFrame) -> pl.Series:
    """What a device was set to, so that one which goes with its user can come back."""
    differs = {name: pl.col(name) != "" for name in (*_TEXTS, "name")}
    differs |= {name: pl.col(name) != default for name, default in FOLLOW_ME_DEFAULTS.items()}

    def sides(name: str) -> tuple[pl.Expr, pl.Expr]:
        is_number = name in FOLLOW_ME_DEFAULTS
        return pl.col(name).cast(pl.String) if is_number else json_text(frame, name), pl.lit("null")

    return fields_json(frame, differs, sides)


def _with_phone_updates(plan: Plan, phones: pl.DataFrame, snapshot: Snapshot) -> Plan:
    """A change of phone alone counts as an update of its user."""
    further = (
        phones.select("login", "row")
        .join(plan.changes.select("login"), on="login", how="anti", maintain_order="left")
        .unique("login", maintain_order=True)
        .join(snapshot.users, on="login", how="inner", maintain_order="left")
        .with_columns(action=pl.lit("update"), fields=pl.lit("{}"))
    )
    if further.is_empty():
        return plan
    columns = [
        name for name in further.columns if name in plan.changes.columns and name not in ("extension", "automatic")
    ]
    further = further.select(columns).with_columns(number=further["extension"], automatic=further["automatic"])
    summary = dict(plan.summary)
    summary["update"] += further.height
    summary["unchanged"] -= further.height
    return with_further_changes(replace(plan, summary=summary), further)


def _numberless_issues(rows: pl.DataFrame, records: Records) -> pl.DataFrame:
    column = records.columns.get(_NUMBER_KEY, "number")
    return issues_of_rows(rows, column, "mobile-number-missing", f"{column}: the mobile device needs a number")


def _issues(altered: pl.DataFrame, taken: pl.DataFrame, records: Records) -> list[pl.DataFrame]:
    column = records.columns.get(_MAC_KEY, "071ipp_mac")
    message = pl.format("{}: “{}” belongs to {}; the phone stays there", pl.lit(column), "mac", f"login{WAS}")
    moved = altered.filter(
        pl.col(f"login{WAS}").is_not_null(), pl.col(f"login{WAS}") != pl.col("login"), pl.col(f"profile{WAS}").is_null()
    )
    by_hand = pl.format("{}: “{}” moves from {}, to whom it was assigned by hand", pl.lit(column), "mac", f"login{WAS}")
    return [
        issues_of_rows(taken, column, "mac-taken", message),
        issues_of_rows(moved, column, "phone-moved-from-hand", by_hand),
        no_issues(),
    ]


assign_phones = step("assign-phones", version=4, reads=("brakes", "prefilter", "structure", "variables"))(
    assign_phones_to_users
)
