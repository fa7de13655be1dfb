"""Who may be touched: which records are this profile's, which it adopts, and which of its own the file no longer has.

A record of another profile is a conflict. One made by hand is adopted, skipped or a conflict, as the profile says;
adopted records are only ever released. A record whose profile is gone may be taken over when the profile says
`on_existing: adopt` in so many words (decision 25).
"""

import json
from datetime import date, timedelta

import polars as pl

from tasks.comparison import existing_fields_json
from tasks.login import without
from tasks.plan import WAS, json_flag, phonebook_prefixes, text_fields
from tasks.profile import Profile
from tasks.records import Records
from tasks.snapshot import Circumstances, Snapshot
from tasks.user import SECRET_FIELDS


def mode_of(records: Records, profile: Profile) -> str:
    """The mode of this run: a file of mended failed rows is an upsert whatever the profile says (decision 7)."""
    return "upsert" if records.facts.mended else profile.mode


def owned_records(snapshot: Snapshot, profile: str) -> int:
    """How many records, people and contacts, are this profile's: what the brakes count shares of."""
    return sum(frame.filter(pl.col("profile") == profile).height for frame in (snapshot.users, snapshot.contacts))


def wanted_beside_existing(
    records: Records, snapshot: Snapshot, profile: Profile, circumstances: Circumstances
) -> pl.DataFrame:
    """Every wanted user beside what exists (`FIELD#was`), with a first action.

    Shape: `action` is create, unchanged (may be touched), skip or conflict; `owner` and `adopted` are what the import
    record gets, null where it stays.
    """
    existing = snapshot.users.rename({name: f"{name}{WAS}" for name in snapshot.users.columns if name != "login"})
    joined = _complete(records.users.join(existing, on="login", how="left", maintain_order="left"), snapshot)
    is_new, owner = pl.col(f"user_id{WAS}").is_null(), pl.col(f"profile{WAS}")
    by_hand = ~is_new & owner.is_null()
    foreign = owner.is_not_null() & (owner != profile.name) & ~owner.is_in(orphans(snapshot, profile, circumstances))
    refused = {"adopt": "unchanged", "skip": "skip", "conflict": "conflict"}[profile.on_existing]
    return joined.with_columns(
        action=pl.when(is_new)
        .then(pl.lit("create"))
        .when(foreign)
        .then(pl.lit("conflict"))
        .when(by_hand)
        .then(pl.lit(refused))
        .otherwise(pl.lit("unchanged")),
        owner=pl.when(is_new | owner.ne_missing(profile.name)).then(pl.lit(profile.name)),
        adopted=pl.when(is_new).then(False).when(by_hand).then(True).otherwise(f"adopted{WAS}"),
        **{
            name: pl.when(is_new).then(pl.col(name))
            for name in joined.columns
            if _is_untouched(name, records.untouched) and name not in SECRET_FIELDS
        },
    )


def _is_untouched(column: str, untouched: tuple[str, ...]) -> bool:
    """Whether a column of the wanted users stays as it is on update; an entry that does takes all its fields along."""
    is_of_entry = column.partition(".")[0] == "phonebook" and not column.endswith(WAS)
    return column in untouched or (is_of_entry and "phonebook" in untouched)


def orphans(snapshot: Snapshot, profile: Profile, circumstances: Circumstances) -> list[str]:
    """Owners that are no profile any more, whose records this profile may take over."""
    if "on_existing" not in profile.model_fields_set or profile.on_existing != "adopt" or not circumstances.profiles:
        return []
    owners = {*snapshot.users["profile"].drop_nulls(), *snapshot.contacts["profile"].drop_nulls()}
    return sorted(owner for owner in owners if owner not in {*circumstances.profiles, profile.name})


def missing_records(
    records: Records, snapshot: Snapshot, profile: Profile, circumstances: Circumstances
) -> pl.DataFrame:
    """The records of this profile that the file no longer has, and what is to be done with them.

    Shape: `login`, `user_id`, `action` (remove, release, disable), `fields`, `was_enabled`.
    """
    gone = absent_records(records, snapshot, profile)
    if records.unknown_logins or mode_of(records, profile) != "sync":
        gone = gone.clear()
    gone = gone.with_columns(action=action_when_missing(profile, circumstances)).filter(pl.col("action").is_not_null())
    is_removed, is_released = pl.col("action") == "remove", pl.col("action") == "release"
    removed, others = gone.filter(is_removed), gone.filter(~is_removed)
    released = pl.lit(json.dumps({"profile": [profile.name, None]}))
    disabled = pl.concat_str(pl.lit('{"enabled":['), json_flag(pl.col("enabled")), pl.lit(",false]}"))
    told = others.with_columns(fields=pl.when(is_released).then(released).otherwise(disabled), was_enabled="enabled")
    columns = ("login", "user_id", "action", "fields", "was_enabled")
    taken_away = removed.with_columns(fields=existing_fields_json(removed))
    return pl.concat([taken_away.select(columns), told.select(columns)])


def absent_records(records: Records, snapshot: Snapshot, profile: Profile) -> pl.DataFrame:
    """This profile's people who are neither in the file nor protected by a rejected row.

    None of them is absent where the Structure does not speak of people.
    """
    owned = snapshot.users.filter(pl.col("profile") == profile.name, records.speaks_of_users)
    stays = pl.concat([records.users.select("login"), records.protected_logins])
    return owned.join(stays, on="login", how="anti")


def keeping_logins(records: Records, snapshot: Snapshot, profile: str, mode: str) -> pl.DataFrame:
    """Who keeps number and phones against every claim of the run: rejected rows, and whom an unknown login spares.

    Decision 12. Shape: `login`, unique.
    """
    if not records.unknown_logins or mode != "sync":
        return records.protected_logins
    spared = snapshot.users.filter(pl.col("profile") == profile).select("login")
    return pl.concat([records.protected_logins, without(spared, records.users)]).unique()


def action_when_missing(profile: Profile, circumstances: Circumstances) -> pl.Expr:
    """What becomes of a record that the file no longer has; null: nothing, for now."""
    released = pl.when(pl.col("adopted")).then(pl.lit("release"))
    if profile.on_missing == "remove":
        return released.otherwise(pl.lit("remove"))
    waiting = pl.col("missing_since").is_not_null()
    if profile.on_missing == "disable":
        return released.when(~waiting).then(pl.lit("disable"))
    limit = date.fromisoformat(circumstances.today) - timedelta(days=profile.remove_after_days)
    due = waiting & (pl.col("missing_since").str.head(10) <= limit.isoformat())
    return released.when(due).then(pl.lit("remove")).when(~waiting).then(pl.lit("disable"))


def _complete(joined: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """The same columns on both sides, also for phonebook entries that only one side has."""
    text = pl.lit(None, dtype=pl.String)
    wanted = [name for name in text_fields(snapshot.users.columns) if name not in joined.columns]
    joined = joined.with_columns(text.alias(name) for name in wanted)
    existing = [name for name in text_fields(joined.columns) if f"{name}{WAS}" not in joined.columns]
    entries = [name for name in phonebook_prefixes(joined.columns) if f"{name}{WAS}" not in joined.columns]
    return joined.with_columns(
        *(text.alias(f"{name}{WAS}") for name in existing), *(pl.lit(False).alias(f"{name}{WAS}") for name in entries)
    )
