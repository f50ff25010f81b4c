internal import AccessPolicy
internal import Audit
internal import Authorization
internal import FHIRCore
internal import Foundation
internal import GRDB

/// Counts attempts.
struct SQLiteLoginThrottleStore: LoginThrottleStore {
    let pool: DatabasePool

    func admit(
        _ attempts: [ThrottleKey: ThrottlePolicy], at now: Int64,
        announcing lockouts: [ThrottleKey: AuthorizationRecord]
    ) async throws -> ThrottleVerdict {
        // One transaction with the write lock from its beginning, so nobody counts on an old number.
        try await pool.write { database in
            var counts: [ThrottleKey: ThrottleCount] = [:]
            for key in attempts.keys { counts[key] = try Self.count(of: key, in: database) }
            if let until = counts.values.filter({ !$0.isOpen(at: now) }).map(\.closedUntil).max() {
                return .closed(until: until)
            }
            var last: Set<ThrottleKey> = []
            for (key, policy) in attempts {
                var count = counts[key] ?? ThrottleCount()
                if count.count(by: policy, at: now) { last.insert(key) }
                try Self.save(count, of: key, in: database)
            }
            for record in last.compactMap({ lockouts[$0] }) {
                try database.execute(
                    sql: "INSERT INTO announced_lockout (id, body, announced_at) VALUES (?, ?, ?)",
                    arguments: [record.id.text, record.json.blob, now])
            }
            return last.isEmpty ? .admitted : .last(under: last)
        }
    }

    func giveBack(
        all cleared: [ThrottleKey], one forgiven: [ThrottleKey], withdrawing lockouts: [DecisionID]
    ) async throws {
        try await pool.write { database in
            for key in cleared {
                try database.execute(sql: "DELETE FROM login_throttle WHERE key = ?", arguments: [key.text])
            }
            for key in forgiven {
                guard var count = try Self.count(of: key, in: database) else { continue }
                count.forgive()
                if count.attempts == 0 {
                    try database.execute(sql: "DELETE FROM login_throttle WHERE key = ?", arguments: [key.text])
                } else {
                    try Self.save(count, of: key, in: database)
                }
            }
            for id in lockouts { _ = try Self.take(id, in: database) }
        }
    }

    func confirm(_ lockouts: [AuthorizationRecord]) async throws {
        try await pool.write { database in
            for record in lockouts where try Self.take(record.id, in: database) {
                try SQLiteAuditOutbox.insert(record, in: database)
            }
        }
    }

    func confirm(announcedBy time: Int64) async throws -> Int {
        try await pool.write { database in
            let bodies = try Data.fetchAll(
                database,
                sql: "SELECT body FROM announced_lockout WHERE announced_at <= ? ORDER BY announced_at, rowid",
                arguments: [time])
            for body in bodies {
                let record = try AuthorizationRecord(JSONValue(blob: body))
                guard try Self.take(record.id, in: database) else { throw CorruptRow("announced lockout") }
                try SQLiteAuditOutbox.insert(record, in: database)
            }
            return bodies.count
        }
    }

    /// Removes an announced record; false when there is none.
    private static func take(_ id: DecisionID, in database: Database) throws -> Bool {
        try database.execute(sql: "DELETE FROM announced_lockout WHERE id = ?", arguments: [id.text])
        return database.changesCount == 1
    }

    func remember(_ key: ThrottleKey, at now: Int64) async throws {
        try await pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO known_network (key, seen_at) VALUES (?, ?)
                    ON CONFLICT (key) DO UPDATE SET seen_at = max(seen_at, excluded.seen_at)
                    """, arguments: [key.text, now])
        }
    }

    func isRemembered(_ key: ThrottleKey, since: Int64) async throws -> Bool {
        try await pool.read { database in
            try Bool.fetchOne(
                database, sql: "SELECT seen_at >= ? FROM known_network WHERE key = ?", arguments: [since, key.text])
                ?? false
        }
    }

    private static func count(of key: ThrottleKey, in database: Database) throws -> ThrottleCount? {
        try Row.fetchOne(database, sql: "SELECT * FROM login_throttle WHERE key = ?", arguments: [key.text]).map {
            ThrottleCount(
                attempts: $0["attempts"], countedAt: $0["last_attempt_at"], closedUntil: $0["closed_until"])
        }
    }

    private static func save(_ count: ThrottleCount, of key: ThrottleKey, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO login_throttle (key, attempts, last_attempt_at, closed_until) VALUES (?, ?, ?, ?)
                ON CONFLICT (key) DO UPDATE SET attempts = excluded.attempts,
                    last_attempt_at = excluded.last_attempt_at, closed_until = excluded.closed_until
                """, arguments: [key.text, count.attempts, count.countedAt, count.closedUntil])
    }
}
