"""Brakes: three shares and a few certainties, evaluated on the whole plan before the first write.

They hold only where the profile owns a record: a first import cannot do harm. One holds always: a file whose import was
undone stays out until a person lets it in, or the nightly run would do it again.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tasks.checksum import plan_checksum
from tasks.keyring import Keyring
from tasks.mapping import mapping_of
from tasks.names import Names
from tasks.plan import Plan
from tasks.profile import Brakes, Profile
from tasks.snapshot import Snapshot

_WHOLE_RECORDS: Final = {
    "identity": "The condition around identity",
    "contact": "The condition around a contact",
}


def judged(plan: Plan, snapshot: Snapshot, profile: Profile, keyring: Keyring) -> Plan:
    """The plan with its checksum, and with the sentence of the first brake that holds it, if one does."""
    checksum = plan_checksum(plan, keyring)
    sentences = [*_of_undone(plan, snapshot), *(brakes_that_hold(plan, snapshot, profile) if plan.owned else ())]
    return replace(plan, checksum=checksum, held=" ".join(sentences) or None)


def _of_undone(plan: Plan, snapshot: Snapshot) -> Iterator[str]:
    if plan.facts.digest in snapshot.undone_digests:
        yield "The import of exactly this file was undone."


def brakes_that_hold(plan: Plan, snapshot: Snapshot, profile: Profile) -> Iterator[str]:
    """Every further reason to ask a person first, as sentences."""
    yield from _certainties(plan, snapshot, profile)
    yield from _shares(plan, snapshot, profile)


def _certainties(plan: Plan, snapshot: Snapshot, profile: Profile) -> Iterator[str]:
    facts, last, mended = plan.facts, snapshot.last, plan.facts.mended
    if facts.rows == 0:
        yield "The source is empty."
    if facts.last_record_broken:
        yield "The file seems truncated: its last record is short or unclosed."
    elif last is not None and last.ends_with_line_end and not facts.ends_with_line_end and facts.rows and not mended:
        yield "The file seems truncated: its last line has no line end, and the last applied file had one."
    removals = _removals(plan)
    if facts.rows_swallowed and removals:
        yield (
            f"{removals} of {plan.owned} records would be removed, and a cell of the file holds lines that look like "
            "rows: these people may stand there."
        )
    tells_encoding = bool(facts.encoding) and not facts.ascii_only and not mended
    if last is not None and last.encoding and tells_encoding and last.encoding != facts.encoding:
        yield f"The file's encoding is {facts.encoding}; at the last applied import it was {last.encoding}."
    if last is not None:
        for who, reads in _what_chooses_rows(profile, Names((*last.header, *facts.header))):
            gone = sorted(_gone(reads, Names(last.header), Names(facts.header)))
            if gone:
                yield f"{who} reads {', '.join(gone)}, and that column is gone from the file."


def _shares(plan: Plan, snapshot: Snapshot, profile: Profile) -> Iterator[str]:
    brakes, summary, last = profile.brakes, plan.summary, snapshot.last
    removal = removal_brake(plan, brakes)
    if removal:
        yield removal
    updates = summary["update"]
    if updates > brakes.remove_floor and updates * 100 > brakes.update_percent * plan.owned:
        yield (
            f"{updates} of {plan.owned} records would change: more than {brakes.remove_floor} "
            f"and more than {brakes.update_percent:g} %."
        )
    fewer = last.rows - plan.facts.rows if last is not None and plan.facts.rows else 0
    if plan.mode == "sync" and last is not None and fewer > 1 and fewer * 100 > brakes.shrink_percent * last.rows:
        rows = "1 row" if plan.facts.rows == 1 else f"{plan.facts.rows} rows"
        yield (
            f"The file has {rows}, the last applied one had {last.rows}: "
            f"{fewer} fewer, more than {brakes.shrink_percent:g} %."
        )


def removal_brake(plan: Plan, brakes: Brakes) -> str | None:
    """The sentence of the removal brake, when it holds; releasing and disabling count as removing."""
    removals = _removals(plan)
    if removals <= brakes.remove_floor or removals * 100 <= brakes.remove_percent * plan.owned:
        return None
    return (
        f"{removals} of {plan.owned} records would be removed: more than {brakes.remove_floor} "
        f"and more than {brakes.remove_percent:g} %."
    )


def _removals(plan: Plan) -> int:
    return sum(plan.summary[action] for action in ("remove", "release", "disable"))


def _what_chooses_rows(profile: Profile, header: Names) -> Iterator[tuple[str, frozenset[str] | None]]:
    """What may leave rows out, and the columns that it reads; None = any of them."""
    mapping = mapping_of(profile)
    yield "The pre-filter", mapping.prefilter.reads
    for module, text in _WHOLE_RECORDS.items():
        for reads in mapping.structure.deciding_reads.get(module, ()):
            yield text, mapping.columns_behind(reads, header)


def _gone(reads: frozenset[str] | None, last: Names, now: Names) -> set[str]:
    """The columns of the last file among these that the file no longer has, by rule 6.1."""
    names = last.header if reads is None else reads
    return {found for name in names if (found := last.find(name)) is not None and now.find(name) is None}
