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
                    sealed: row["sealed"], createdAt: row["created_at"], isAnnounced: row["is_announced"],
                    retiredAt: row["retired_at"])
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
                    sql:
                        "UPDATE server_key SET retired_at = ? WHERE purpose = ? AND retired_at IS NULL AND is_announced = 0",
                    arguments: [now, key.purpose.rawValue])
                guard try Self.insert(key, in: database) else { return .rollback }
                try SQLiteAuditOutbox.insert(record, in: database)
                isDone = true
                return .commit
            }
            return isDone
        }
    }

    func announce(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool {
        guard key.isAnnounced else { return false }
        return try await insertFirst(key, record: record)
    }

    func activate(_ id: String, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await pool.writeWithoutTransaction { database in
            var isDone = false
            try database.inTransaction(.immediate) {
                let purpose = try String.fetchOne(
                    database,
                    sql: "SELECT purpose FROM server_key WHERE id = ? AND is_announced = 1 AND retired_at IS NULL",
                    arguments: [id])
                guard let purpose else { return .rollback }
                try database.execute(
                    sql: """
                        UPDATE server_key SET retired_at = ?
                        WHERE purpose = ? AND retired_at IS NULL AND is_announced = 0
                        """, arguments: [now, purpose])
                try database.execute(sql: "UPDATE server_key SET is_announced = 0 WHERE id = ?", arguments: [id])
                try SQLiteAuditOutbox.insert(record, in: database)
                isDone = true
                return .commit
            }
            return isDone
        }
    }

    func remove(_ id: String, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "DELETE FROM server_key WHERE id = ? AND (retired_at IS NOT NULL OR is_announced = 1)",
                arguments: [id])
            guard database.changesCount == 1 else { return false }
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func reseal(_ id: String, from old: String, to new: String) async throws -> Bool {
        try await pool.write { database in
            try database.execute(
                sql: "UPDATE server_key SET sealed = ? WHERE id = ? AND sealed = ?", arguments: [new, id, old])
            return database.changesCount == 1
        }
    }

    /// The unique index on active keys decides who is first.
    private static func insert(_ key: StoredKey, in database: Database) throws -> Bool {
        try database.execute(
            sql: """
                INSERT INTO server_key (id, purpose, sealed, created_at, is_announced, retired_at)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """,
            arguments: [key.id, key.purpose.rawValue, key.sealed, key.createdAt, key.isAnnounced, key.retiredAt])
        return database.changesCount == 1
    }
}

/// Removes what has expired.
struct SQLiteExpirySweep: ExpirySweep {
    let pool: DatabasePool

    private static let statements = [
        "DELETE FROM session WHERE expires_at <= :now",
        "DELETE FROM launch WHERE expires_at <= :now",
        "DELETE FROM pending_login WHERE expires_at <= :now",
        "DELETE FROM pushed_request WHERE expires_at <= :now",
        "DELETE FROM remembered_consent WHERE expires_at <= :now",
        "DELETE FROM reference_token WHERE expires_at <= :now",
        // A used launch is remembered for a day, so that a replay is still known for one.
        "DELETE FROM ehr_launch WHERE :now - expires_at >= 86400",
        // A code is remembered for a day after its end, so that a replay is still known for one.
        "DELETE FROM code WHERE :now - expires_at >= 86400",
        "DELETE FROM assertion_replay WHERE expires_at < :now",
        "DELETE FROM login_throttle WHERE :now - last_attempt_at >= 86400",
        "DELETE FROM known_network WHERE :now - seen_at >= \(ThrottleKey.memory)",
        "DELETE FROM access_grant WHERE subject IS NULL AND :now - expires_at >= 86400",
        "DELETE FROM access_grant WHERE subject IS NOT NULL AND expires_at <= :now - \(Grant.retention)",
        "DELETE FROM access_grant WHERE subject IS NOT NULL AND revoked_at <= :now - \(Grant.retention)",
        "DELETE FROM revocation WHERE :now - at >= 604800",
    ]

    func sweep(at now: Int64) async throws -> Int {
        var removed = 0
        for statement in SQLiteGrantStore.endings {
            try await pool.write { try $0.execute(sql: statement, arguments: ["now": now]) }
        }
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
