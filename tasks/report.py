"""Report: what an import did, for a manager in one sentence and for a script in one object.

The object is the contract of `--json`; the same words stand on the terminal, in Prefect's UI and in the history.
"""

import json
from dataclasses import dataclass
from typing import Any

import polars as pl

from tasks.output import Output
from tasks.plan import Plan, summary_line
from tasks.run import Outcome
from tasks.step import step


@dataclass(frozen=True, kw_only=True)
class Report(Output):
    """A plan and what came of it; `outcome` is None for a simulation."""

    plan: Plan
    outcome: Outcome | None = None

    @property
    def headline(self) -> str:
        """One sentence: what happened, and the counts."""
        counts = summary_line(self.plan.summary)
        if self.plan.held and (self.outcome is None or self.outcome.status == "held"):
            return f"Held: {counts}. {self.plan.held}"
        if self.outcome is None:
            return f"Would do: {counts}."
        if self.outcome.status == "nothing":
            return f"Nothing to do: {counts}."
        return f"Done: {counts}."

    @property
    def approval(self) -> str:
        """The command that lets the held plan pass."""
        plan = self.plan
        what = f"undo {plan.facts.digest}" if plan.mode == "undo" else f"import {plan.profile} FILE"
        return f"rollcall {what} --approve {plan.checksum}"

    def document(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        plan, outcome = self.plan, self.outcome
        return {
            "profile": plan.profile,
            "run": outcome.run if outcome else None,
            "applied": bool(outcome and outcome.applied),
            "checksum": plan.checksum,
            "held": plan.held,
            "summary": plan.summary,
            "changes": change_documents(plan.told),
            "phones": plan.phones.select("action", "login", "kind", "mac").to_dicts(),
            "issues": issue_documents(plan.issues),
        }


def report_import(plan: Plan, outcome: Outcome | None) -> Report:
    """The report of a plan that was simulated (no outcome), applied or held; apply may have made it again."""
    plan = (outcome and outcome.remade) or plan
    return Report(plan=plan, outcome=outcome, issues=plan.issues, aside=plan.aside)


def change_documents(told: pl.DataFrame) -> list[dict[str, Any]]:
    """Changes as `--json` prints them; that of a contact has no login, but a name under `contact`.

    Shape: `told` as `Plan.told`.
    """
    return [
        {
            "action": action,
            "login": login,
            **({} if contact is None else {"contact": contact}),
            "row": row,
            "fields": json.loads(fields),
        }
        for action, login, contact, row, fields in told.iter_rows()
    ]


def issue_documents(issues: pl.DataFrame) -> list[dict[str, Any]]:
    """Issues as `--json` prints them, in the order of the rows."""
    columns = ["row", "line", "column", "code", "severity", "message"]
    return issues.select(columns).sort("row", maintain_order=True, nulls_last=False).to_dicts()


report = step("report", version=1, cached=False)(report_import)
