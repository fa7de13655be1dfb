"""What a run replaced, kept so that it can be taken back: sealed secrets as they lay, and the accounts of devices."""

from typing import Any, Final

import sqlalchemy as sa

from tasks.store.connection import Connection
from tasks.store.tables import devices, import_records, run_changes, run_contacts, run_phones, run_secrets, users
from tasks.undo_history import History
from tasks.user import SECRET_FIELDS

_COLUMNS: Final = ("run_id", "login", "field", "before", "after", "fingerprint_before", "fingerprint_after")


def keep_secrets_of_gone(connection: Connection, staged: sa.TableClause, run_id: str) -> None:
    """The secrets of users who are removed. `staged` has `user_id`."""
    for field in SECRET_FIELDS:
        record = import_records.c[f"{field}_fingerprint"]
        source = (
            sa.select(
                *_key(run_id, users.c.login, field), users.c[field], sa.null(), sa.func.coalesce(record, ""), _NONE
            )
            .select_from(users.outerjoin(import_records, import_records.c.user_id == users.c.id))
            .where(users.c.id.in_(sa.select(staged.c.user_id)))
        )
        _keep(connection, source)


def keep_secrets_of_updated(connection: Connection, staged: sa.TableClause, run_id: str) -> None:
    """The secrets that an update replaces, and the fingerprints of whoever is disowned. Before anything is written."""
    for field in SECRET_FIELDS:
        record, changed = import_records.c[f"{field}_fingerprint"], staged.c[f"{field}_changed"] == sa.true()
        after = sa.case((changed, staged.c[field]), else_=users.c[field])
        after_print = sa.func.coalesce(staged.c[f"{field}_fingerprint"], record, "")
        source = (
            sa.select(
                *_key(run_id, staged.c.login, field),
                users.c[field],
                after,
                sa.func.coalesce(record, ""),
                after_print,
            )
            .select_from(
                staged.join(users, users.c.id == staged.c.user_id).outerjoin(
                    import_records, import_records.c.user_id == users.c.id
                )
            )
            .where(sa.or_(changed, staged.c.disown == sa.true()))
        )
        _keep(connection, source)


def device_accounts() -> dict[str, sa.ColumnElement[Any]]:
    """The sealed columns of a device that a history keeps."""
    return {name: devices.c[name] for name in ("sip_user", "sip_secret", "web_password", "web_password_fingerprint")}


def _key(run_id: str, login: sa.ColumnElement[Any], field: str) -> tuple[sa.ColumnElement[Any], ...]:
    return sa.literal(run_id), login, sa.literal(field)


def _keep(connection: Connection, source: Any) -> None:
    connection.execute(sa.insert(run_secrets).from_select(_COLUMNS, source))


_NONE: Final = sa.literal("")


def read_history(connection: Connection, run: dict[str, Any]) -> History:
    """What a run left behind, and the secrets of its people as they lie now."""
    run_id = run["id"]
    changes = connection.read(
        sa.select(run_changes.c.login, run_changes.c.action, run_changes.c.fields)
        .where(run_changes.c.run_id == run_id)
        .order_by(run_changes.c.position)
    )
    kept = connection.read(sa.select(run_secrets).where(run_secrets.c.run_id == run_id))
    phones = connection.read(sa.select(run_phones).where(run_phones.c.run_id == run_id).order_by(run_phones.c.position))
    contacts = connection.read(
        sa.select(run_contacts).where(run_contacts.c.run_id == run_id).order_by(run_contacts.c.position)
    )
    logins = sa.select(run_changes.c.login).where(run_changes.c.run_id == run_id)
    present = connection.read(sa.select(users.c.login, users.c.password, users.c.pin).where(users.c.login.in_(logins)))
    of_run = sa.select(run_phones.c.device_id).where(run_phones.c.run_id == run_id)
    passwords = connection.read(sa.select(devices.c.id, devices.c.web_password).where(devices.c.id.in_(of_run)))
    return History(
        run=run_id,
        profile=run["profile"],
        changes=changes.to_dicts(),
        secrets=kept.to_dicts(),
        phones=phones.to_dicts(),
        contacts=contacts.to_dicts(),
        present=present.to_dicts(),
        web_passwords=dict(passwords.iter_rows()),
    )
