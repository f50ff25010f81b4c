internal import AccessPolicy
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB
internal import OAuthCore

/// Keeps the facts behind reference tokens.
struct SQLiteReferenceTokenStore: ReferenceTokenStore {
    let pool: DatabasePool

    func insert(_ token: ReferenceToken) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "INSERT INTO reference_token (hash, grant_id, claims, expires_at) VALUES (?, ?, ?, ?)",
                arguments: [token.hash.blob, token.grantID.text, token.claims.blob, token.expiresAt])
        }
    }

    func referenceToken(_ hash: SecretHash) throws -> ReferenceToken? {
        try pool.read { database in
            try Row.fetchOne(
                database.cachedStatement(sql: "SELECT * FROM reference_token WHERE hash = ?"), arguments: [hash.blob]
            ).map { row in
                ReferenceToken(
                    hash: hash, grantID: GrantID(row["grant_id"]), claims: try JSONValue(blob: row["claims"]),
                    expiresAt: row["expires_at"])
            }
        }
    }
}
