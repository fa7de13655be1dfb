"""The summary of an import that a manager can read: what happened to how many people, and what to do next."""

from typing import Final

from tasks.preview import Preview
from tasks.redact import scrubbed
from tasks.report import Report

_WORDS: Final = {
    "create": "new in the phone system",
    "update": "changed",
    "remove": "removed, because the file no longer has them",
    "release": "kept, but no longer looked after by this import",
    "disable": "disabled, because the file no longer has them",
    "enable": "enabled again",
    "unchanged": "unchanged",
    "filtered": "left out by the pre-filter",
    "rejected": "rejected: the row has an error",
    "conflict": "in conflict with another profile or with a user made by hand",
    "protected": "kept, because a row could not be read",
}
_PHONE_WORDS: Final = {"assign": "phones assigned or altered", "move": "phones moved", "release": "phones released"}


def preview_of_report(report: Report) -> Preview:
    """The headline, the counts in words, and the commands that lead on."""
    parts = [
        f"## {_subject(report)}",
        f"**{_headline(report)}**",
        _table(report),
        _source(report),
        *_next_steps(report),
    ]
    return Preview(report.headline, text="\n\n".join(part for part in parts if part))


def _subject(report: Report) -> str:
    plan = report.plan
    name = scrubbed(plan.facts.name)
    if plan.mode == "undo":
        return f"{name[:1].upper()}{name[1:]}, profile {plan.profile}"
    kind = "Simulation" if report.outcome is None else "Import"
    return f"{kind} of {name or 'users'}, profile {plan.profile}"


def _headline(report: Report) -> str:
    if report.outcome is not None and report.outcome.status == "nothing":
        return "The phone system was already as the file says. Nothing was written."
    if report.plan.held:
        return f"Held, nothing was written. {report.plan.held}"
    if report.outcome is None:
        return "This is a plan: nothing was written."
    return "The phone system is now as the file says." if report.plan.clean else "Done, but not every row got in."


def _source(report: Report) -> str:
    read_as = report.plan.facts.read_as
    return f"The file was read as {read_as}." if read_as and report.plan.mode != "undo" else ""


def _table(report: Report) -> str:
    counts = [(count, _WORDS[name]) for name, count in report.plan.summary.items() if count and name in _WORDS]
    if report.plan.phones.height:
        phones = report.plan.phones.group_by("action").len().sort("action")
        counts += [(count, _PHONE_WORDS.get(action, action)) for action, count in phones.iter_rows()]
    if not counts:
        return ""
    lines = [f"| {count:,} | {words} |" for count, words in counts]
    only_planned = report.plan.held or report.outcome is None
    return "\n".join([f"| {'would be' if only_planned else 'people'} | |", "| ---: | --- |", *lines])


def _next_steps(report: Report) -> list[str]:
    plan, outcome = report.plan, report.outcome
    steps: list[str] = []
    if plan.held:
        steps.append(f"If that is right: `{report.approval}`")
    elif outcome is None and plan.mode != "undo":
        steps.append(f"If that is right: `rollcall import {plan.profile} FILE`")
    if outcome is not None:
        steps.append(f"Change by change: `rollcall show {outcome.run}`")
        if plan.summary["rejected"]:
            steps.append(f"The rejected rows, ready to mend: `rollcall failed {outcome.run}`")
        if outcome.status == "applied" and plan.mode != "undo":
            steps.append(f"To take it back: `rollcall undo {outcome.run}`")
    return steps
