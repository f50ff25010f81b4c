internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB

/// Keeps the audit rows that have not reached the audit log.
struct SQLiteAuditOutbox: AuditOutbox {
    let pool: DatabasePool

    /// Puts a row in, within the transaction of the change that it tells of.
    static func insert(_ record: AuthorizationRecord, in database: Database) throws {
        try database.cachedStatement(sql: "INSERT INTO audit_outbox (id, body) VALUES (?, ?)")
            .execute(arguments: [record.id.text, record.json.blob])
    }

    func append(_ record: AuthorizationRecord) async throws {
        try await pool.write { try Self.insert(record, in: $0) }
    }

    func newest() async throws -> Int64? {
        try await pool.read { try Int64.fetchOne($0, sql: "SELECT max(sequence) FROM audit_outbox") }
    }

    func pending(through number: Int64, limit: Int) async throws -> [AuthorizationRecord] {
        try await pool.read { database in
            try Data.fetchAll(
                database, sql: "SELECT body FROM audit_outbox WHERE sequence <= ? ORDER BY sequence LIMIT ?",
                arguments: [number, limit]
            ).map { try AuthorizationRecord(JSONValue(blob: $0)) }
        }
    }

    func acknowledge(_ records: [DecisionID]) async throws {
        try await pool.write { database in
            for id in records {
                try database.cachedStatement(sql: "DELETE FROM audit_outbox WHERE id = ?")
                    .execute(arguments: [id.text])
            }
        }
    }
}
