"""`rollcall export` and `rollcall reveal`: what leaves the phone system, and under which conditions."""

import hashlib
import sys
from dataclasses import replace
from typing import Any

import polars as pl
import sqlalchemy as sa

from deployments.terminal import print_json, talk
from flows.order import simulate_import
from flows.request import ImportRequest, new_audited_run, now, open_job
from tasks.errors import WrongUseError
from tasks.export import contact_fields, export_csv, export_fields, export_io_json
from tasks.fetch import FetchRequest
from tasks.output import Source, SourceFacts
from tasks.profile import Profile
from tasks.profile_file import find_profile, load_profile
from tasks.settings import Settings
from tasks.store.connection import Connection
from tasks.store.provision import find_softphone
from tasks.store.read import read_snapshot
from tasks.store.runs import write_audited_run
from tasks.store.store import Store, open_store
from tasks.store.tables import users
from tasks.user import SECRET_FIELDS


def export_users(profile: str | None, form: str, settings: Settings, *, with_secrets: bool) -> None:
    """Writes the users and contacts of a profile, or all of them, to stdout.

    Raises: WrongUseError for secrets in a CSV, and for people and contacts that no CSV of the profile can hold.
    """
    if with_secrets and form == "csv":
        raise WrongUseError("secrets-in-csv", "--with-secrets goes with --format io-json; a CSV leaves them empty.")
    store = open_store(settings)
    path = find_profile(profile, settings) if profile else None
    with store.open() as connection:
        snapshot = read_snapshot(connection, path.stem if path else "")
        people = snapshot.users.sort("login")
        people = people.filter(pl.col("profile") == path.stem) if path else people
        rows = people.to_dicts()
        entries = snapshot.contacts.sort("display_name", "phone", "entry_id")
        contacts = (entries.filter(pl.col("profile") == path.stem) if path else entries).to_dicts()
        phones = _by_login(snapshot.devices)
        if with_secrets:
            _open_secrets(connection, store, rows)
    if form == "io-json":
        print_json(export_io_json(rows, phones, contacts))
        return
    template = load_profile(path) if path else load_profile(find_profile("users-from-csv", settings))
    fields = [export_fields(row, _ip_phone(phones.get(row["login"], []))) for row in rows]
    if path is None or not contacts:
        sys.stdout.write(export_csv(fields, template))
        return
    text = export_csv([*fields, *(contact_fields(contact) for contact in contacts)], template)
    if fields:
        _prove(text, template, settings)
    sys.stdout.write(text)


def _prove(text: str, profile: Profile, settings: Settings) -> None:
    """Lets a CSV that holds people and contacts pass only when it would import again with no change."""
    facts = SourceFacts(name="export", digest=hashlib.sha256(text.encode()).hexdigest(), size_bytes=len(text.encode()))
    job = open_job(ImportRequest(profile=profile.name), settings)
    codec = "utf-8" if profile.encoding == "auto" else profile.encoding
    source = Source(data=text.encode(codec), facts=facts)

    def exported(_: FetchRequest) -> Source:
        return source

    plan = simulate_import(replace(job, fetching=exported)).plan
    if plan.writes or not plan.clean:
        raise WrongUseError(
            "export-mixed",
            "This profile makes people and contacts of the same rows, which a CSV of separate rows cannot tell. "
            "Use --format io-json.",
        )


def reveal_login(login: str, settings: Settings) -> None:
    """Shows a person's pin, initial password and softphone account, on a terminal only; it stands in the history.

    Raises: WrongUseError when there is no such user, or nobody is looking.
    """
    if not sys.stdout.isatty():
        raise WrongUseError("reveal-terminal", "Secrets are shown on a terminal only; run it there, without a pipe.")
    store = open_store(settings)
    with store.open() as connection:
        rows = [{"login": login}]
        _open_secrets(connection, store, rows)
        if "password" not in rows[0]:
            raise WrongUseError("login-unknown", f"There is no user {login}. `rollcall users` lists who there is.")
        softphone = find_softphone(connection, login, store.keyring)
        write_audited_run(connection, new_audited_run("reveal"), now(), login)
        connection.commit()
    talk().print(f"{login}: pin {rows[0]['pin'] or 'none'}, initial password {rows[0]['password'] or 'none'}")
    if softphone is not None:
        talk().print("softphone, to be typed in:")
        for what, value in {
            "SIP user": softphone.sip_user,
            "secret": softphone.sip_secret,
            "realm": settings.sip_realm,
            "registrar": settings.sip_registrar or "see ROLLCALL_SIP_REGISTRAR",
            "transport": settings.sip_transport,
        }.items():
            talk().print(f"  {what:10}{value}")


def _open_secrets(connection: Connection, store: Store, rows: list[dict[str, Any]]) -> None:
    logins = [row["login"] for row in rows]
    sealed = connection.read(sa.select(users.c.login, *(users.c[field] for field in SECRET_FIELDS)))
    sealed = sealed.filter(pl.col("login").is_in(logins))
    opened = {
        field: store.keyring.open_series(sealed[field], sealed["login"], table="users", column=field).to_list()
        for field in SECRET_FIELDS
    }
    by_login = {login: at for at, login in enumerate(sealed["login"].to_list())}
    for row in rows:
        at = by_login.get(row["login"])
        if at is not None:
            row |= {field: opened[field][at] for field in SECRET_FIELDS}


def _by_login(devices: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in devices.drop_nulls("login").sort("kind", "mac").to_dicts():
        found.setdefault(row["login"], []).append(row)
    return found


def _ip_phone(phones: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((phone for phone in phones if phone["kind"] == "ip_phone"), None)
