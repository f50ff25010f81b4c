/// Who people are, and how they prove it. A migration that has run is never edited.
extension AuthorizationSchema {
    static let externalLogins = """
        CREATE TABLE external_login (
            account       TEXT PRIMARY KEY REFERENCES user_account (subject),
            provider      TEXT NOT NULL,
            issuer        TEXT NOT NULL,
            subject       TEXT NOT NULL,
            identifier    TEXT NOT NULL,
            created_at    INTEGER NOT NULL,
            last_login_at INTEGER,
            undone_at     INTEGER,
            UNIQUE (issuer, subject)
        ) STRICT;
        CREATE TRIGGER external_login_fixed BEFORE UPDATE OF account, issuer, subject ON external_login
        BEGIN SELECT RAISE(ABORT, 'a login keeps its account'); END;

        CREATE TABLE pending_login (
            hash          BLOB PRIMARY KEY CHECK (length(hash) = 32),
            session       BLOB NOT NULL REFERENCES session (id) ON DELETE CASCADE,
            provider      TEXT NOT NULL,
            sealed_launch TEXT,
            max_age       INTEGER CHECK (max_age >= 0),
            expires_at    INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX pending_login_session ON pending_login (session);
        CREATE INDEX pending_login_expiry ON pending_login (expires_at);

        CREATE TABLE session_assurance (
            session     BLOB PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
            provider    TEXT NOT NULL,
            context     TEXT,
            methods     TEXT NOT NULL,
            sealed_hint TEXT
        ) STRICT, WITHOUT ROWID;
        """

    static let configuredAccounts = """
        CREATE TABLE configured_account (
            subject TEXT PRIMARY KEY REFERENCES user_account (subject),
            roles   TEXT NOT NULL,
            person  TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    static let secondFactors = """
        CREATE TABLE second_factor (
            subject      TEXT PRIMARY KEY REFERENCES user_account (subject),
            sealed       TEXT NOT NULL,
            created_at   INTEGER NOT NULL,
            confirmed_at INTEGER,
            last_step    INTEGER NOT NULL
        ) STRICT;
        CREATE TRIGGER second_factor_forward BEFORE UPDATE ON second_factor
            WHEN OLD.confirmed_at IS NOT NULL
                AND (NEW.confirmed_at IS NOT OLD.confirmed_at OR NEW.last_step < OLD.last_step)
        BEGIN SELECT RAISE(ABORT, 'a confirmed factor only goes forward'); END;

        CREATE TABLE recovery_code (
            subject TEXT NOT NULL REFERENCES second_factor (subject) ON DELETE CASCADE,
            hash    BLOB NOT NULL CHECK (length(hash) = 32),
            PRIMARY KEY (subject, hash)
        ) STRICT, WITHOUT ROWID;

        ALTER TABLE session ADD COLUMN authentication TEXT;
        ALTER TABLE session ADD COLUMN pending_subject TEXT REFERENCES user_account (subject);
        ALTER TABLE session ADD COLUMN pending_at INTEGER
            CHECK ((pending_subject IS NULL) = (pending_at IS NULL) AND (subject IS NULL OR pending_subject IS NULL));
        ALTER TABLE session ADD COLUMN pending_authentication TEXT;
        CREATE INDEX session_pending ON session (pending_subject) WHERE pending_subject IS NOT NULL;
        ALTER TABLE access_grant ADD COLUMN authentication TEXT;
        """

    /// Records of lockouts that begin if an attempt fails, until it is known whether it did.
    static let announcedLockouts = """
        CREATE TABLE announced_lockout (
            id           TEXT PRIMARY KEY,
            body         BLOB NOT NULL,
            announced_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX announced_lockout_time ON announced_lockout (announced_at);
        """
}
