CREATE TABLE meta (
    "key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key")
);

CREATE TABLE resting_extensions (
    number TEXT NOT NULL, login TEXT NOT NULL, freed TEXT NOT NULL, PRIMARY KEY (number)
);

CREATE TABLE roles (
    id SERIAL NOT NULL, name TEXT NOT NULL, PRIMARY KEY (id), UNIQUE (name)
);

CREATE TABLE runs (
    id TEXT NOT NULL, kind TEXT NOT NULL, profile TEXT NOT NULL, mode TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT, status TEXT NOT NULL, summary TEXT NOT NULL, checksum TEXT DEFAULT '' NOT NULL, held TEXT,
    source TEXT DEFAULT '{}' NOT NULL, actor TEXT DEFAULT '' NOT NULL, profile_digest TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL, undoes TEXT, PRIMARY KEY (id)
);

CREATE INDEX ix_runs_profile ON runs (profile);

CREATE TABLE users (
    id SERIAL NOT NULL, login TEXT NOT NULL, display_name TEXT NOT NULL,
    auth_method TEXT DEFAULT 'mobydick' NOT NULL, enabled BOOLEAN DEFAULT true NOT NULL, password BYTEA,
    pin BYTEA, PRIMARY KEY (id), UNIQUE (login)
);

CREATE TABLE devices (
    id SERIAL NOT NULL, kind TEXT NOT NULL, mac TEXT, user_id INTEGER, ip TEXT DEFAULT '' NOT NULL,
    name TEXT DEFAULT '' NOT NULL, number TEXT DEFAULT '' NOT NULL, web_user TEXT DEFAULT '' NOT NULL,
    web_password_fingerprint TEXT DEFAULT '' NOT NULL, web_password BYTEA, sip_user TEXT, sip_secret BYTEA,
    internal_delay_seconds INTEGER DEFAULT '0' NOT NULL,
    internal_timeout_seconds INTEGER DEFAULT '999' NOT NULL,
    external_delay_seconds INTEGER DEFAULT '0' NOT NULL,
    external_timeout_seconds INTEGER DEFAULT '999' NOT NULL, queue_delay_seconds INTEGER DEFAULT '0' NOT NULL,
    queue_timeout_seconds INTEGER DEFAULT '999' NOT NULL, PRIMARY KEY (id), UNIQUE (mac),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE SET NULL, UNIQUE (sip_user)
);

CREATE INDEX ix_devices_user_id ON devices (user_id);

CREATE TABLE extensions (
    number TEXT NOT NULL, user_id INTEGER, kind TEXT DEFAULT 'user' NOT NULL,
    automatic BOOLEAN DEFAULT false NOT NULL, PRIMARY KEY (number), UNIQUE (user_id),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE import_records (
    user_id INTEGER NOT NULL, profile TEXT NOT NULL, adopted BOOLEAN DEFAULT false NOT NULL,
    password_fingerprint TEXT DEFAULT '' NOT NULL, pin_fingerprint TEXT DEFAULT '' NOT NULL, missing_since TEXT,
    PRIMARY KEY (user_id), FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX ix_import_records_profile ON import_records (profile);

CREATE TABLE phonebook (
    id SERIAL NOT NULL, user_id INTEGER, position INTEGER DEFAULT '1' NOT NULL, display_name TEXT NOT NULL,
    first_name TEXT DEFAULT '' NOT NULL, last_name TEXT DEFAULT '' NOT NULL,
    organisation TEXT DEFAULT '' NOT NULL, email TEXT DEFAULT '' NOT NULL, phone TEXT DEFAULT '' NOT NULL,
    mobile TEXT DEFAULT '' NOT NULL, home_phone TEXT DEFAULT '' NOT NULL, fax TEXT DEFAULT '' NOT NULL,
    notes TEXT DEFAULT '' NOT NULL, labels TEXT DEFAULT '' NOT NULL, PRIMARY KEY (id),
    UNIQUE (user_id, position), FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE run_changes (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, login TEXT NOT NULL, action TEXT NOT NULL, "row" INTEGER,
    fields TEXT NOT NULL, PRIMARY KEY (run_id, position), FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE INDEX ix_run_changes_login ON run_changes (login);

CREATE TABLE run_files (
    run_id TEXT NOT NULL, kind TEXT NOT NULL, expires TEXT NOT NULL, content BYTEA NOT NULL,
    PRIMARY KEY (run_id, kind), FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE run_issues (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, "row" INTEGER, line INTEGER, "column" TEXT,
    code TEXT NOT NULL, severity TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE run_phones (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, login TEXT NOT NULL, action TEXT NOT NULL,
    kind TEXT NOT NULL, mac TEXT, "before" TEXT, fields TEXT NOT NULL, sip_user TEXT, sip_secret BYTEA,
    web_password BYTEA, web_password_fingerprint TEXT DEFAULT '' NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE INDEX ix_run_phones_login ON run_phones (login);

CREATE TABLE run_secrets (
    run_id TEXT NOT NULL, login TEXT NOT NULL, field TEXT NOT NULL, "before" BYTEA, "after" BYTEA,
    fingerprint_before TEXT DEFAULT '' NOT NULL, fingerprint_after TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (run_id, login, field), FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE user_roles (
    user_id INTEGER NOT NULL, role_id INTEGER NOT NULL, PRIMARY KEY (user_id, role_id),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    FOREIGN KEY(role_id) REFERENCES roles (id) ON DELETE CASCADE
);

CREATE TABLE voicemail_boxes (
    user_id INTEGER NOT NULL, email TEXT DEFAULT '' NOT NULL, PRIMARY KEY (user_id),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

INSERT INTO meta ("key", value) VALUES ('lock', '');

INSERT INTO meta ("key", value) VALUES ('schema', '0');

UPDATE meta SET value='1'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

CREATE TABLE sip_accounts (
    username TEXT NOT NULL, realm TEXT NOT NULL, ha1 TEXT NOT NULL, ha1b TEXT NOT NULL,
    display_name TEXT NOT NULL, extension TEXT NOT NULL, seal TEXT NOT NULL, PRIMARY KEY (username)
);

CREATE INDEX ix_sip_accounts_extension ON sip_accounts (extension);

CREATE TABLE sip_facts (
    key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key)
);

CREATE TABLE sip_tables (
    table_name TEXT NOT NULL, table_version INTEGER NOT NULL, PRIMARY KEY (table_name)
);

CREATE VIEW version AS SELECT table_name, table_version FROM sip_tables;

CREATE VIEW subscriber AS
    SELECT username, realm AS domain, ha1, ha1b, '' AS password, display_name, extension
    FROM sip_accounts;

CREATE VIEW dbaliases AS
    SELECT extension AS alias_username, realm AS alias_domain, username, realm AS domain
    FROM sip_accounts WHERE extension <> '';

CREATE VIEW ps_endpoints AS
    SELECT username AS id, username AS aors, username AS auth, 'from-phones' AS context, 'all' AS disallow,
    'g722,alaw,ulaw' AS allow, 'no' AS direct_media, '"' || display_name || '" <' || extension || '>' AS callerid
    FROM sip_accounts;

CREATE VIEW ps_auths AS
    SELECT username AS id, 'md5' AS auth_type, username, realm, ha1 AS md5_cred
    FROM sip_accounts;

CREATE VIEW ps_aors AS SELECT username AS id, 1 AS max_contacts, 'yes' AS remove_existing FROM sip_accounts;

INSERT INTO sip_tables (table_name, table_version) VALUES ('subscriber', 7);

INSERT INTO sip_tables (table_name, table_version) VALUES ('dbaliases', 1);

INSERT INTO sip_facts (key, value) VALUES ('schema', '1');

DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_registrar') THEN
    BEGIN
      CREATE ROLE rollcall_registrar NOLOGIN;
    EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN NULL;
    END;
  END IF;
  REVOKE ALL ON sip_accounts, sip_tables, sip_facts, version, subscriber, dbaliases, ps_endpoints, ps_auths, ps_aors
    FROM PUBLIC;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rollcall_registrar') THEN
    GRANT SELECT ON version, subscriber, dbaliases, ps_endpoints, ps_auths, ps_aors TO rollcall_registrar;
  END IF;
END $$;

UPDATE meta SET value='2'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

CREATE TABLE seen_phones (
    mac TEXT NOT NULL, vendor TEXT NOT NULL, address TEXT NOT NULL, first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL, PRIMARY KEY (mac)
);

UPDATE meta SET value='3'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

CREATE TABLE uploads (
    id TEXT NOT NULL, name TEXT NOT NULL, size_bytes BIGINT NOT NULL, pieces INTEGER NOT NULL,
    created TEXT NOT NULL, expires TEXT NOT NULL, PRIMARY KEY (id)
);

CREATE TABLE upload_pieces (
    upload_id TEXT NOT NULL, position INTEGER NOT NULL, content BYTEA NOT NULL,
    PRIMARY KEY (upload_id, position), FOREIGN KEY(upload_id) REFERENCES uploads (id) ON DELETE CASCADE
);

UPDATE meta SET value='4'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

CREATE TABLE contact_records (
    entry_id INTEGER NOT NULL, profile TEXT NOT NULL, "key" TEXT NOT NULL, adopted BOOLEAN DEFAULT false NOT NULL,
    missing_since TEXT, PRIMARY KEY (entry_id), UNIQUE (profile, "key"),
    FOREIGN KEY(entry_id) REFERENCES phonebook (id) ON DELETE CASCADE
);

CREATE TABLE run_contacts (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, "key" TEXT NOT NULL, contact TEXT NOT NULL, entry_id INTEGER,
    action TEXT NOT NULL, "row" INTEGER, fields TEXT NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

UPDATE meta SET value='5'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

ALTER TABLE run_phones ADD COLUMN device_id INTEGER;

ALTER TABLE run_phones ADD COLUMN web_password_after BYTEA;

ALTER TABLE run_phones ADD COLUMN web_password_fingerprint_after TEXT DEFAULT '' NOT NULL;

ALTER TABLE import_records ADD COLUMN was_enabled BOOLEAN DEFAULT true NOT NULL;

UPDATE run_phones SET device_id = (SELECT devices.id FROM devices WHERE devices.mac = run_phones.mac)
    WHERE mac IS NOT NULL;

UPDATE run_phones SET device_id = (
    SELECT devices.id FROM devices JOIN users ON users.id = devices.user_id
    WHERE users.login = run_phones.login AND devices.kind = run_phones.kind AND (
        SELECT count(*) FROM devices AS sibling
        WHERE sibling.user_id = devices.user_id AND sibling.kind = devices.kind AND sibling.id < devices.id
    ) = (
        SELECT count(*) FROM run_phones AS earlier
        WHERE earlier.run_id = run_phones.run_id AND earlier.login = run_phones.login
        AND earlier.kind = run_phones.kind AND earlier.position < run_phones.position
    )
) WHERE mac IS NULL AND action <> 'release';

UPDATE meta SET value='6'::VARCHAR WHERE meta.key = 'schema'::VARCHAR;

INSERT INTO users (id, login, display_name) VALUES (1000, 'kept', 'Kept');
