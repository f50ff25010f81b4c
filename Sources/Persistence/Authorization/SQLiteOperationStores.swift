internal import AccessPolicy
internal import Audit
internal import Authorization
internal import GRDB

/// Remembers used assertions.
struct SQLiteReplayCache: ReplayCache {
    let pool: DatabasePool

    func remember(_ jti: String, of issuer: ClientID, until expiry: Int64) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO assertion_replay (issuer, jti, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING
                    """, arguments: [issuer.text, jti, expiry])
            return database.changesCount == 1
        }
    }
}

/// Keeps the server's keys, sealed.
struct SQLiteKeyStore: KeyStore {
    let pool: DatabasePool

    func keys() async throws -> [StoredKey] {
        try await pool.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM server_key ORDER BY created_at, rowid").map { row in
                StoredKey(
                    id: row["id"], purpose: try StoredKey.Purpose(rawValue: row["purpose"]).orCorrupt("key purpose"),
                    sealed: row["sealed"], createdAt: row["created_at"], retiredAt: row["retired_at"])
            }
        }
    }

    func insertFirst(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            guard try Self.insert(key, in: database) else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func rotate(to key: StoredKey, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await pool.writeWithoutTransaction { database in
            var isDone = false
            try database.inTransaction(.immediate) {
                try database.execute(
                    sql: "UPDATE server_key SET retired_at = ? WHERE purpose = ? AND retired_at IS NULL",
                    arguments: [now, key.purpose.rawValue])
                guard try Self.insert(key, in: database) else { return .rollback }
                try SQLiteAuditOutbox.insert(record, in: database)
                isDone = true
                return .commit
            }
            return isDone
        }
    }

    /// The unique index on active keys decides who is first.
    private static func insert(_ key: StoredKey, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT INTO server_key (id, purpose, sealed, created_at, retired_at) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """, arguments: [key.id, key.purpose.rawValue, key.sealed, key.createdAt, key.retiredAt])
        return database.changesCount == 1
    }
}

/// Removes what has expired.
struct SQLiteExpirySweep: ExpirySweep {
    let pool: DatabasePool

    private static let statements = [
        "DELETE FROM session WHERE expires_at <= :now",
        "DELETE FROM launch WHERE expires_at <= :now",
        "DELETE FROM remembered_consent WHERE expires_at <= :now",
        "DELETE FROM reference_token WHERE expires_at <= :now",
        // A used launch is remembered for a day, so that a replay is still known for one.
        "DELETE FROM ehr_launch WHERE :now - expires_at >= 86400",
        // A code is remembered for a day after its end, so that a replay is still known for one.
        "DELETE FROM code WHERE :now - expires_at >= 86400",
        "DELETE FROM assertion_replay WHERE expires_at < :now",
        "DELETE FROM login_throttle WHERE :now - last_attempt_at >= 86400",
        "DELETE FROM access_grant WHERE subject IS NULL AND :now - expires_at >= 86400",
        "DELETE FROM revocation WHERE :now - at >= 604800",
    ]

    func sweep(at now: Int64) async throws -> Int {
        var removed = 0
        // A transaction for each kind, so that nobody waits long.
        for statement in Self.statements {
            removed += try await pool.write { database in
                try database.execute(sql: statement, arguments: ["now": now])
                return database.changesCount
            }
        }
        return removed
    }
}
