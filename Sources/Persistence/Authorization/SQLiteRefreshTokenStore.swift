internal import AccessPolicy
internal import Audit
internal import Authorization
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps refresh-token families.
struct SQLiteRefreshTokenStore: RefreshTokenStore {
    let pool: DatabasePool

    func family(_ id: RefreshFamilyID) async throws -> RefreshFamily? {
        try await pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM refresh_family WHERE id = ?"), arguments: [id.text]
            ).map { try RefreshFamily($0) }
        }
    }

    static func insert(_ family: RefreshFamily, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO refresh_family (id, grant_id, client_id, rotates, created_at, idle_limit, expires_at,
                    generation, current_hash, previous_hash, rotated_at, is_delivered, last_used_at, session, proof_key)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                family.id.text, family.grantID.text, family.clientID.text, family.rotates, family.createdAt,
                family.idleLimit, family.expiresAt, family.generation, family.currentHash.blob,
                family.previousHash?.blob, family.rotatedAt, family.isDelivered, family.lastUsedAt,
                family.session?.hash.blob, family.proofKey,
            ])
    }

    /// What both writes demand beside the family itself.
    private static let live = """
        (:now - last_used_at) < idle_limit AND (expires_at IS NULL OR expires_at > :now)
            AND (refresh_family.session IS NULL
                OR EXISTS (SELECT 1 FROM session s WHERE s.id = refresh_family.session AND s.expires_at > :now))
            AND \(SQLiteGrantStore.alive)
        """

    func rotate(
        _ id: RefreshFamilyID, from current: SecretHash, to successor: SecretHash, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE refresh_family SET generation = generation + 1, previous_hash = current_hash,
                        current_hash = :successor, rotated_at = :now, is_delivered = 0, last_used_at = :now
                    WHERE id = :id AND current_hash = :current AND \(Self.live)
                    """,
                arguments: [
                    "id": id.text, "current": current.blob, "successor": successor.blob, "now": now,
                ])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func deliver(_ id: RefreshFamilyID, _ current: SecretHash, at now: Int64) async throws {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE refresh_family SET is_delivered = 1, rotated_at = :now
                    WHERE id = :id AND current_hash = :current AND is_delivered = 0
                    """, arguments: ["id": id.text, "current": current.blob, "now": now])
        }
    }

    func use(_ id: RefreshFamilyID, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE refresh_family SET last_used_at = max(last_used_at, :now) WHERE id = :id AND \(Self.live)
                    """, arguments: ["id": id.text, "now": now])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }
}

extension RefreshFamily {
    fileprivate init(_ row: Row) throws {
        self.init(
            id: RefreshFamilyID(text: row["id"]), grantID: GrantID(row["grant_id"]),
            clientID: ClientID(row["client_id"]), rotates: row["rotates"], createdAt: row["created_at"],
            idleLimit: row["idle_limit"], expiresAt: row["expires_at"], generation: row["generation"],
            currentHash: try SecretHash(blob: row["current_hash"]),
            previousHash: try (row["previous_hash"] as Data?).map { try SecretHash(blob: $0) },
            rotatedAt: row["rotated_at"], isDelivered: row["is_delivered"], lastUsedAt: row["last_used_at"],
            session: try (row["session"] as Data?).map { SessionID(hash: try SecretHash(blob: $0)) },
            proofKey: row["proof_key"])
    }
}
