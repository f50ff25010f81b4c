internal import AccessPolicy
internal import Audit
internal import Authorization
internal import GRDB

/// Ends access.
struct SQLiteRevocationStore: RevocationStore {
    let pool: DatabasePool

    func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await pool.write { database in
            let entries: [Revocation]
            switch target {
            case .grant(let id):
                entries = try Self.endGrants(where: "id = ?", id.text, because: reason, at: now, in: database)
            case .client(let id):
                guard let ended = try Self.end(id, because: reason, at: now, in: database) else { return nil }
                entries = ended
            case .user(let subject):
                try database.execute(
                    sql: "UPDATE user_account SET is_disabled = 1 WHERE subject = ? AND is_disabled = 0",
                    arguments: [subject.text])
                guard database.changesCount == 1 else { return nil }
                try database.execute(
                    sql: "DELETE FROM session WHERE subject = ?1 OR pending_subject = ?1", arguments: [subject.text])
                try database.execute(
                    sql: "DELETE FROM remembered_consent WHERE subject = ?", arguments: [subject.text])
                entries =
                    [try Self.append(target, because: reason, at: now, in: database)]
                    + (try Self.endGrants(where: "subject = ?", subject.text, because: reason, at: now, in: database))
            case .token(let id):
                let isKnown = try Bool.fetchOne(
                    database,
                    sql: "SELECT EXISTS (SELECT 1 FROM revocation WHERE kind = 'token' AND target = ?)",
                    arguments: [id.text])
                guard isKnown == false else { return nil }
                entries = [try Self.append(target, because: reason, at: now, in: database)]
            }
            guard !entries.isEmpty else { return nil }
            try SQLiteAuditOutbox.insert(record, in: database)
            return RevocationOutcome(entries: entries)
        }
    }

    /// Suspends a client, and ends what is left of the access of one that is suspended already: a configuration suspends
    /// and leaves the grants. Nil when there is nothing to end.
    private static func end(
        _ id: ClientID, because reason: RevocationReason, at now: Int64, in database: Database
    ) throws -> [Revocation]? {
        try database.execute(
            sql: """
                UPDATE client SET status = 'suspended', revision = revision + 1
                WHERE id = ? AND status IN ('active', 'pending')
                """, arguments: [id.text])
        let isSuspendedNow = database.changesCount == 1
        try database.execute(sql: "DELETE FROM remembered_consent WHERE client_id = ?", arguments: [id.text])
        let forgets = database.changesCount > 0
        let hasGrants = try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM access_grant WHERE client_id = ? AND revoked_at IS NULL)",
            arguments: [id.text])
        guard isSuspendedNow || forgets || hasGrants == true else { return nil }
        return [try append(.client(id), because: reason, at: now, in: database)]
            + (try endGrants(where: "client_id = ?", id.text, because: reason, at: now, in: database))
    }

    func suspend(
        _ client: ClientID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await pool.write { database in
            try database.execute(
                sql: """
                    UPDATE client SET status = 'suspended', revision = revision + 1
                    WHERE id = ? AND status = 'active'
                    """, arguments: [client.text])
            guard database.changesCount == 1 else { return nil }
            try SQLiteAuditOutbox.insert(record, in: database)
            let cut = max(now, try Self.latestToken(of: client, in: database))
            return RevocationOutcome(entries: [
                try Self.append(.client(client), because: .clientSuspended, at: cut, in: database)
            ])
        }
    }

    /// When the latest token of a client was made: what makes one writes its time in the same transaction. None is made
    /// after this one in which the client is no longer active.
    private static func latestToken(of client: ClientID, in database: Database) throws -> Int64 {
        let latest = try Int64.fetchOne(
            database,
            sql: """
                SELECT max(at) FROM (
                    SELECT max(created_at) AS at FROM access_grant WHERE client_id = ?1
                    UNION ALL SELECT max(redeemed_at) FROM code WHERE client_id = ?1
                    UNION ALL SELECT max(last_used_at) FROM refresh_family WHERE client_id = ?1)
                """, arguments: [client.text])
        return latest ?? 0
    }

    func revocations(after sequence: Int64) async throws -> [Revocation] {
        try await pool.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM revocation WHERE sequence > ? ORDER BY sequence", arguments: [sequence]
            ).map { try Revocation($0) }
        }
    }

    func hold(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> Revocation? {
        try await pool.write { database in
            guard target.canBeHeld, try !Self.isHeld(target, in: database) else { return nil }
            try Self.note(target, isHeld: true, at: now, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return try Self.append(target, because: reason, at: now, in: database)
        }
    }

    func release(_ target: RevocationTarget, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        try await pool.write { database in
            guard target.canBeHeld, try Self.isHeld(target, in: database) else { return false }
            try Self.note(target, isHeld: false, at: now, in: database)
            try SQLiteAuditOutbox.insert(record, in: database)
            return true
        }
    }

    func holds() async throws -> AccessHolds {
        try await pool.read { database in
            let version = try Int64.fetchOne(database, sql: "SELECT MAX(sequence) FROM access_hold") ?? 0
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT kind, target FROM access_hold a WHERE is_held = 1 AND NOT EXISTS (
                        SELECT 1 FROM access_hold b
                        WHERE b.kind = a.kind AND b.target = a.target AND b.sequence > a.sequence)
                    """)
            return AccessHolds(
                version: version,
                targets: Set(try rows.map { try RevocationTarget(stored: $0["kind"], $0["target"]) }))
        }
    }

    private static func isHeld(_ target: RevocationTarget, in database: Database) throws -> Bool {
        let (kind, text) = target.stored
        return try Bool.fetchOne(
            database,
            sql: "SELECT is_held FROM access_hold WHERE kind = ? AND target = ? ORDER BY sequence DESC LIMIT 1",
            arguments: [kind, text]) ?? false
    }

    private static func note(
        _ target: RevocationTarget, isHeld: Bool, at now: Int64, in database: Database
    ) throws {
        let (kind, text) = target.stored
        try database.execute(
            sql: "INSERT INTO access_hold (kind, target, is_held, at) VALUES (?, ?, ?, ?)",
            arguments: [kind, text, isHeld, now])
    }

    /// Ends the grants that a condition names, with an entry for each. What their persons wanted to be remembered for
    /// their clients goes with them, so that ended access does not come back without a question.
    static func endGrants(
        where condition: String, _ argument: String, because reason: RevocationReason, at now: Int64,
        in database: Database
    ) throws -> [Revocation] {
        let ids = try String.fetchAll(
            database, sql: "SELECT id FROM access_grant WHERE revoked_at IS NULL AND \(condition) ORDER BY id",
            arguments: [argument])
        try database.execute(
            sql: """
                DELETE FROM remembered_consent WHERE (subject, client_id) IN (
                    SELECT subject, client_id FROM access_grant WHERE revoked_at IS NULL AND \(condition))
                """, arguments: [argument])
        return try ids.map { id in
            try database.execute(
                sql: "UPDATE access_grant SET revoked_at = ?, revocation_reason = ? WHERE id = ?",
                arguments: [now, reason.rawValue, id])
            return try append(.grant(GrantID(id)), because: reason, at: now, in: database)
        }
    }

    private static func append(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, in database: Database
    ) throws -> Revocation {
        let (kind, text) = target.stored
        try database.execute(
            sql: "INSERT INTO revocation (kind, target, at, reason) VALUES (?, ?, ?, ?)",
            arguments: [kind, text, now, reason.rawValue])
        return Revocation(sequence: database.lastInsertedRowID, target: target, at: now, reason: reason)
    }
}

extension RevocationTarget {
    fileprivate var stored: (kind: String, text: String) {
        switch self {
        case .grant(let id): ("grant", id.text)
        case .client(let id): ("client", id.text)
        case .user(let id): ("user", id.text)
        case .token(let id): ("token", id.text)
        }
    }

    fileprivate init(stored kind: String, _ text: String) throws(CorruptRow) {
        switch kind {
        case "grant": self = .grant(GrantID(text))
        case "client": self = .client(ClientID(text))
        case "user": self = .user(SubjectID(text))
        case "token": self = .token(TokenID(text))
        default: throw CorruptRow("revocation")
        }
    }
}

extension Revocation {
    fileprivate init(_ row: Row) throws {
        self.init(
            sequence: row["sequence"], target: try RevocationTarget(stored: row["kind"], row["target"]), at: row["at"],
            reason: try RevocationReason(rawValue: row["reason"]).orCorrupt("reason"))
    }
}
