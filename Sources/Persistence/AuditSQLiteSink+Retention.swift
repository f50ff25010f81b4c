public import Audit
internal import Foundation
internal import GRDB

extension AuditSQLiteSink: AuditRetentionStore {
    public func entries(after position: Int64, limit: Int) throws -> [StoredAuditEntry] {
        try pool.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM audit_entry WHERE position > ? ORDER BY position LIMIT ?",
                arguments: [position, limit]
            ).map { StoredAuditEntry(position: $0["position"], entry: try AuditRow.entry($0, in: database)) }
        }
    }

    /// The running number of the newest entry, 0 where there is none.
    public func newestPosition() throws -> Int64 {
        try pool.read { try Int64.fetchOne($0, sql: "SELECT max(position) FROM audit_entry") ?? 0 }
    }

    public func isOpen(_ sequence: Int64, of node: String) throws -> Bool {
        try pool.read { database in
            try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM audit_open WHERE node = ? AND sequence = ?)",
                arguments: [node, sequence]) ?? false
        }
    }

    public func latestRemoval() throws -> StoredAuditRemoval? {
        try pool.read { database in
            try Row.fetchOne(database, sql: "SELECT * FROM audit_removal ORDER BY number DESC LIMIT 1").map {
                StoredAuditRemoval(number: $0["number"], compact: $0["compact"], runs: [])
            }
        }
    }

    public func remove(
        _ removal: SignedAuditRemoval, runs: [AuditRemovedRun], judgedUnder holds: [LegalHold]
    ) throws -> Bool {
        try pool.write { database in
            guard try Set(Self.holds(in: database)) == Set(holds) else { return false }
            if let doubt = try AuditHoldTable.findings(in: database).first {
                throw AuditFailure.chainBroken(detail: "\(doubt)")
            }
            let newest = try Int64.fetchOne(database, sql: "SELECT max(number) FROM audit_removal") ?? 0
            guard removal.removal.number == newest.following, newest != .max else {
                throw AuditFailure.notWritten(detail: "removal \(removal.removal.number) does not follow \(newest)")
            }
            try database.execute(
                sql: "INSERT INTO audit_removal (number, compact) VALUES (?, ?)",
                arguments: [removal.removal.number, removal.compact])
            for run in runs { try Self.remove(run, by: removal.removal.number, in: database) }
            return true
        }
    }

    /// The run first: the trigger lets go only what a run names.
    private static func remove(_ run: AuditRemovedRun, by removal: Int64, in database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO audit_removed_run (node, first, last, previous, hash, removal) VALUES (?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                run.node, run.first, run.last, Data(run.previous.bytes), Data(run.hash.bytes), removal,
            ])
        let range: StatementArguments = [run.node, run.first, run.last]
        try database.execute(
            sql: """
                DELETE FROM audit_patient WHERE position IN (
                    SELECT position FROM audit_entry WHERE node = ? AND sequence BETWEEN ? AND ?)
                """, arguments: range)
        try database.execute(
            sql: "DELETE FROM audit_entry WHERE node = ? AND sequence BETWEEN ? AND ?", arguments: range)
        guard database.changesCount == Int(run.count) else {
            throw AuditFailure.notWritten(
                detail: "entries \(run.first) to \(run.last) of `\(run.node)` are not all there")
        }
    }

    public func holds() throws -> [LegalHold] { try pool.read { try Self.holds(in: $0) } }

    private static func holds(in database: Database) throws -> [LegalHold] {
        try AuditHoldTable.rows(in: database).map { row in
            guard let row else { throw AuditFailure.chainBroken(detail: "a legal hold cannot be read") }
            return row
        }.filter { $0.liftedAt == nil }.map(\.hold)
    }

    /// What is to be recorded of a hold that stands without a record; nil where there is none of that name, and where
    /// nothing is missing. Blocks.
    public func adoption(of id: String) throws -> LegalHoldAdoption? {
        try pool.read { database in
            guard let row = try AuditHoldTable.rows(in: database).first(where: { $0?.hold.id == id }) ?? nil else {
                return nil
            }
            return try AuditHoldTable.ledger(in: database).adoption(of: row)
        }
    }

    public func holdFindings() throws -> [AuditFinding] { try pool.read { try AuditHoldTable.findings(in: $0) } }
}

extension AuditSQLiteSink: AuditFeedStore {
    public func cursor(of feed: String) throws -> StoredAuditFeedCursor? {
        try pool.read { database in
            try Row.fetchOne(
                database, sql: "SELECT name, position, compact FROM audit_feed WHERE name = ?", arguments: [feed]
            ).map { StoredAuditFeedCursor(feed: feed, position: $0.cell(1) ?? Int64.max, compact: $0.cell(2)) }
        }
    }

    /// How far every feed that ever was has come, as it is stored. Blocks.
    public func cursors() throws -> [StoredAuditFeedCursor] {
        try pool.read { database in
            try Row.fetchAll(database, sql: "SELECT name, position, compact FROM audit_feed ORDER BY name").compactMap {
                row in
                row.cell(0).map {
                    StoredAuditFeedCursor(feed: $0, position: row.cell(1) ?? Int64.max, compact: row.cell(2))
                }
            }
        }
    }

    public func advance(_ cursor: SignedAuditFeedCursor) throws {
        try pool.write { database in
            try database.execute(
                sql: """
                    INSERT INTO audit_feed (name, position, compact) VALUES (?, ?, ?)
                    ON CONFLICT (name) DO UPDATE SET position = excluded.position, compact = excluded.compact
                    WHERE excluded.position > position
                    """, arguments: [cursor.feed, cursor.position, cursor.compact])
        }
    }

    public func restart(_ feed: String) throws {
        try pool.write { try $0.execute(sql: "DELETE FROM audit_feed WHERE name = ?", arguments: [feed]) }
    }

    public func newestPosition(of source: AuditFeedSource) throws -> Int64 {
        switch source {
        case .records: try newestPosition()
        case .checkpoints:
            try pool.read { try Int64.fetchOne($0, sql: "SELECT max(position) FROM audit_checkpoint") ?? 0 }
        }
    }
}
