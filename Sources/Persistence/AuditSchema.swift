internal import GRDB

/// The tables of the audit log, in a database file of their own.
enum AuditSchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("001 entries") { database in
            try database.execute(sql: entries)
        }
        migrator.registerMigration("audit 2 proofs") { try $0.execute(sql: proofs) }
        migrator.registerMigration("audit 3 holds and feeds") { try $0.execute(sql: holds) }
        migrator.registerMigration("audit 4 rare kinds") { try $0.execute(sql: rareKinds) }
        migrator.registerMigration("audit 5 proved cursors") { try $0.execute(sql: provedCursors) }
        // An index or a trigger breaks no reference: no walk over all patients to see that they have their entries.
        migrator.registerMigration("audit 6 ids", foreignKeyChecks: .immediate) { try $0.execute(sql: ids) }
        migrator.registerMigration("audit 7 removals by place", foreignKeyChecks: .immediate) {
            try $0.execute(sql: removalsByPlace)
        }
        return migrator
    }

    /// `position` is the order of storing. What is in `audit_entry` is never updated or deleted by us, and triggers
    /// refuse it to anybody who works through SQL; `audit_open` and `audit_patient` are indexes that could be built
    /// again from the bodies.
    private static let entries = """
        CREATE TABLE audit_entry (
            position      INTEGER PRIMARY KEY AUTOINCREMENT,
            node          TEXT NOT NULL,
            sequence      INTEGER NOT NULL CHECK (sequence > 0),
            recorded_at   INTEGER NOT NULL,
            event_id      TEXT NOT NULL,
            phase         TEXT NOT NULL CHECK (phase IN ('whole', 'opening', 'closing', 'interrupted')),
            closes        INTEGER CHECK (closes < sequence),
            kind          TEXT NOT NULL,
            interaction   TEXT,
            resource_type TEXT,
            client_id     TEXT,
            subject       TEXT,
            grant_id      TEXT,
            outcome       TEXT NOT NULL,
            previous      BLOB NOT NULL CHECK (length(previous) = 32),
            hash          BLOB NOT NULL CHECK (length(hash) = 32),
            body          BLOB NOT NULL,
            UNIQUE (node, sequence)
        ) STRICT;
        CREATE UNIQUE INDEX audit_entry_closes ON audit_entry (node, closes) WHERE closes IS NOT NULL;
        CREATE INDEX audit_entry_time ON audit_entry (recorded_at, position);
        CREATE INDEX audit_entry_client ON audit_entry (client_id, recorded_at) WHERE client_id IS NOT NULL;
        CREATE INDEX audit_entry_subject ON audit_entry (subject, recorded_at) WHERE subject IS NOT NULL;
        CREATE INDEX audit_entry_grant ON audit_entry (grant_id, recorded_at) WHERE grant_id IS NOT NULL;
        CREATE INDEX audit_entry_event ON audit_entry (event_id);

        CREATE TABLE audit_patient (
            patient     TEXT NOT NULL,
            recorded_at INTEGER NOT NULL,
            position    INTEGER NOT NULL REFERENCES audit_entry (position),
            place       INTEGER NOT NULL,
            PRIMARY KEY (patient, recorded_at, position)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX audit_patient_position ON audit_patient (position, place);

        CREATE TABLE audit_open (
            node     TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            PRIMARY KEY (node, sequence)
        ) STRICT, WITHOUT ROWID;

        CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'audit entries are not deleted'); END;
        CREATE TRIGGER audit_entry_fixed BEFORE UPDATE ON audit_entry
        BEGIN SELECT RAISE(ABORT, 'audit entries are not changed'); END;
        """

    /// Legal holds, which are lifted and never deleted and follow the records of the chain (`AuditHoldTable`), and how far
    /// each feed has come.
    private static let holds = """
        CREATE TABLE audit_hold (
            id               TEXT PRIMARY KEY,
            patient          TEXT,
            client           TEXT,
            reporting_entity TEXT,
            reason           TEXT NOT NULL,
            placed_by        TEXT NOT NULL,
            placed_at        INTEGER NOT NULL,
            lifted_by        TEXT,
            lifted_at        INTEGER CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
        ) STRICT;
        CREATE TRIGGER audit_hold_kept BEFORE DELETE ON audit_hold
        BEGIN SELECT RAISE(ABORT, 'holds are lifted, not deleted'); END;
        CREATE TRIGGER audit_hold_fixed BEFORE UPDATE ON audit_hold
        WHEN OLD.lifted_at IS NOT NULL OR NEW.patient IS NOT OLD.patient OR NEW.client IS NOT OLD.client
            OR NEW.reporting_entity IS NOT OLD.reporting_entity OR NEW.id IS NOT OLD.id
        BEGIN SELECT RAISE(ABORT, 'holds are lifted, not changed'); END;

        CREATE TABLE audit_feed (
            name     TEXT PRIMARY KEY,
            position INTEGER NOT NULL CHECK (position >= 0)
        ) STRICT, WITHOUT ROWID;
        """

    /// A cursor moved on by hand would make its feed pass over records; this one has a signature.
    private static let provedCursors = "ALTER TABLE audit_feed ADD COLUMN compact TEXT"

    /// Finds an entry by its hash, which is the id of its AuditEvent.
    private static let ids = "CREATE INDEX audit_entry_hash ON audit_entry (hash)"

    /// Whether a run names an entry is asked of the one run that begins last before it: of the others that begin before it
    /// there may be millions, and the writer waits while retention removes.
    private static let removalsByPlace = """
        DROP TRIGGER audit_entry_kept;
        CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
        WHEN coalesce((
            SELECT r.last FROM audit_removed_run r
            WHERE r.node = OLD.node AND r.first <= OLD.sequence ORDER BY r.first DESC LIMIT 1), 0) < OLD.sequence
        BEGIN SELECT RAISE(ABORT, 'audit entries are not deleted'); END;
        """

    /// Finds what is rare among millions.
    private static let rareKinds =
        "CREATE INDEX audit_entry_rare ON audit_entry (kind, recorded_at) WHERE \(RareAuditKinds.condition)"

    /// Checkpoints, and what stands for entries whose time was over. An entry can be deleted only where a run of removed
    /// entries says so; whether that run was signed is for the verifier to say, whoever put it there.
    private static let proofs = """
        CREATE TABLE audit_checkpoint (
            position INTEGER PRIMARY KEY AUTOINCREMENT,
            node     TEXT NOT NULL,
            number   INTEGER NOT NULL CHECK (number > 0),
            sequence INTEGER NOT NULL CHECK (sequence > 0),
            compact  TEXT NOT NULL,
            UNIQUE (node, number)
        ) STRICT;
        CREATE TRIGGER audit_checkpoint_kept BEFORE DELETE ON audit_checkpoint
        BEGIN SELECT RAISE(ABORT, 'checkpoints are not deleted'); END;
        CREATE TRIGGER audit_checkpoint_fixed BEFORE UPDATE ON audit_checkpoint
        BEGIN SELECT RAISE(ABORT, 'checkpoints are not changed'); END;

        CREATE TABLE audit_removal (
            number  INTEGER PRIMARY KEY CHECK (number > 0),
            compact TEXT NOT NULL
        ) STRICT;
        CREATE TRIGGER audit_removal_kept BEFORE DELETE ON audit_removal
        BEGIN SELECT RAISE(ABORT, 'removals are not deleted'); END;
        CREATE TRIGGER audit_removal_fixed BEFORE UPDATE ON audit_removal
        BEGIN SELECT RAISE(ABORT, 'removals are not changed'); END;

        CREATE TABLE audit_removed_run (
            node     TEXT NOT NULL,
            first    INTEGER NOT NULL CHECK (first > 0),
            last     INTEGER NOT NULL CHECK (last >= first),
            previous BLOB NOT NULL CHECK (length(previous) = 32),
            hash     BLOB NOT NULL CHECK (length(hash) = 32),
            removal  INTEGER NOT NULL REFERENCES audit_removal (number),
            PRIMARY KEY (node, first)
        ) STRICT, WITHOUT ROWID;
        CREATE TRIGGER audit_removed_run_kept BEFORE DELETE ON audit_removed_run
        BEGIN SELECT RAISE(ABORT, 'removals are not deleted'); END;
        CREATE TRIGGER audit_removed_run_fixed BEFORE UPDATE ON audit_removed_run
        BEGIN SELECT RAISE(ABORT, 'removals are not changed'); END;

        DROP TRIGGER audit_entry_kept;
        CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry
        WHEN NOT EXISTS (
            SELECT 1 FROM audit_removed_run r
            WHERE r.node = OLD.node AND r.first <= OLD.sequence AND r.last >= OLD.sequence)
        BEGIN SELECT RAISE(ABORT, 'audit entries are not deleted'); END;
        """
}
