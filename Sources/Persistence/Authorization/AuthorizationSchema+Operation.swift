/// What the server needs for itself: throttles, keys, jobs. A migration that has run is never edited.
extension AuthorizationSchema {
    static let operation = """
        CREATE TABLE assertion_replay (
            issuer     TEXT NOT NULL,
            jti        TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            PRIMARY KEY (issuer, jti)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX assertion_replay_expiry ON assertion_replay (expires_at);

        CREATE TABLE server_key (
            id         TEXT PRIMARY KEY,
            purpose    TEXT NOT NULL CHECK (purpose IN ('access-token', 'id-token', 'refresh-root', 'page-link')),
            sealed     TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            retired_at INTEGER
        ) STRICT;
        CREATE UNIQUE INDEX server_key_active ON server_key (purpose) WHERE retired_at IS NULL;

        CREATE TABLE audit_outbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            id       TEXT NOT NULL UNIQUE,
            body     BLOB NOT NULL
        ) STRICT;
        """

    static let announcedKeys = """
        ALTER TABLE server_key ADD COLUMN is_announced INTEGER NOT NULL DEFAULT 0 CHECK (is_announced IN (0, 1));
        DROP INDEX server_key_active;
        CREATE UNIQUE INDEX server_key_current ON server_key (purpose, is_announced) WHERE retired_at IS NULL;
        """

    /// One purpose more, which SQLite can only do with a new table.
    static let checkpointKey = """
        CREATE TABLE server_key_new (
            id         TEXT PRIMARY KEY,
            purpose    TEXT NOT NULL CHECK (
                purpose IN ('access-token', 'id-token', 'refresh-root', 'page-link', 'audit-checkpoint')),
            sealed     TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            retired_at INTEGER
        ) STRICT;
        INSERT INTO server_key_new SELECT * FROM server_key ORDER BY rowid;
        DROP TABLE server_key;
        ALTER TABLE server_key_new RENAME TO server_key;
        CREATE UNIQUE INDEX server_key_active ON server_key (purpose) WHERE retired_at IS NULL;
        """

    static let exportJobs = """
        CREATE TABLE export_job (
            id         TEXT PRIMARY KEY,
            base       TEXT NOT NULL,
            client_id  TEXT NOT NULL,
            grant_id   TEXT NOT NULL,
            path       TEXT NOT NULL,
            query      TEXT NOT NULL,
            target     TEXT NOT NULL,
            started_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            ending     TEXT CHECK (ending IN ('deleted', 'expired', 'revoked')),
            attempts   INTEGER NOT NULL CHECK (attempts >= 0),
            due_at     INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX export_job_due ON export_job (due_at) WHERE ending IS NOT NULL;
        CREATE INDEX export_job_expiry ON export_job (expires_at) WHERE ending IS NULL;
        CREATE INDEX export_job_client ON export_job (client_id) WHERE ending IS NULL;
        CREATE INDEX export_job_grant ON export_job (grant_id) WHERE ending IS NULL;
        CREATE TRIGGER export_job_ended BEFORE UPDATE ON export_job
        WHEN OLD.ending IS NOT NULL AND NEW.ending IS NOT OLD.ending
        BEGIN SELECT RAISE(ABORT, 'an export that is over stays over'); END;
        CREATE TRIGGER export_job_kept BEFORE DELETE ON export_job WHEN OLD.ending IS NULL
        BEGIN SELECT RAISE(ABORT, 'an export is ended before it is forgotten'); END;
        CREATE TRIGGER export_job_client_ended AFTER UPDATE OF status ON client
        WHEN NEW.status IN ('suspended', 'retired')
        BEGIN UPDATE export_job SET ending = 'revoked' WHERE client_id = NEW.id AND ending IS NULL; END;
        CREATE TRIGGER export_job_grant_ended AFTER UPDATE OF revoked_at ON access_grant
        WHEN NEW.revoked_at IS NOT NULL
        BEGIN UPDATE export_job SET ending = 'revoked' WHERE grant_id = NEW.id AND ending IS NULL; END;
        """
}
