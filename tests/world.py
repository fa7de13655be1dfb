"""A phone system to test against: a real database, real steps as plain functions, CSV text in, users out."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from flows.order import Job, as_function, run_import, simulate_import
from flows.request import UndoRequest, new_run, now, open_undo
from flows.undo_order import UndoJob, run_undo, simulate_undo_of
from tasks.fetch import FetchRequest
from tasks.profile import Profile
from tasks.profile_file import load_profile
from tasks.report import Report
from tasks.settings import Settings
from tasks.snapshot import Circumstances
from tasks.store.store import Store, open_store
from tasks.store.views import list_contacts, list_phones, list_runs, list_users, show_login, show_run

TEMPLATE = Path(__file__).parent.parent / "tasks" / "template" / "users-from-csv.yaml"
SEED = Path(__file__).parent.parent / "profiles" / "samples" / "users.csv"


class World:
    """One installation in a folder of its own."""

    def __init__(self, home: Path, database_url: str | None = None) -> None:
        self.home = home
        self.settings = Settings(
            home=home, database_url=SecretStr(database_url) if database_url else None, key=SecretStr("11" * 32)
        )
        self.store: Store = open_store(self.settings)
        self.serial = 0

    def reopened(self, **settings: Any) -> None:
        """The same installation, with other settings, as the next command finds it."""
        self.settings = self.settings.model_copy(update=settings)
        self.store = open_store(self.settings)

    def profile(self, name: str = "users", **changes: Any) -> Profile:
        """The template's profile with other settings."""
        template = load_profile(TEMPLATE)
        return Profile.model_validate({**template.model_dump(), "name": name, **changes})

    def job(self, text: str | bytes, profile: Profile | None = None, **settings: Any) -> Job:
        """An import of this text."""
        self.serial += 1
        file = self.home / f"upload-{self.serial}.csv"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        profile = profile or self.profile()
        run = replace(new_run(profile), id=f"run-{self.serial:03}", started=f"{datetime.now(UTC).isoformat()}")
        return Job(
            profile=profile,
            request=FetchRequest(profile=profile, file=file),
            store=self.store,
            run=run,
            clock=now,
            **{"circumstances": Circumstances(today=now()[:10]), **settings},
        )

    def simulate(self, text: str | bytes, profile: Profile | None = None) -> Report:
        """The plan for this text."""
        return simulate_import(self.job(text, profile))

    def imports(self, text: str | bytes, profile: Profile | None = None, **settings: Any) -> Report:
        """Imports this text, as `rollcall import` does, without Prefect."""
        return run_import(self.job(text, profile, **settings), as_function)

    def undo(self, run: str, approve: str | None = None) -> Report:
        """Takes a run back, as `rollcall undo` does, without Prefect."""
        return run_undo(self.undo_job(run, approve), as_function)

    def simulate_undo(self, run: str) -> Report:
        """The plan of an undo."""
        return simulate_undo_of(self.undo_job(run))

    def undo_job(self, run: str, approve: str | None = None) -> UndoJob:
        """An undo of this run."""
        self.serial += 1
        job = open_undo(UndoRequest(run=run, approve=approve), self.settings)
        applying = replace(job.applying, run=replace(job.applying.run, id=f"run-{self.serial:03}"))
        return replace(job, applying=applying)

    def users(self) -> dict[str, dict[str, Any]]:
        """Who is there, by login."""
        with self.store.open() as connection:
            return {user["login"]: user for user in list_users(connection)}

    def contacts(self) -> dict[str, dict[str, Any]]:
        """The contacts, by display name."""
        with self.store.open() as connection:
            return {contact["display_name"]: contact for contact in list_contacts(connection)}

    def phones(self) -> dict[str, dict[str, Any]]:
        """The phones, by MAC, or by kind and login."""
        with self.store.open() as connection:
            return {phone["mac"] or f"{phone['kind']} {phone['login']}": phone for phone in list_phones(connection)}

    def runs(self) -> list[dict[str, Any]]:
        """The history, newest first."""
        with self.store.open() as connection:
            return list_runs(connection)

    def run(self, run: str) -> dict[str, Any]:
        """One run, change by change."""
        with self.store.open() as connection:
            found = show_run(connection, run)
        assert found is not None
        return found

    def story(self, login: str) -> list[dict[str, Any]]:
        """One person's changes."""
        with self.store.open() as connection:
            return show_login(connection, login)

    def by_hand(self, *statements: Any) -> None:
        """Changes the phone system behind Rollcall's back."""
        with self.store.open() as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def connection(self) -> Any:
        """A connection of one's own."""
        return self.store.open()


def counts(report: Report) -> dict[str, int]:
    """The outcomes that are not zero."""
    return {name: count for name, count in report.plan.summary.items() if count and not name.startswith("phones_")}


def codes(report: Report) -> list[tuple[int | None, str | None, str]]:
    """Row, column and code of every issue."""
    return [(issue["row"], issue["column"], issue["code"]) for issue in report.document()["issues"]]


def people(*rows: str, header: str = "username,displayname") -> str:
    """A CSV."""
    return "\n".join([header, *rows, ""])


def two_mobiles(structure: str) -> str:
    """The template's Structure with a mobile device for each of `mobile` and `homephone` that is filled."""
    one = '"externals": [{ "number": "{{{mobile}}}" }]'
    assert one in structure
    first, second = (
        '{{#if NAME}}{ "number": "{{{NAME}}}" }{{/if}}'.replace("NAME", it) for it in ("mobile", "homephone")
    )
    return structure.replace(one, f'"externals": [{first},{second}]')


def with_devices(world: World, blocks: str) -> Profile:
    """A profile whose rows become a person with these devices."""
    identity = '"003use_name": "{{{username}}}", "003use_bez": "{{{displayname}}}"'
    return world.profile(structure=f'{{"identity": [{{{identity}, "post": {{{blocks}}}}}]}}')
