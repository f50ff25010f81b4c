/// What was granted, the tokens of it, and how it ends. A migration that has run is never edited.
extension AuthorizationSchema {
    static let grants = """
        CREATE TABLE access_grant (
            id                TEXT PRIMARY KEY,
            client_id         TEXT NOT NULL REFERENCES client (id),
            subject           TEXT REFERENCES user_account (subject),
            patient           TEXT,
            scopes            TEXT NOT NULL,
            launch            BLOB NOT NULL,
            program           TEXT NOT NULL,
            fhir_base         TEXT NOT NULL,
            nonce             TEXT,
            authenticated_at  INTEGER,
            created_at        INTEGER NOT NULL,
            expires_at        INTEGER CHECK (subject IS NOT NULL OR expires_at IS NOT NULL),
            revoked_at        INTEGER,
            revocation_reason TEXT CHECK ((revoked_at IS NULL) = (revocation_reason IS NULL))
        ) STRICT;
        CREATE INDEX grant_subject ON access_grant (subject, created_at) WHERE subject IS NOT NULL;
        CREATE INDEX grant_client ON access_grant (client_id, created_at);
        CREATE INDEX grant_patient ON access_grant (patient, created_at) WHERE patient IS NOT NULL;
        CREATE TRIGGER grant_revoked BEFORE UPDATE ON access_grant WHEN OLD.revoked_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a revoked grant stays revoked'); END;
        CREATE TRIGGER grant_fixed BEFORE UPDATE OF id, client_id, subject, patient, scopes, launch, program, fhir_base
            ON access_grant
        BEGIN SELECT RAISE(ABORT, 'what was granted does not change'); END;

        CREATE TABLE code (
            hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),
            grant_id     TEXT NOT NULL UNIQUE REFERENCES access_grant (id) ON DELETE CASCADE,
            client_id    TEXT NOT NULL,
            redirect_uri TEXT NOT NULL,
            challenge    TEXT,
            expires_at   INTEGER NOT NULL,
            redeemed_at  INTEGER,
            burned_at    INTEGER CHECK (redeemed_at IS NULL OR burned_at IS NULL)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX code_expiry ON code (expires_at);
        CREATE TRIGGER code_once BEFORE UPDATE ON code
            WHEN OLD.redeemed_at IS NOT NULL OR OLD.burned_at IS NOT NULL
        BEGIN SELECT RAISE(ABORT, 'a code is used once'); END;

        CREATE TABLE refresh_family (
            id            TEXT PRIMARY KEY,
            grant_id      TEXT NOT NULL UNIQUE REFERENCES access_grant (id) ON DELETE CASCADE,
            client_id     TEXT NOT NULL,
            rotates       INTEGER NOT NULL CHECK (rotates IN (0, 1)),
            created_at    INTEGER NOT NULL,
            idle_limit    INTEGER NOT NULL CHECK (idle_limit > 0),
            expires_at    INTEGER,
            generation    INTEGER NOT NULL CHECK (generation >= 0),
            current_hash  BLOB NOT NULL CHECK (length(current_hash) = 32),
            previous_hash BLOB CHECK (length(previous_hash) = 32),
            rotated_at    INTEGER CHECK ((previous_hash IS NULL) = (rotated_at IS NULL)),
            last_used_at  INTEGER NOT NULL
        ) STRICT;
        CREATE TRIGGER family_forward BEFORE UPDATE ON refresh_family
            WHEN NEW.generation NOT IN (OLD.generation, OLD.generation + 1)
                OR (NEW.generation = OLD.generation) <> (NEW.current_hash = OLD.current_hash)
        BEGIN SELECT RAISE(ABORT, 'a refresh family moves one generation at a time'); END;

        CREATE TABLE revocation (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            kind     TEXT NOT NULL CHECK (kind IN ('grant', 'client', 'user', 'token')),
            target   TEXT NOT NULL,
            at       INTEGER NOT NULL,
            reason   TEXT NOT NULL
        ) STRICT;
        CREATE INDEX revocation_target ON revocation (kind, target);
        CREATE INDEX revocation_time ON revocation (at);
        """

    static let referenceTokens = """
        ALTER TABLE client ADD COLUMN reference_tokens INTEGER NOT NULL DEFAULT 0 CHECK (reference_tokens IN (0, 1));

        CREATE TABLE reference_token (
            hash       BLOB PRIMARY KEY CHECK (length(hash) = 32),
            grant_id   TEXT NOT NULL REFERENCES access_grant (id) ON DELETE CASCADE,
            claims     BLOB NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX reference_token_expiry ON reference_token (expires_at);
        CREATE INDEX reference_token_grant ON reference_token (grant_id);
        """

    static let endings = """
        CREATE INDEX grant_end ON access_grant (expires_at) WHERE subject IS NOT NULL AND expires_at IS NOT NULL;
        CREATE INDEX grant_revocation ON access_grant (revoked_at)
            WHERE subject IS NOT NULL AND revoked_at IS NOT NULL;
        CREATE INDEX refresh_family_end ON refresh_family (last_used_at + idle_limit);
        CREATE INDEX refresh_family_session ON refresh_family (session) WHERE session IS NOT NULL;
        """

    /// What the app asked for goes with what was granted, and does not change either.
    static let askedFactors = """
        ALTER TABLE access_grant
        ADD COLUMN needs_second_factor INTEGER NOT NULL DEFAULT 0 CHECK (needs_second_factor IN (0, 1));
        CREATE TRIGGER grant_asked BEFORE UPDATE OF needs_second_factor ON access_grant
        BEGIN SELECT RAISE(ABORT, 'what was asked for does not change'); END;
        """

    static let holds = """
        CREATE TABLE access_hold (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            kind     TEXT NOT NULL CHECK (kind IN ('client', 'user')),
            target   TEXT NOT NULL,
            is_held  INTEGER NOT NULL CHECK (is_held IN (0, 1)),
            at       INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX access_hold_target ON access_hold (kind, target, sequence);
        CREATE TRIGGER access_hold_kept BEFORE DELETE ON access_hold
        BEGIN SELECT RAISE(ABORT, 'holds are added and lifted, never removed'); END;
        """
}
