internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB

/// Keeps the choices that people wanted to be remembered.
struct SQLiteConsentStore: ConsentStore {
    let pool: DatabasePool

    func remembered(_ key: ConsentKey) async throws -> RememberedConsent? {
        try await pool.read { try Self.remembered(key, in: $0) }
    }

    static func remembered(_ key: ConsentKey, in database: Database) throws -> RememberedConsent? {
        try Row.fetchOne(
            database,
            sql: """
                SELECT * FROM remembered_consent
                WHERE subject = ? AND client_id = ? AND patient = ? AND fhir_base = ?
                """, arguments: [key.subject.text, key.clientID.text, key.patient?.text ?? "", key.fhirBase]
        ).map { row in
            RememberedConsent(
                key: key, offered: try values(row["offered"]), chosen: try values(row["chosen"]),
                givenAt: row["given_at"], expiresAt: row["expires_at"])
        }
    }

    func remember(_ consent: RememberedConsent) async throws {
        try await pool.write { try Self.insert(consent, in: $0) }
    }

    static func insert(_ consent: RememberedConsent, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT OR REPLACE INTO remembered_consent
                    (subject, client_id, patient, fhir_base, offered, chosen, given_at, expires_at)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                consent.key.subject.text, consent.key.clientID.text, consent.key.patient?.text ?? "",
                consent.key.fhirBase, blob(consent.offered), blob(consent.chosen), consent.givenAt,
                consent.expiresAt,
            ])
    }

    func forget(_ subject: SubjectID, client: ClientID, record: AuthorizationRecord) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "DELETE FROM remembered_consent WHERE subject = ? AND client_id = ?",
                arguments: [subject.text, client.text])
            if database.changesCount > 0 { try SQLiteAuditOutbox.insert(record, in: database) }
        }
    }

    func forgetAll(of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "DELETE FROM remembered_consent WHERE subject = ?", arguments: [subject.text])
            guard database.changesCount > 0 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func remembersAnything(of subject: SubjectID, at now: Int64) async throws -> Bool {
        try await pool.read { database in
            try Bool.fetchOne(
                database,
                sql: "SELECT EXISTS (SELECT 1 FROM remembered_consent WHERE subject = ? AND expires_at > ?)",
                arguments: [subject.text, now]) ?? false
        }
    }

    private static func blob(_ values: Set<String>) -> Data {
        JSONValue.array(values.sorted().map { .string($0) }).blob
    }

    private static func values(_ blob: Data) throws -> Set<String> {
        let items = try JSONValue(blob: blob).array.orCorrupt("remembered consent")
        return Set(try items.map { try $0.string.orCorrupt("remembered consent") })
    }
}
