internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps the second factors of local accounts.
struct SQLiteSecondFactorStore: SecondFactorStore {
    let pool: DatabasePool

    private static let columns = """
        SELECT *, (SELECT count(*) FROM recovery_code r WHERE r.subject = f.subject) AS recovery_count
        FROM second_factor f
        """

    func secondFactor(of subject: SubjectID) async throws -> SecondFactor? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: Self.columns + " WHERE subject = ?"), arguments: [subject.text]
            ).map { try SecondFactor($0) }
        }
    }

    func secondFactors() async throws -> [SecondFactor] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: Self.columns + " ORDER BY subject").map { try SecondFactor($0) }
        }
    }

    func begin(_ factor: SecondFactor) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO second_factor (subject, sealed, created_at, last_step, session)
                    SELECT subject, ?2, ?3, 0, ?4 FROM user_account WHERE subject = ?1
                    ON CONFLICT (subject) DO UPDATE
                        SET sealed = excluded.sealed, created_at = excluded.created_at, session = excluded.session
                        WHERE confirmed_at IS NULL
                    """,
                arguments: [factor.subject.text, factor.sealedKey, factor.createdAt, factor.session?.hash.blob])
            return database.changesCount == 1
        }
    }

    func confirm(
        _ subject: SubjectID, sealedKey: String, step: Int64, recovery: Set<SecretHash>, in session: SessionID,
        at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE second_factor SET confirmed_at = ?, last_step = ?, session = NULL
                    WHERE subject = ? AND sealed = ? AND session = ? AND confirmed_at IS NULL
                    """, arguments: [now, step, subject.text, sealedKey, session.hash.blob])
            guard database.changesCount == 1 else { return false }
            try Self.keep(recovery, of: subject, in: database)
            try database.execute(
                sql: "DELETE FROM session WHERE (subject = ?1 OR pending_subject = ?1) AND id <> ?2",
                arguments: [subject.text, session.hash.blob])
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func use(step: Int64, of subject: SubjectID, sealedKey: String) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE second_factor SET last_step = ?1
                    WHERE subject = ?2 AND sealed = ?3 AND confirmed_at IS NOT NULL AND last_step < ?1
                    """, arguments: [step, subject.text, sealedKey])
            return database.changesCount == 1
        }
    }

    func use(recovery code: SecretHash, of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    DELETE FROM recovery_code WHERE subject = ?1 AND hash = ?2 AND EXISTS
                        (SELECT 1 FROM second_factor WHERE subject = ?1 AND confirmed_at IS NOT NULL)
                    """, arguments: [subject.text, code.blob])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func replace(
        recovery: Set<SecretHash>, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            let isConfirmed = try Bool.fetchOne(
                database,
                sql: "SELECT EXISTS (SELECT 1 FROM second_factor WHERE subject = ? AND confirmed_at IS NOT NULL)",
                arguments: [subject.text])
            guard isConfirmed == true else { return false }
            try Self.keep(recovery, of: subject, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func remove(factorOf subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(sql: "DELETE FROM second_factor WHERE subject = ?", arguments: [subject.text])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func reseal(_ subject: SubjectID, from old: String, to new: String) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE second_factor SET sealed = ? WHERE subject = ? AND sealed = ?",
                arguments: [new, subject.text, old])
            return database.changesCount == 1
        }
    }

    private static func keep(_ recovery: Set<SecretHash>, of subject: SubjectID, in database: Database) throws {
        try database.execute(sql: "DELETE FROM recovery_code WHERE subject = ?", arguments: [subject.text])
        for code in recovery {
            try database.execute(
                sql: "INSERT INTO recovery_code (subject, hash) VALUES (?, ?)", arguments: [subject.text, code.blob])
        }
    }
}

extension SecondFactor {
    fileprivate init(_ row: Row) throws {
        self.init(
            subject: SubjectID(row["subject"]), sealedKey: row["sealed"],
            session: try (row["session"] as Data?).map { SessionID(hash: try SecretHash(blob: $0)) },
            createdAt: row["created_at"],
            confirmedAt: row["confirmed_at"], lastStep: row["last_step"], recoveryCodesLeft: row["recovery_count"])
    }
}
