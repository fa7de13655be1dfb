"""Extensions: explicit claims first, then the pool in row order, and nobody is cut off without a word.

A number freed in this run or lately is never given out by the pool, since calls would reach the wrong person; an
explicit claim may take it. A claim displaces a holder whose number is automatic or who was made by hand (he gets the
next free one, with a warning); any other holder keeps his number and the claimant is rejected, which may free or
block further numbers, so the claims are settled until nothing changes.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from tasks.issue import issues_of_rows, no_issues
from tasks.login import without
from tasks.output import ROW
from tasks.profile import Profile
from tasks.snapshot import Snapshot
from tasks.user import EMERGENCY_NUMBERS

DISPLACED_SCHEMA: Final = pl.Schema(
    {"user_id": pl.Int64, "login": pl.String, "extension": pl.String, "number": pl.String}
)


@dataclass(frozen=True)
class Outside:
    """Whom the wanted rows do not speak of: `removed` free their numbers, `kept` keep theirs against every claim.

    Shape: both have `login`.
    """

    removed: pl.DataFrame
    kept: pl.DataFrame


@dataclass(frozen=True)
class Settled:
    """Who gets which number.

    Shape: `numbers` has `login`, `number`, `automatic` for every wanted row that is not rejected; `displaced` has
    `user_id`, `login`, `extension` (lost), `number` (the new one); `rejected` has `login`.
    """

    numbers: pl.DataFrame
    displaced: pl.DataFrame
    rejected: pl.DataFrame
    issues: pl.DataFrame


def settle_extensions(wanted: pl.DataFrame, outside: Outside, snapshot: Snapshot, profile: Profile) -> Settled:
    """Gives every wanted user a number.

    Shape: `wanted` has `#row`, `#line`, `login`, `extension` (null = stays), `extension#was`, `automatic#was`,
    `column`.
    """
    holders = _holders(snapshot, outside.removed)
    rejected = wanted.select("login").clear()
    while True:
        active = without(wanted, rejected)
        blocked, displaced = _contested(active, holders, pl.concat([rejected, outside.kept]), profile.name)
        if blocked.is_empty():
            break
        rejected = pl.concat([rejected, blocked.select("login")])
    taken = wanted.join(rejected, on="login", how="semi")
    issues = [_taken_issues(taken, holders), _moved_issues(active, displaced)]
    numbers, displaced = _from_pool(active, displaced, snapshot, profile.pool_start)
    return Settled(numbers, displaced, rejected, pl.concat(issues))


def claimed() -> pl.Expr:
    """Whether a wanted row names a number of its own that it does not have already."""
    return (pl.col("extension").fill_null("") != "") & pl.col("extension").ne_missing(pl.col("extension#was"))


def _holders(snapshot: Snapshot, removed: pl.DataFrame) -> pl.DataFrame:
    people = snapshot.users.select("user_id", "login", "automatic", "profile")
    holders = snapshot.extensions.join(people, on="user_id", how="left")
    return without(holders, removed).rename({"number": "extension", "login": "holder"})


def _contested(
    active: pl.DataFrame, holders: pl.DataFrame, kept: pl.DataFrame, own: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The claims that a holder blocks, and the holders who are displaced; those of `kept` (`login`) never are."""
    claims = active.filter(claimed())
    leaving = claims.select(pl.col("login").alias("holder"))
    staying = holders.join(leaving, on="holder", how="anti")
    meeting = claims.select("login", ROW, "extension").join(staying, on="extension", how="inner")
    named = active.filter(pl.col("extension") == pl.col("extension#was")).select(
        pl.col("login").alias("holder"), named=True
    )
    emptied = active.filter(pl.col("extension") == "").select(pl.col("login").alias("holder"), emptied=True)
    keeping = kept.select(pl.col("login").alias("holder"), refused=True).unique()
    for further in (named, emptied, keeping):
        meeting = meeting.join(further, on="holder", how="left")
    by_hand = pl.col("profile").is_null() & pl.col("holder").is_not_null()
    # A number that the file no longer states is automatic from this run on, so it gives way in this run already.
    automatic = (pl.col("profile") == own) & (pl.col("automatic").fill_null(False) | pl.col("emptied").is_not_null())
    gives_way = (by_hand | automatic) & pl.col("named").is_null() & pl.col("refused").is_null()
    displaced = meeting.filter(gives_way).select(
        "user_id", pl.col("holder").alias("login"), "extension", pl.col("login").alias("claimant"), ROW
    )
    return meeting.filter(~gives_way.fill_null(False)), displaced


def _taken_issues(taken: pl.DataFrame, holders: pl.DataFrame) -> pl.DataFrame:
    if taken.is_empty():
        return no_issues()
    named = taken.join(holders.select("extension", "holder"), on="extension", how="left", maintain_order="left")
    message = pl.format(
        "{}: “{}” belongs to {}; use another extension, or free this one first",
        "column",
        "extension",
        pl.col("holder").fill_null("something that is no user"),
    )
    found = issues_of_rows(named, None, "extension-taken", message)
    return found.with_columns(column=named["column"])


def _moved_issues(active: pl.DataFrame, displaced: pl.DataFrame) -> pl.DataFrame:
    if displaced.is_empty():
        return no_issues()
    moved = displaced.rename({"login": "holder", "claimant": "login"}).join(
        active.select("login", "#line", "column"), on="login", how="left"
    )
    message = pl.format("{}: “{}” moves from {}, who gets the next free number", "column", "extension", "holder")
    return issues_of_rows(moved, None, "extension-moved", message).with_columns(column=moved["column"])


def _from_pool(
    active: pl.DataFrame, displaced: pl.DataFrame, snapshot: Snapshot, start: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    lost = displaced.select("login", lost=True).unique("login")
    chosen = active.join(lost, on="login", how="left", maintain_order="left").with_columns(
        number=pl.when(pl.col("extension").fill_null("") != "")
        .then(pl.col("extension"))
        .when(pl.col("lost").is_null())
        .then(pl.col("extension#was")),
        automatic=pl.when(
            pl.col("extension").is_null() & pl.col("extension#was").is_not_null() & pl.col("lost").is_null()
        )
        .then(pl.col("automatic#was"))
        .otherwise(pl.col("extension").fill_null("") == ""),
    )
    others = displaced.join(active.select("login"), on="login", how="anti").unique("login", maintain_order=True)
    needed = chosen["number"].null_count() + others.height
    free = next_free_numbers(
        needed,
        start,
        pl.concat([snapshot.extensions["number"], snapshot.resting["number"], chosen["number"].drop_nulls()]),
    )
    mine = free.head(chosen["number"].null_count())
    empty = chosen.filter(pl.col("number").is_null()).with_columns(number=mine)
    numbers = pl.concat([chosen.filter(pl.col("number").is_not_null()), empty]).select("login", "number", "automatic")
    others = others.with_columns(number=free.slice(mine.len())).select(DISPLACED_SCHEMA.names())
    return numbers, others


def next_free_numbers(count: int, start: int, taken: pl.Series) -> pl.Series:
    """The next `count` numbers of the pool; enough candidates, since at most all taken ones lie among them."""
    if count == 0:
        return taken.clear()
    highest = start + count + taken.len() + len(EMERGENCY_NUMBERS)
    candidates = pl.int_range(start, highest + 1, eager=True).cast(pl.String).alias("number")
    forbidden = pl.concat([taken, pl.Series("number", EMERGENCY_NUMBERS)])
    return (
        candidates.to_frame()
        .join(forbidden.alias("number").to_frame(), on="number", how="anti", maintain_order="left")["number"]
        .head(count)
    )
