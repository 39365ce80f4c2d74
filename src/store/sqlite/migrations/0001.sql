-- What people manage, its secrets, its audit and its usage. Times are Unix milliseconds, ids and digests their bytes.

-- One row: what the vault is opened with. Every version of this schema has it in this form, since it is read before
-- anything is migrated.
CREATE TABLE keyring (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    record BLOB NOT NULL
) STRICT;

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0);

-- Environments, connections, workflows.
CREATE TABLE resources (
    uid BLOB PRIMARY KEY CHECK (length(uid) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('environment', 'connection', 'workflow')),
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    state TEXT NOT NULL,
    connector TEXT NOT NULL,
    environment TEXT NOT NULL,
    secret_version INTEGER,
    owner TEXT NOT NULL,
    access TEXT NOT NULL CHECK (access IN ('personal', 'team', 'restricted')),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    connection BLOB NOT NULL REFERENCES resources (uid) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version > 0),
    sealed BLOB NOT NULL,
    destination BLOB NOT NULL CHECK (length(destination) = 32),
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (connection, version)
) STRICT, WITHOUT ROWID;

-- A million rows are read at every start: the digests stand in the row, so that no other table is joined.
CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    name TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL,
    enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    revoked_at INTEGER,
    expires_at INTEGER,
    environment BLOB CHECK (length(environment) = 16),
    primary_digest BLOB CHECK (length(primary_digest) = 32),
    secondary_digest BLOB CHECK (length(secondary_digest) = 32),
    primary_at INTEGER,
    secondary_at INTEGER,
    owner TEXT NOT NULL,
    access TEXT NOT NULL CHECK (access IN ('personal', 'team', 'restricted')),
    version INTEGER NOT NULL CHECK (version > 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- Tokens that were replaced and are still accepted. They go with their key by a trigger: a reference would have every new
-- key looked for here.
CREATE TABLE graced (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    key INTEGER NOT NULL,
    slot INTEGER NOT NULL CHECK (slot IN (1, 2)),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX graced_by_key ON graced (key);

-- Every digest of every slot and every grace, once: kept by the triggers below, so that no token has two meanings.
CREATE TABLE tokens (
    digest BLOB PRIMARY KEY,
    key INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER keys_added AFTER INSERT ON keys BEGIN
    INSERT INTO tokens SELECT NEW.primary_digest, NEW.id WHERE NEW.primary_digest IS NOT NULL;
    INSERT INTO tokens SELECT NEW.secondary_digest, NEW.id WHERE NEW.secondary_digest IS NOT NULL;
END;
-- Both go before either comes: the two may have been exchanged.
CREATE TRIGGER keys_set AFTER UPDATE ON keys
WHEN OLD.primary_digest IS NOT NEW.primary_digest OR OLD.secondary_digest IS NOT NEW.secondary_digest BEGIN
    DELETE FROM tokens WHERE digest = OLD.primary_digest;
    DELETE FROM tokens WHERE digest = OLD.secondary_digest;
    INSERT INTO tokens SELECT NEW.primary_digest, NEW.id WHERE NEW.primary_digest IS NOT NULL;
    INSERT INTO tokens SELECT NEW.secondary_digest, NEW.id WHERE NEW.secondary_digest IS NOT NULL;
END;
CREATE TRIGGER keys_dropped BEFORE DELETE ON keys BEGIN
    DELETE FROM graced WHERE key = OLD.id;
    DELETE FROM tokens WHERE digest = OLD.primary_digest;
    DELETE FROM tokens WHERE digest = OLD.secondary_digest;
END;
CREATE TRIGGER graced_added AFTER INSERT ON graced BEGIN
    INSERT INTO tokens VALUES (NEW.digest, NEW.key);
END;
CREATE TRIGGER graced_dropped AFTER DELETE ON graced BEGIN
    DELETE FROM tokens WHERE digest = OLD.digest;
END;

-- Idempotency keys, for a day.
CREATE TABLE replays (
    actor BLOB NOT NULL CHECK (length(actor) = 16),
    key TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 32),
    created BLOB NOT NULL CHECK (length(created) = 16),
    at INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX replays_by_age ON replays (at);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    actor_id TEXT,
    address TEXT,
    request_id TEXT,
    action TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject);
CREATE INDEX audit_by_subject_id ON audit (subject_id);
CREATE TRIGGER audit_is_not_altered BEFORE UPDATE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit BEGIN
    SELECT RAISE(ABORT, 'the audit is append-only');
END;

-- No foreign key: what a file declares is counted as well. `slot` 0: none.
CREATE TABLE usage (
    kind TEXT NOT NULL CHECK (kind IN ('environment', 'connection', 'workflow', 'key')),
    uid BLOB NOT NULL CHECK (length(uid) = 16),
    slot INTEGER NOT NULL CHECK (slot IN (0, 1, 2)),
    code TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (kind, uid, slot, code)
) STRICT, WITHOUT ROWID;
