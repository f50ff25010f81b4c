/// Clients and keys of theirs, and what their approval lets them do. A migration that has run is never edited.
extension AuthorizationSchema {
    static let registry = """
        CREATE TABLE client (
            id                 TEXT PRIMARY KEY,
            status             TEXT NOT NULL CHECK (status IN ('pending', 'active', 'suspended', 'retired')),
            is_trusted         INTEGER NOT NULL CHECK (is_trusted IN (0, 1)),
            secret_hash        BLOB CHECK (length(secret_hash) = 32),
            metadata           BLOB NOT NULL,
            approved_scopes    TEXT NOT NULL,
            profile            TEXT NOT NULL CHECK (profile IN ('smart-2.2', 'smart-2.0', 'smart-1.0')),
            profile_until      INTEGER CHECK ((profile = 'smart-1.0') = (profile_until IS NOT NULL)),
            program            TEXT NOT NULL,
            assertion_audience TEXT NOT NULL,
            access_lifetime    INTEGER NOT NULL CHECK (access_lifetime BETWEEN 1 AND 3600),
            refresh_idle       INTEGER NOT NULL CHECK (refresh_idle > 0),
            refresh_absolute   INTEGER NOT NULL CHECK (refresh_absolute > 0),
            revision           INTEGER NOT NULL CHECK (revision > 0)
        ) STRICT;
        CREATE TRIGGER client_kept BEFORE DELETE ON client
        BEGIN SELECT RAISE(ABORT, 'clients are retired, not deleted'); END;
        CREATE TRIGGER client_retired BEFORE UPDATE ON client WHEN OLD.status = 'retired'
        BEGIN SELECT RAISE(ABORT, 'a retired client stays retired'); END;
        CREATE TRIGGER client_revision BEFORE UPDATE ON client WHEN NEW.revision <> OLD.revision + 1
        BEGIN SELECT RAISE(ABORT, 'every change of a client raises its revision'); END;

        CREATE TABLE user_account (
            subject       TEXT PRIMARY KEY,
            username      TEXT NOT NULL UNIQUE,
            password_hash TEXT NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
            display_name  TEXT NOT NULL,
            roles         TEXT NOT NULL,
            is_disabled   INTEGER NOT NULL CHECK (is_disabled IN (0, 1)),
            created_at    INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE member_link (
            subject   TEXT PRIMARY KEY REFERENCES user_account (subject),
            fhir_user TEXT NOT NULL
        ) STRICT;
        CREATE TABLE member_link_patient (
            subject TEXT NOT NULL REFERENCES member_link (subject) ON DELETE CASCADE,
            patient TEXT NOT NULL,
            place   INTEGER NOT NULL,
            label   TEXT NOT NULL,
            PRIMARY KEY (subject, patient)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE login_throttle (
            key             TEXT PRIMARY KEY,
            attempts        INTEGER NOT NULL CHECK (attempts >= 0),
            last_attempt_at INTEGER NOT NULL,
            closed_until    INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    static let knownNetworks = """
        CREATE TABLE known_network (
            key     TEXT PRIMARY KEY,
            seen_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    static let clientSecrets = """
        ALTER TABLE client ADD COLUMN secret_expires_at INTEGER;
        ALTER TABLE client ADD COLUMN second_secret_hash BLOB CHECK (length(second_secret_hash) = 32);
        ALTER TABLE client ADD COLUMN second_secret_expires_at INTEGER;
        """

    static let exceptions = """
        CREATE TABLE client_exception (
            client_id       TEXT PRIMARY KEY REFERENCES client (id),
            wildcards_until INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    /// Keys of clients whose private halves were published. They never count again.
    static let suspendedKeys = """
        CREATE TABLE suspended_key (
            client_id    TEXT NOT NULL REFERENCES client (id),
            thumbprint   TEXT NOT NULL,
            suspended_at INTEGER NOT NULL,
            PRIMARY KEY (client_id, thumbprint)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER suspended_key_kept BEFORE DELETE ON suspended_key
        BEGIN SELECT RAISE(ABORT, 'a key that was lost stays so'); END;
        """

    /// Where those keys stood: clients that publish at one address have lost them together.
    static let suspendedKeyPlaces = """
        CREATE TABLE suspended_key_place (
            location     TEXT NOT NULL,
            thumbprint   TEXT NOT NULL,
            suspended_at INTEGER NOT NULL,
            PRIMARY KEY (location, thumbprint)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER suspended_key_place_kept BEFORE DELETE ON suspended_key_place
        BEGIN SELECT RAISE(ABORT, 'a key that was lost stays so'); END;
        """
}
