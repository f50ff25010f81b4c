internal import AccessPolicy
internal import Authorization
internal import GRDB
internal import OAuthCore

/// Keeps pushed authorization requests.
struct SQLitePushedRequestStore: PushedRequestStore {
    let pool: DatabasePool

    func insert(_ request: PushedRequest) async throws {
        try await pool.write { database in
            try database.execute(
                sql: "INSERT INTO pushed_request (hash, client_id, form, expires_at) VALUES (?, ?, ?, ?)",
                arguments: [request.hash.blob, request.clientID.text, request.form, request.expiresAt])
        }
    }

    func take(_ hash: SecretHash, by client: ClientID, at now: Int64) async throws -> PushedRequest? {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE pushed_request SET used_at = ?
                    WHERE hash = ? AND client_id = ? AND used_at IS NULL AND expires_at > ?
                    """, arguments: [now, hash.blob, client.text, now])
            guard database.changesCount == 1 else { return nil }
            return try Row.fetchOne(
                database, sql: "SELECT * FROM pushed_request WHERE hash = ?", arguments: [hash.blob]
            ).map { row in
                PushedRequest(hash: hash, clientID: client, form: row["form"], expiresAt: row["expires_at"])
            }
        }
    }
}
