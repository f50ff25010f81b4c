internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps the launches that EHRs have made.
struct SQLiteLaunchStore: LaunchStore {
    let pool: DatabasePool

    func launch(_ hash: SecretHash) async throws -> EHRLaunch? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM ehr_launch WHERE hash = ?"), arguments: [hash.blob]
            ).map { try EHRLaunch($0) }
        }
    }

    func insert(_ launch: EHRLaunch, record: AuthorizationRecord) async throws {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO ehr_launch
                        (hash, made_by, client_id, subject, fhir_base, context, created_at, expires_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    launch.hash.blob, launch.madeBy.text, launch.clientID.text, launch.subject.text, launch.fhirBase,
                    launch.context.stored.blob, launch.createdAt, launch.expiresAt,
                ])
            try SQLiteAuditOutbox.insert(record, in: database)
        }
    }

    func begin(
        _ transaction: AuthorizationTransaction, using hash: SecretHash, at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            guard try Self.use(LaunchUse(hash: hash, record: record), at: now, in: database) else { return false }
            try SQLiteTransactionStore.insert(transaction, in: database)
            return true
        }
    }

    /// Marks an unused and unexpired launch used, with its record; false when it was not to be had.
    static func use(_ use: LaunchUse, at now: Int64, in database: Database) throws -> Bool {
        try database.execute(
            sql: "UPDATE ehr_launch SET used_at = ? WHERE hash = ? AND used_at IS NULL AND expires_at > ?",
            arguments: [now, use.hash.blob, now])
        guard database.changesCount == 1 else { return false }
        try SQLiteAuditOutbox.insert(use.record, in: database)
        return true
    }
}

extension EHRLaunch {
    fileprivate init(_ row: Row) throws {
        self.init(
            hash: try SecretHash(blob: row["hash"]), madeBy: ClientID(row["made_by"]),
            clientID: ClientID(row["client_id"]), subject: SubjectID(row["subject"]), fhirBase: row["fhir_base"],
            context: try LaunchContext(stored: try JSONValue(blob: row["context"])), createdAt: row["created_at"],
            expiresAt: row["expires_at"], usedAt: row["used_at"])
    }
}
