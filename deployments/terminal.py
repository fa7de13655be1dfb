"""What a person sees on a terminal: the plan as a table, one summary line, issues with their rows.

Results go to stdout, talk goes to stderr; colours only on a terminal. Nothing that came from a CSV is ever markup.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

import polars as pl
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from deployments.visible import escaped, visible
from tasks.plan import Plan, summary_line
from tasks.report import Report

CHANGES_SHOWN: Final = 50
ISSUES_SHOWN: Final = 50
_STYLES: Final = {
    "create": "green",
    "update": "yellow",
    "remove": "red",
    "release": "red",
    "disable": "red",
    "enable": "green",
    "conflict": "magenta",
    "assign": "green",
    "move": "yellow",
    "error": "red",
    "warning": "yellow",
}
_CONTACT: Final = pl.format("contact {}", "contact")


class _Terminal(Console):
    """Makes every text visible where it is rendered, whoever made it: a cell, a message, a title."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich renders it, pictures in place of control characters."""
        if isinstance(renderable, str):
            renderable = visible(renderable)
        elif isinstance(renderable, Text):
            renderable = renderable.copy()
            renderable.plain = visible(renderable.plain)
        return super().render(renderable, options)


def out() -> Console:
    """Where results go. A pipe is as wide as it must be, so that nothing in it is folded."""
    return _Terminal(
        file=sys.stdout, highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 160
    )


def talk() -> Console:
    """Where everything else goes."""
    return _Terminal(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(value: Any) -> None:
    """One JSON value on stdout; what a terminal would obey is escaped, which is the same value."""
    sys.stdout.write(escaped(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def print_report(report: Report) -> None:
    """The plan, what came of it, what is wrong."""
    console = out()
    if report.plan.told.height:
        console.print(_changes_table(report.plan))
    if report.plan.phones.height:
        console.print(_phones_table(report.plan))
    print_issues(report.issues)
    if report.outcome is not None:
        console.print(Text(f"run {report.outcome.run}", style="dim"))
    console.print(_counts(report))
    if report.plan.held:
        console.print(Text(f"Held, nothing was written. {report.plan.held}", style="bold red"))
        console.print(f"If that is right: {report.approval}")


def print_issues(issues: pl.DataFrame) -> None:
    """Errors first, each with its place."""
    if issues.is_empty():
        return
    ordered = issues.sort("severity", "row", nulls_last=False, maintain_order=True)
    table = new_table("issues", "row", "line", "column", "code", "message")
    for issue in ordered.head(ISSUES_SHOWN).to_dicts():
        place = (str(issue[name]) if issue[name] is not None else "" for name in ("row", "line", "column"))
        table.add_row(*place, Text(issue["code"], style=_STYLES[issue["severity"]]), Text(issue["message"]))
    out().print(table)
    _more(issues.height - ISSUES_SHOWN, "issues", "--json lists all")


def _counts(report: Report) -> Text:
    line = summary_line(report.plan.summary)
    if report.outcome is None:
        return Text(f"would: {line}", style="bold")
    if report.outcome.status == "nothing":
        return Text(f"nothing to do: {line}", style="bold")
    return Text(line, style="bold")


def _changes_table(plan: Plan) -> Table:
    table = new_table("plan", "action", "login", "row", "field", "existing", "wanted")
    changes = plan.told.with_columns(login=pl.coalesce("login", _CONTACT)).drop("contact")
    for action, login, row, fields in changes.head(CHANGES_SHOWN).iter_rows():
        changed: dict[str, list[Any]] = json.loads(fields)
        lines = list(changed.items()) or [("", [None, None])]
        for at, (field, (existing, wanted)) in enumerate(lines):
            first = (Text(action, style=_STYLES[action]), Text(login), str(row or "")) if at == 0 else ("", "", "")
            table.add_row(*first, field, _value(existing), _value(wanted), end_section=at == len(lines) - 1)
    _more(changes.height - CHANGES_SHOWN, "changes", "--json lists all")
    return table


def _phones_table(plan: Plan) -> Table:
    table = new_table("phones", "action", "login", "phone", "mac", "before")
    for phone in plan.phones.head(CHANGES_SHOWN).to_dicts():
        cells = (phone["login"], phone["kind"], phone["mac"] or "", phone["before"] or "")
        table.add_row(Text(phone["action"], style=_STYLES[phone["action"]]), *(Text(cell) for cell in cells))
    return table


def print_users(users: list[dict[str, Any]]) -> None:
    """Who is in the phone system."""
    table = new_table("users", "login", "name", "extension", "email", "roles", "phones", "notes", "profile")
    for user in users:
        phones = ", ".join(device["name"] for device in user["devices"])
        notes = "; ".join(entry["notes"] for entry in user["phonebook"] if entry["notes"])
        owner = f"{user['profile'] or 'by hand'}{' (adopted)' if user['adopted'] else ''}"
        cells = (user["login"], user["display_name"], user["extension"] or "", user["email"], ", ".join(user["roles"]))
        table.add_row(*(Text(cell) for cell in (*cells, phones, notes, owner)))
    out().print(table if users else Text("No users yet. `rollcall import PROFILE FILE` brings them in."))


def print_contacts(contacts: list[dict[str, Any]]) -> None:
    """The phonebook entries without a user."""
    table = new_table("contacts", "name", "organisation", "phone", "mobile", "email", "labels", "profile")
    for contact in contacts:
        owner = f"{contact['profile'] or 'by hand'}{' (adopted)' if contact['adopted'] else ''}"
        owner += "" if contact["enabled"] else " (disabled)"
        labels = ", ".join(label["name"] for label in contact["labels"])
        cells = [contact[name] for name in ("display_name", "organisation", "phone", "mobile", "email")]
        table.add_row(*(Text(cell) for cell in (*cells, labels, owner)))
    out().print(
        table if contacts else Text("No contacts yet: they come from `phonebook` at the Structure's top level.")
    )


def print_phones(phones: list[dict[str, Any]]) -> None:
    """Which phones the phone system knows."""
    table = new_table("phones", "phone", "mac", "ip", "name", "login")
    for phone in phones:
        cells = (phone["kind"], phone["mac"] or "", phone["ip"], phone["name"], phone["login"] or "(nobody)")
        table.add_row(*(Text(cell) for cell in cells))
    out().print(table if phones else Text("No phones yet."))


def print_runs(runs: list[dict[str, Any]]) -> None:
    """What happened, newest first."""
    table = new_table("runs", "run", "kind", "profile", "started", "status", "summary", "by")
    for run in runs:
        counts = ". ".join(part for part in (run["summary"] and summary_line(run["summary"]), run["held"]) if part)
        cells = (run["run"], run["kind"], run["profile"], run["started"], run["status"], counts, run["actor"])
        table.add_row(*(Text(cell) for cell in cells))
    out().print(table if runs else Text("No runs yet."))


def print_story(changes: list[dict[str, Any]]) -> None:
    """Changes of a run, or of one person over all runs: then each with what became of its run, when and by whom."""
    of_runs = ("started", "status", "actor") if any("started" in change for change in changes) else ()
    columns = ("run", *of_runs, "action", "login", "row", "field", "existing", "wanted")
    table = new_table("changes", *({"actor": "by"}.get(name, name) for name in columns))
    for change in changes:
        who = change["login"] if change["login"] is not None else f"contact {change['contact']}"
        run = (change.get("run_id", ""), *(change[name] for name in of_runs))
        first = [Text(cell) for cell in (*run, change["action"], who, str(change["row"] or ""))]
        for field, (existing, wanted) in _lines_of(change):
            table.add_row(*first, field, _value(existing), _value(wanted))
            first = [Text()] * len(first)
    out().print(table)


def _lines_of(change: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    """What changed, a field or a phone a line."""
    lines = list(change["fields"].items())
    for phone in change["phones"]:
        device, went = phone["mac"] or phone["kind"], phone.get("login")
        lines.append((f"phone {phone['action']}", [device, f"to {went}"] if went else [phone["before"], device]))
    return lines or [("", [None, None])]


def new_table(title: str, *columns: str) -> Table:
    """A table as every command prints it."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _value(value: Any) -> Text:
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, list):
        return Text(", ".join(str(item) for item in value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text(str(value))


def _more(count: int, what: str, hint: str) -> None:
    if count > 0:
        talk().print(f"… and {count} more {what}; {hint}")
