"""The tables and views of the SIP registrar, under the names that Kamailio and Asterisk know.

The views are the contract; the tables behind them are Rollcall's own and may change.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from tasks.store.connection import Connection

SCHEMA: Final = "1"
ATTACHED: Final = "registrar"
TABLES: Final = sa.MetaData()

sip_accounts = sa.Table(
    "sip_accounts",
    TABLES,
    sa.Column("username", sa.Text, primary_key=True),
    sa.Column("realm", sa.Text, nullable=False),
    sa.Column("ha1", sa.Text, nullable=False),
    sa.Column("ha1b", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("extension", sa.Text, nullable=False, index=True),
    sa.Column("seal", sa.Text, nullable=False),
)
"""`seal` names the sealed secret that HA1 was made of (its key and nonce): another one means another secret."""

sip_tables = sa.Table(
    "sip_tables",
    TABLES,
    sa.Column("table_name", sa.Text, primary_key=True),
    sa.Column("table_version", sa.Integer, nullable=False),
)
"""Kamailio refuses a table whose version it does not know."""

sip_facts = sa.Table(
    "sip_facts",
    TABLES,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Under which schema, realm and generation of the phone system the accounts were written."""

_KAMAILIO_VERSIONS: Final = {"subscriber": 7, "dbaliases": 1}

VIEWS: Final = {
    "version": "SELECT table_name, table_version FROM sip_tables",
    "subscriber": "SELECT username, realm AS domain, ha1, ha1b, '' AS password, display_name, extension "
    "FROM sip_accounts",
    "dbaliases": "SELECT extension AS alias_username, realm AS alias_domain, username, realm AS domain "
    "FROM sip_accounts WHERE extension <> ''",
    "ps_endpoints": "SELECT username AS id, username AS aors, username AS auth, 'from-phones' AS context, "
    "'all' AS disallow, 'g722,alaw,ulaw' AS allow, 'no' AS direct_media, "
    "'\"' || display_name || '\" <' || extension || '>' AS callerid FROM sip_accounts",
    "ps_auths": "SELECT username AS id, 'md5' AS auth_type, username, realm, ha1 AS md5_cred FROM sip_accounts",
    "ps_aors": "SELECT username AS id, 1 AS max_contacts, 'yes' AS remove_existing FROM sip_accounts",
}
"""Source: Kamailio 5.6 modules auth_db and alias_db; Asterisk res_pjsip (endpoint, auth, aor) by sorcery realtime."""


def create_registrar(connection: Connection) -> None:
    """The registrar's tables and views, empty, in the file that SQLite attaches; a migration makes PostgreSQL's."""
    tables = sa.MetaData()
    for table in TABLES.sorted_tables:
        placed = table.to_metadata(tables, schema=ATTACHED)
        connection.execute(CreateTable(placed))
        for index in placed.indexes:
            connection.execute(CreateIndex(index))
    for name, query in VIEWS.items():
        connection.execute(f"CREATE VIEW {ATTACHED}.{name} AS {query}")
    for name, number in _KAMAILIO_VERSIONS.items():
        connection.execute(sa.insert(sip_tables).values(table_name=name, table_version=number))
    connection.execute(sa.insert(sip_facts).values(key="schema", value=SCHEMA))
