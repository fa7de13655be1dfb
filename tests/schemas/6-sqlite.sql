CREATE TABLE meta (
    "key" TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY ("key")
);

CREATE TABLE resting_extensions (
    number TEXT NOT NULL, login TEXT NOT NULL, freed TEXT NOT NULL, PRIMARY KEY (number)
);

CREATE TABLE roles (
    id INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY (id), UNIQUE (name)
);

CREATE TABLE runs (
    id TEXT NOT NULL, kind TEXT NOT NULL, profile TEXT NOT NULL, mode TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT, status TEXT NOT NULL, summary TEXT NOT NULL, checksum TEXT DEFAULT '' NOT NULL, held TEXT,
    source TEXT DEFAULT '{}' NOT NULL, actor TEXT DEFAULT '' NOT NULL, profile_digest TEXT DEFAULT '' NOT NULL,
    version TEXT DEFAULT '' NOT NULL, undoes TEXT, PRIMARY KEY (id)
);

CREATE INDEX ix_runs_profile ON runs (profile);

CREATE TABLE users (
    id INTEGER NOT NULL, login TEXT NOT NULL, display_name TEXT NOT NULL,
    auth_method TEXT DEFAULT 'mobydick' NOT NULL, enabled BOOLEAN DEFAULT 1 NOT NULL, password BLOB,
    pin BLOB, PRIMARY KEY (id), UNIQUE (login)
);

CREATE TABLE devices (
    id INTEGER NOT NULL, kind TEXT NOT NULL, mac TEXT, user_id INTEGER, ip TEXT DEFAULT '' NOT NULL,
    name TEXT DEFAULT '' NOT NULL, number TEXT DEFAULT '' NOT NULL, web_user TEXT DEFAULT '' NOT NULL,
    web_password_fingerprint TEXT DEFAULT '' NOT NULL, web_password BLOB, sip_user TEXT, sip_secret BLOB,
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
    automatic BOOLEAN DEFAULT 0 NOT NULL, PRIMARY KEY (number), UNIQUE (user_id),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE import_records (
    user_id INTEGER NOT NULL, profile TEXT NOT NULL, adopted BOOLEAN DEFAULT 0 NOT NULL,
    password_fingerprint TEXT DEFAULT '' NOT NULL, pin_fingerprint TEXT DEFAULT '' NOT NULL, missing_since TEXT,
    PRIMARY KEY (user_id), FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE INDEX ix_import_records_profile ON import_records (profile);

CREATE TABLE phonebook (
    id INTEGER NOT NULL, user_id INTEGER, position INTEGER DEFAULT '1' NOT NULL, display_name TEXT NOT NULL,
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
    run_id TEXT NOT NULL, kind TEXT NOT NULL, expires TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (run_id, kind), FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE run_issues (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, "row" INTEGER, line INTEGER, "column" TEXT,
    code TEXT NOT NULL, severity TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE TABLE run_phones (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, login TEXT NOT NULL, action TEXT NOT NULL,
    kind TEXT NOT NULL, mac TEXT, "before" TEXT, fields TEXT NOT NULL, sip_user TEXT, sip_secret BLOB,
    web_password BLOB, web_password_fingerprint TEXT DEFAULT '' NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

CREATE INDEX ix_run_phones_login ON run_phones (login);

CREATE TABLE run_secrets (
    run_id TEXT NOT NULL, login TEXT NOT NULL, field TEXT NOT NULL, "before" BLOB, "after" BLOB,
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

UPDATE meta SET value='1' WHERE meta."key" = 'schema';

UPDATE meta SET value='2' WHERE meta."key" = 'schema';

CREATE TABLE seen_phones (
    mac TEXT NOT NULL, vendor TEXT NOT NULL, address TEXT NOT NULL, first_seen TEXT NOT NULL,
    last_seen TEXT NOT NULL, PRIMARY KEY (mac)
);

UPDATE meta SET value='3' WHERE meta."key" = 'schema';

CREATE TABLE uploads (
    id TEXT NOT NULL, name TEXT NOT NULL, size_bytes BIGINT NOT NULL, pieces INTEGER NOT NULL,
    created TEXT NOT NULL, expires TEXT NOT NULL, PRIMARY KEY (id)
);

CREATE TABLE upload_pieces (
    upload_id TEXT NOT NULL, position INTEGER NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (upload_id, position), FOREIGN KEY(upload_id) REFERENCES uploads (id) ON DELETE CASCADE
);

UPDATE meta SET value='4' WHERE meta."key" = 'schema';

CREATE TABLE contact_records (
    entry_id INTEGER NOT NULL, profile TEXT NOT NULL, "key" TEXT NOT NULL, adopted BOOLEAN DEFAULT 0 NOT NULL,
    missing_since TEXT, PRIMARY KEY (entry_id), UNIQUE (profile, "key"),
    FOREIGN KEY(entry_id) REFERENCES phonebook (id) ON DELETE CASCADE
);

CREATE TABLE run_contacts (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, "key" TEXT NOT NULL, contact TEXT NOT NULL, entry_id INTEGER,
    action TEXT NOT NULL, "row" INTEGER, fields TEXT NOT NULL, PRIMARY KEY (run_id, position),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);

UPDATE meta SET value='5' WHERE meta."key" = 'schema';

DROP INDEX ix_run_phones_login;

ALTER TABLE run_phones RENAME TO earlier_run_phones;

CREATE TABLE run_phones (
    run_id TEXT NOT NULL, position INTEGER NOT NULL, login TEXT NOT NULL, action TEXT NOT NULL,
    kind TEXT NOT NULL, mac TEXT, "before" TEXT, fields TEXT NOT NULL, sip_user TEXT, sip_secret BLOB,
    web_password BLOB, web_password_fingerprint TEXT DEFAULT '' NOT NULL, device_id INTEGER,
    web_password_after BLOB, web_password_fingerprint_after TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (run_id, position), FOREIGN KEY(run_id) REFERENCES runs (id)
);

INSERT INTO run_phones (
    run_id, position, login, action, kind, mac, "before", fields, sip_user, sip_secret, web_password,
    web_password_fingerprint
) SELECT run_id, position, login, action, kind, mac, "before", fields, sip_user, sip_secret, web_password,
    web_password_fingerprint FROM earlier_run_phones;

DROP TABLE earlier_run_phones;

CREATE INDEX ix_run_phones_login ON run_phones (login);

DROP INDEX ix_import_records_profile;

ALTER TABLE import_records RENAME TO earlier_import_records;

CREATE TABLE import_records (
    user_id INTEGER NOT NULL, profile TEXT NOT NULL, adopted BOOLEAN DEFAULT 0 NOT NULL,
    password_fingerprint TEXT DEFAULT '' NOT NULL, pin_fingerprint TEXT DEFAULT '' NOT NULL, missing_since TEXT,
    was_enabled BOOLEAN DEFAULT 1 NOT NULL, PRIMARY KEY (user_id),
    FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);

INSERT INTO import_records (user_id, profile, adopted, password_fingerprint, pin_fingerprint, missing_since)
    SELECT user_id, profile, adopted, password_fingerprint, pin_fingerprint, missing_since
    FROM earlier_import_records;

DROP TABLE earlier_import_records;

CREATE INDEX ix_import_records_profile ON import_records (profile);

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

UPDATE meta SET value='6' WHERE meta."key" = 'schema';

INSERT INTO users (id, login, display_name) VALUES (1000, 'kept', 'Kept');
