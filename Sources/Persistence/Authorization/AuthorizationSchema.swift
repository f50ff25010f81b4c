internal import GRDB

/// The tables of the authorization server. Migrations are only ever added; the constraints are the last line of
/// defence: what a use-case must never do, the database refuses.
enum AuthorizationSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001 registry") { try $0.execute(sql: registry) }
        migrator.registerMigration("002 launches") { try $0.execute(sql: launches) }
        migrator.registerMigration("003 grants") { try $0.execute(sql: grants) }
        migrator.registerMigration("004 operation") { try $0.execute(sql: operation) }
        migrator.registerMigration("audit 1 checkpoint key") { try $0.execute(sql: checkpointKey) }
        migrator.registerMigration("005 EHR launches") { try $0.execute(sql: ehrLaunches) }
        migrator.registerMigration("006 reference tokens") { try $0.execute(sql: referenceTokens) }
        migrator.registerMigration("007 remembered consents") { try $0.execute(sql: consents) }
        migrator.registerMigration("008 announced keys") { try $0.execute(sql: announcedKeys) }
        migrator.registerMigration("009 proof keys and pushed requests") { try $0.execute(sql: proofs) }
        // A successor that was given to nobody does not make the token before it a stolen one.
        migrator.registerMigration("010 refresh delivery") {
            try $0.execute(
                sql: """
                    ALTER TABLE refresh_family
                    ADD COLUMN is_delivered INTEGER NOT NULL DEFAULT 1 CHECK (is_delivered IN (0, 1))
                    """)
        }
        migrator.registerMigration("011 second factors") { try $0.execute(sql: secondFactors) }
        migrator.registerMigration("012 external logins") { try $0.execute(sql: externalLogins) }
        migrator.registerMigration("013 client secrets") { try $0.execute(sql: clientSecrets) }
        migrator.registerMigration("014 export jobs") { try $0.execute(sql: exportJobs) }
        migrator.registerMigration("015 grants that end") { try $0.execute(sql: endings) }
        migrator.registerMigration("016 exceptions with an end") { try $0.execute(sql: exceptions) }
        migrator.registerMigration("017 access holds") { try $0.execute(sql: holds) }
        // A key that waits is its session's; one of an older release is nobody's.
        migrator.registerMigration("018 waiting factors of sessions") {
            try $0.execute(
                sql: "ALTER TABLE second_factor ADD COLUMN session BLOB CHECK (length(session) = 32)")
        }
        return migrator
    }

    private static let externalLogins = """
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

    private static let secondFactors = """
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

    private static let exportJobs = """
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

    private static let registry = """
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

    private static let launches = """
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

    private static let grants = """
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

    private static let ehrLaunches = """
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

    private static let referenceTokens = """
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

    private static let consents = """
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

    private static let announcedKeys = """
        ALTER TABLE server_key ADD COLUMN is_announced INTEGER NOT NULL DEFAULT 0 CHECK (is_announced IN (0, 1));
        DROP INDEX server_key_active;
        CREATE UNIQUE INDEX server_key_current ON server_key (purpose, is_announced) WHERE retired_at IS NULL;
        """

    private static let proofs = """
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

    private static let clientSecrets = """
        ALTER TABLE client ADD COLUMN secret_expires_at INTEGER;
        ALTER TABLE client ADD COLUMN second_secret_hash BLOB CHECK (length(second_secret_hash) = 32);
        ALTER TABLE client ADD COLUMN second_secret_expires_at INTEGER;
        """

    private static let endings = """
        CREATE INDEX grant_end ON access_grant (expires_at) WHERE subject IS NOT NULL AND expires_at IS NOT NULL;
        CREATE INDEX grant_revocation ON access_grant (revoked_at)
            WHERE subject IS NOT NULL AND revoked_at IS NOT NULL;
        CREATE INDEX refresh_family_end ON refresh_family (last_used_at + idle_limit);
        CREATE INDEX refresh_family_session ON refresh_family (session) WHERE session IS NOT NULL;
        """

    private static let exceptions = """
        CREATE TABLE client_exception (
            client_id       TEXT PRIMARY KEY REFERENCES client (id),
            wildcards_until INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """

    private static let holds = """
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

    private static let operation = """
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

    /// One purpose more, which SQLite can only do with a new table.
    private static let checkpointKey = """
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
}
