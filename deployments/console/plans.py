"""A sealed plan as its pages show it: counted, filtered, searched, a page at a time. The last few stay opened."""

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import polars as pl

from deployments.console.jobs import Jobs
from tasks.keyring import SealError
from tasks.report import change_documents
from tasks.sealed import open_result
from tasks.store.pages import Cut, Page

OPENED: Final = 4


@dataclass(frozen=True)
class ShownPlan:
    """What a simulation found; see `deployments.console.work.keep_plan`."""

    head: dict[str, Any]
    changes: pl.DataFrame
    phones: pl.DataFrame
    issues: pl.DataFrame

    @property
    def actions(self) -> dict[str, int]:
        """How many changes there are of each action."""
        return dict(self.changes.group_by("action", maintain_order=True).len().rows())

    @property
    def codes(self) -> list[dict[str, Any]]:
        """Each code of the issues with its severity and number, errors first, the most frequent first."""
        counted = self.issues.group_by("code", "severity", maintain_order=True).len("count")
        return counted.sort(["severity", "count"], descending=[False, True]).to_dicts()

    def page_of_changes(self, cut: Cut) -> Page:
        """Changes in the plan's order."""
        found = self.changes
        if cut.only:
            found = found.filter(pl.col("action") == cut.only)
        if cut.search:
            text = cut.search.lower()
            found = found.filter(
                pl.coalesce("login", pl.col("contact").str.to_lowercase()).str.contains(text, literal=True)
                | pl.col("fields")
                .str.to_lowercase()
                .str.contains(json.dumps(text, ensure_ascii=False)[1:-1], literal=True)
            )
        rows = found.slice(cut.offset, cut.limit).to_dicts()
        return Page([{**row, "fields": json.loads(row["fields"])} for row in rows], found.height)

    def page_of_phones(self, cut: Cut) -> Page:
        """What becomes of the phones."""
        found = self.phones
        if cut.search:
            text = cut.search.lower()
            found = found.filter(
                pl.col("login").str.contains(text, literal=True)
                | pl.col("mac").fill_null("").str.contains(text.replace(":", "").replace("-", ""), literal=True)
            )
        return Page(found.slice(cut.offset, cut.limit).to_dicts(), found.height)

    def page_of_issues(self, cut: Cut) -> Page:
        """What there is to say about rows; `only` is a code."""
        found = self.issues
        if cut.only:
            found = found.filter(pl.col("code") == cut.only)
        if cut.search:
            found = found.filter(pl.col("message").str.to_lowercase().str.contains(cut.search.lower(), literal=True))
        return Page(found.slice(cut.offset, cut.limit).to_dicts(), found.height)

    def document(self, profile: str) -> dict[str, Any]:
        """The plan as `--json` prints it."""
        return {
            "profile": profile,
            "run": None,
            "applied": False,
            **{name: self.head[name] for name in ("checksum", "held", "summary")},
            "changes": change_documents(self.changes),
            "phones": self.phones.select("action", "login", "kind", "mac").to_dicts(),
            "issues": self.issues.to_dicts(),
        }


class Plans:
    """Opens sealed plans; a page of 100,000 changes must not wait for decryption each time."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._opened: OrderedDict[str, ShownPlan] = OrderedDict()
        self._lock = Lock()

    def of(self, job_id: str) -> ShownPlan | None:
        """The plan of a job; None where there is none (any more), or no key opens it."""
        path = self._jobs.place(job_id) / "plan"
        if not path.is_file():
            return None
        with self._lock:
            if job_id not in self._opened:
                try:
                    content = open_result(path.read_bytes(), self._jobs.keyring)
                except (FileNotFoundError, SealError):
                    return None
                frames = {name: content.pop(name) for name in ("changes", "phones", "issues")}
                self._opened[job_id] = ShownPlan(content, **frames)
            self._opened.move_to_end(job_id)
            while len(self._opened) > OPENED:
                self._opened.popitem(last=False)
            return self._opened[job_id]
