"""The phone system's tables, as SQLAlchemy Core: they define the schema and compile the SQL; ADBC runs it.

Booleans are Boolean, times are ISO 8601 text in UTC (sortable on both databases), sealed values are binary, JSON is
text. A fingerprint stands beside a sealed value, so that change is seen without opening it.
"""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()


def _of_user() -> sa.ForeignKey:
    return sa.ForeignKey("users.id", ondelete="CASCADE")


meta = sa.Table(
    "meta",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

users = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, unique=True),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("auth_method", sa.Text, nullable=False, server_default="mobydick"),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("password", sa.LargeBinary),
    sa.Column("pin", sa.LargeBinary),
)

extensions = sa.Table(
    "extensions",
    METADATA,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Integer, _of_user(), unique=True),
    sa.Column("kind", sa.Text, nullable=False, server_default="user"),
    sa.Column("automatic", sa.Boolean, nullable=False, server_default=sa.false()),
)

resting_extensions = sa.Table(
    "resting_extensions",
    METADATA,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("login", sa.Text, nullable=False),
    sa.Column("freed", sa.Text, nullable=False),
)

voicemail_boxes = sa.Table(
    "voicemail_boxes",
    METADATA,
    sa.Column("user_id", sa.Integer, _of_user(), primary_key=True),
    sa.Column("email", sa.Text, nullable=False, server_default=""),
)

phonebook = sa.Table(
    "phonebook",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.Integer, _of_user()),
    sa.Column("position", sa.Integer, nullable=False, server_default="1"),
    sa.Column("display_name", sa.Text, nullable=False),
    *(
        sa.Column(name, sa.Text, nullable=False, server_default="")
        for name in (
            "first_name",
            "last_name",
            "organisation",
            "email",
            "phone",
            "mobile",
            "home_phone",
            "fax",
            "notes",
        )
    ),
    sa.Column("labels", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("user_id", "position"),
)

contact_records = sa.Table(
    "contact_records",
    METADATA,
    sa.Column("entry_id", sa.Integer, sa.ForeignKey("phonebook.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("missing_since", sa.Text),
    sa.UniqueConstraint("profile", "key"),
)
"""Whose the phonebook entries without a user are, and by which key their profile knows them again."""

roles = sa.Table(
    "roles",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
)

user_roles = sa.Table(
    "user_roles",
    METADATA,
    sa.Column("user_id", sa.Integer, _of_user(), primary_key=True),
    sa.Column("role_id", sa.Integer, sa.ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)

devices = sa.Table(
    "devices",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("mac", sa.Text, unique=True),
    sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="SET NULL"), index=True),
    *(
        sa.Column(name, sa.Text, nullable=False, server_default="")
        for name in ("ip", "name", "number", "web_user", "web_password_fingerprint")
    ),
    sa.Column("web_password", sa.LargeBinary),
    sa.Column("sip_user", sa.Text, unique=True),
    sa.Column("sip_secret", sa.LargeBinary),
    *(
        sa.Column(name, sa.Integer, nullable=False, server_default=default)
        for name, default in (
            ("internal_delay_seconds", "0"),
            ("internal_timeout_seconds", "999"),
            ("external_delay_seconds", "0"),
            ("external_timeout_seconds", "999"),
            ("queue_delay_seconds", "0"),
            ("queue_timeout_seconds", "999"),
        )
    ),
)

import_records = sa.Table(
    "import_records",
    METADATA,
    sa.Column("user_id", sa.Integer, _of_user(), primary_key=True),
    sa.Column("profile", sa.Text, nullable=False, index=True),
    sa.Column("adopted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("password_fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("pin_fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("missing_since", sa.Text),
    sa.Column("was_enabled", sa.Boolean, nullable=False, server_default=sa.true()),
)
"""`was_enabled`: whether somebody who is missing was enabled before, and is to be again when he is back."""

runs = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("profile", sa.Text, nullable=False, index=True),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("started", sa.Text, nullable=False),
    sa.Column("finished", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("checksum", sa.Text, nullable=False, server_default=""),
    sa.Column("held", sa.Text),
    sa.Column("source", sa.Text, nullable=False, server_default="{}"),
    sa.Column("actor", sa.Text, nullable=False, server_default=""),
    sa.Column("profile_digest", sa.Text, nullable=False, server_default=""),
    sa.Column("version", sa.Text, nullable=False, server_default=""),
    sa.Column("undoes", sa.Text),
)

run_changes = sa.Table(
    "run_changes",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("row", sa.Integer),
    sa.Column("fields", sa.Text, nullable=False),
)
"""`fields` is JSON of field to [before, after]; secrets are masked there and stand, sealed, in `run_secrets`."""

run_contacts = sa.Table(
    "run_contacts",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("contact", sa.Text, nullable=False),
    sa.Column("entry_id", sa.Integer),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("row", sa.Integer),
    sa.Column("fields", sa.Text, nullable=False),
)
"""What a run did to contacts; `contact` is the display name; `entry_id` is null for one that the run made."""

run_secrets = sa.Table(
    "run_secrets",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("login", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("before", sa.LargeBinary),
    sa.Column("after", sa.LargeBinary),
    sa.Column("fingerprint_before", sa.Text, nullable=False, server_default=""),
    sa.Column("fingerprint_after", sa.Text, nullable=False, server_default=""),
)
"""The sealed values that a run replaced and wrote, as they lay in `users`: undo puts them back without opening them."""

run_phones = sa.Table(
    "run_phones",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("login", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("mac", sa.Text),
    sa.Column("before", sa.Text),
    sa.Column("fields", sa.Text, nullable=False),
    sa.Column("sip_user", sa.Text),
    sa.Column("sip_secret", sa.LargeBinary),
    sa.Column("web_password", sa.LargeBinary),
    sa.Column("web_password_fingerprint", sa.Text, nullable=False, server_default=""),
    sa.Column("device_id", sa.Integer),
    sa.Column("web_password_after", sa.LargeBinary),
    sa.Column("web_password_fingerprint_after", sa.Text, nullable=False, server_default=""),
)
"""`before` is the login that had the device; account and web password are those of the device before the run, none
where the run made it; `device_id` outlives its device, and is given to no other one."""

run_issues = sa.Table(
    "run_issues",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("row", sa.Integer),
    sa.Column("line", sa.Integer),
    sa.Column("column", sa.Text),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
)

run_files = sa.Table(
    "run_files",
    METADATA,
    sa.Column("run_id", sa.Text, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("expires", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""What a run must keep for a while, sealed: `failed` rows, the `source` of a held plan."""
