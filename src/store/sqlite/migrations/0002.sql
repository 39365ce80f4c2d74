-- Workflows have secrets as well: those that senders sign webhooks with.
ALTER TABLE secrets RENAME COLUMN connection TO resource;

-- When a secret that senders sign with was last used. No foreign key: what a file declares is noted as well.
CREATE TABLE secret_uses (
    secret BLOB PRIMARY KEY CHECK (length(secret) = 16),
    workflow BLOB NOT NULL CHECK (length(workflow) = 16),
    last_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX secret_uses_by_workflow ON secret_uses (workflow);
