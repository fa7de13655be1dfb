"""`rollcall export` and `rollcall reveal`: what leaves the phone system, and under which conditions."""

import hashlib
import json
import sys
from dataclasses import replace
from typing import Any

import polars as pl
import sqlalchemy as sa

from deployments.terminal import print_json, talk
from deployments.visible import visible
from flows.order import simulate_import
from flows.request import ImportRequest, new_audited_run, now, open_job
from tasks.counts import number_of
from tasks.errors import WrongUseError
from tasks.export import contact_fields, export_csv, export_fields, export_io_json
from tasks.fetch import FetchRequest
from tasks.mapping import mapping_of
from tasks.output import Source, SourceFacts
from tasks.plan import Plan, summary_line
from tasks.profile import Profile
from tasks.profile_file import find_profile, load_profile, load_template
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

    A CSV leaves out whom an import disabled: there, it would enable them again. Without a profile its columns are the
    template's.

    Raises: WrongUseError for secrets in a CSV, and for what no CSV of the profile can hold.
    """
    if with_secrets and form == "csv":
        raise WrongUseError("secrets-in-csv", "--with-secrets goes with --format io-json; a CSV leaves them empty.")
    store = open_store(settings)
    path = find_profile(profile, settings) if profile else None
    with store.open() as connection:
        snapshot = read_snapshot(connection, path.stem if path else "")
        people, entries = snapshot.users.sort("login"), snapshot.contacts.sort("display_name", "phone", "entry_id")
        if path:
            people, entries = (frame.filter(pl.col("profile") == path.stem) for frame in (people, entries))
        phones = _by_login(snapshot.devices)
        rows = people.to_dicts()
        if with_secrets:
            _open_secrets(connection, store, rows)
    if form == "io-json":
        print_json(export_io_json(rows, phones, entries.to_dicts()))
        return
    loaded = load_profile(path) if path else load_template()
    text = _csv_of(people, entries, phones, loaded)
    written = _encoded(text, loaded, snapshot.last)
    if profile and (people.height or entries.height):
        _prove(written, profile, settings, is_mixed=bool(people.height and entries.height))
    if sys.stdout.isatty():
        sys.stdout.write(visible(text.replace("\r\n", "\n")))
    else:
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()


def _csv_of(
    people: pl.DataFrame, entries: pl.DataFrame, phones: dict[str, list[dict[str, Any]]], profile: Profile
) -> str:
    """The text of the CSV.

    Raises: WrongUseError for a value that the dialect cannot hold.
    """
    people, entries = _without_disabled(people, "user"), _without_disabled(entries, "contact")
    fields = [export_fields(row, _ip_phone(phones.get(row["login"], []))) for row in people.to_dicts()]
    if any(field.startswith("contact.") for field in mapping_of(profile).structure.printed_reads):
        fields += [contact_fields(contact) for contact in entries.to_dicts()]
    elif entries.height:
        left_out = number_of(entries.height, "contact")
        talk().print(f"Left out: {left_out}, for which these columns have no place. See io-json.")
    return export_csv(fields, profile)


def _encoded(text: str, profile: Profile, last: SourceFacts | None) -> bytes:
    """The CSV in the encoding of the profile, or in that of its last file where the profile finds it out.

    Raises: WrongUseError for a value that the encoding cannot hold.
    """
    codec = profile.encoding if profile.encoding != "auto" else last.encoding if last and last.encoding else "utf-8"
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise WrongUseError(
            "export-not-encodable",
            f"U+{ord(text[error.start]):04X} stands in a value and not in {codec}, the encoding of the profile. "
            "Choose another encoding there, or use --format io-json.",
        ) from None


def _without_disabled(frame: pl.DataFrame, what: str) -> pl.DataFrame:
    present = frame.filter(pl.col("missing_since").is_null())
    if present.height < frame.height:
        left_out = number_of(frame.height - present.height, what)
        talk().print(f"Left out: {left_out}, whom an import disabled as missing.")
    return present


def _prove(written: bytes, profile: str, settings: Settings, *, is_mixed: bool) -> None:
    """Lets a CSV pass only when it would import again with no change."""
    facts = SourceFacts(name="export", digest=hashlib.sha256(written).hexdigest(), size_bytes=len(written))
    job = open_job(ImportRequest(profile=profile), settings)
    source = Source(data=written, facts=facts)

    def exported(_: FetchRequest) -> Source:
        return source

    plan = simulate_import(replace(job, fetching=exported)).plan
    if not plan.writes and plan.clean:
        if plan.held:
            talk().print(f"An import of it would be held: {plan.held}")
        return
    if is_mixed:
        raise WrongUseError(
            "export-mixed",
            "This profile makes people and contacts of the same rows, which a CSV of separate rows cannot tell. "
            "Use --format io-json.",
        )
    raise WrongUseError(
        "export-not-invertible",
        f"No CSV of this profile imports again with no change: it would be {summary_line(plan.summary)}. {_why(plan)} "
        "Use --format io-json.",
    )


def _why(plan: Plan) -> str:
    """What an import of the export would do first, or say first."""
    errors = plan.issues.filter(pl.col("severity") == "error")["message"]
    if not plan.writes and errors.len():
        return f"{errors[0]}."
    for action, login, contact, _, fields in plan.told.filter(pl.col("action") != "conflict").iter_rows():
        return f"First: {action} {login or contact} ({', '.join(json.loads(fields)) or 'phones'})."
    return ""


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
