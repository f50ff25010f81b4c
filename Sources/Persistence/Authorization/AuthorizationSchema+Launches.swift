/// What stands between a request and a grant. A migration that has run is never edited.
extension AuthorizationSchema {
    static let launches = """
        CREATE TABLE session (
            id               BLOB PRIMARY KEY CHECK (length(id) = 32),
            subject          TEXT REFERENCES user_account (subject),
            authenticated_at INTEGER CHECK ((subject IS NULL) = (authenticated_at IS NULL)),
            created_at       INTEGER NOT NULL,
            expires_at       INTEGER NOT NULL,
            last_seen_at     INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX session_subject ON session (subject) WHERE subject IS NOT NULL;
        CREATE INDEX session_expiry ON session (expires_at);

        CREATE TABLE launch (
            id         BLOB PRIMARY KEY CHECK (length(id) = 32),
            session    BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
            client_id  TEXT NOT NULL REFERENCES client (id),
            body       BLOB NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            revision   INTEGER NOT NULL CHECK (revision > 0)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX launch_session ON launch (session);
        CREATE INDEX launch_expiry ON launch (expires_at);
        CREATE TRIGGER launch_revision BEFORE UPDATE ON launch WHEN NEW.revision <> OLD.revision + 1
        BEGIN SELECT RAISE(ABORT, 'every move of a launch raises its revision'); END;
        """

    static let ehrLaunches = """
        CREATE TABLE ehr_launch (
            hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
            made_by    TEXT NOT NULL REFERENCES client (id),
            client_id  TEXT NOT NULL REFERENCES client (id),
            subject    TEXT NOT NULL REFERENCES user_account (subject),
            fhir_base  TEXT NOT NULL,
            context    BLOB NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL CHECK (expires_at > created_at),
            used_at    INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX ehr_launch_expiry ON ehr_launch (expires_at);
        CREATE TRIGGER ehr_launch_once BEFORE UPDATE ON ehr_launch WHEN OLD.used_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a launch is used once'); END;
        CREATE INDEX member_link_user ON member_link (fhir_user);
        """

    static let consents = """
        CREATE TABLE remembered_consent (
            subject    TEXT NOT NULL REFERENCES user_account (subject),
            client_id  TEXT NOT NULL REFERENCES client (id),
            patient    TEXT NOT NULL,
            fhir_base  TEXT NOT NULL,
            offered    BLOB NOT NULL,
            chosen     BLOB NOT NULL,
            given_at   INTEGER NOT NULL,
            expires_at INTEGER NOT NULL CHECK (expires_at > given_at),
            PRIMARY KEY (subject, client_id, patient, fhir_base)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX remembered_consent_expiry ON remembered_consent (expires_at);

        ALTER TABLE code ADD COLUMN session BLOB CHECK (length(session) = 32);
        ALTER TABLE refresh_family ADD COLUMN session BLOB CHECK (length(session) = 32);
        """

    static let proofs = """
        ALTER TABLE refresh_family ADD COLUMN proof_key TEXT CHECK (length(proof_key) = 43);

        CREATE TABLE pushed_request (
            hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
            client_id  TEXT NOT NULL REFERENCES client (id),
            form       TEXT NOT NULL,
            expires_at INTEGER NOT NULL,
            used_at    INTEGER
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX pushed_request_expiry ON pushed_request (expires_at);
        CREATE TRIGGER pushed_request_once BEFORE UPDATE ON pushed_request WHEN OLD.used_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a pushed request is used once'); END;
        """
}
