public import Audit
internal import Foundation
internal import GRDB

extension AuditSQLiteSink: AuditCheckpointStore {
    public func append(_ checkpoint: SignedAuditCheckpoint) throws {
        let facts = checkpoint.checkpoint
        try pool.write { database in
            let newest = try Int64.fetchOne(
                database, sql: "SELECT max(number) FROM audit_checkpoint WHERE node = ?", arguments: [facts.node])
            guard facts.number == (newest ?? 0).following, newest != .max else {
                throw AuditFailure.notWritten(
                    detail: "checkpoint \(facts.number) of `\(facts.node)` does not follow \(newest ?? 0)")
            }
            try database.execute(
                sql: "INSERT INTO audit_checkpoint (node, number, sequence, compact) VALUES (?, ?, ?, ?)",
                arguments: [facts.node, facts.number, facts.sequence, checkpoint.compact])
        }
    }

    public func latestCheckpoints() throws -> [StoredAuditCheckpoint] {
        try pool.read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT c.* FROM (SELECT node, max(number) AS number FROM audit_checkpoint GROUP BY node) n
                    JOIN audit_checkpoint c ON c.node = n.node AND c.number = n.number ORDER BY c.node
                    """
            ).map(Self.checkpoint)
        }
    }

    public func checkpoints(after position: Int64, limit: Int) throws -> [StoredAuditCheckpoint] {
        try pool.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM audit_checkpoint WHERE position > ? ORDER BY position LIMIT ?",
                arguments: [position, limit]
            ).map(Self.checkpoint)
        }
    }

    public func checkpoint(of node: String, reaching sequence: Int64) throws -> StoredAuditCheckpoint? {
        try pool.read { database in
            // Numbers and places rise together, and there may be millions: halves instead of a walk.
            var low: Int64 = 1
            var high =
                try Int64.fetchOne(
                    database, sql: "SELECT max(number) FROM audit_checkpoint WHERE node = ?", arguments: [node]) ?? 0
            var found: StoredAuditCheckpoint?
            while low <= high {
                let middle = low + (high - low) / 2
                let row = try Row.fetchOne(
                    database, sql: "SELECT * FROM audit_checkpoint WHERE node = ? AND number = ?",
                    arguments: [node, middle])
                guard let checkpoint = row.map(Self.checkpoint) else { return nil }
                if checkpoint.sequence >= sequence {
                    found = checkpoint
                    high = middle - 1
                } else {
                    low = middle + 1
                }
            }
            return found
        }
    }

    public func links(of node: String, in places: Range<Int64>) throws -> [AuditInclusionProof.Link] {
        try pool.read { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT recorded_at, body FROM audit_entry WHERE node = ? AND sequence >= ? AND sequence < ?
                    ORDER BY sequence
                    """, arguments: [node, places.lowerBound, places.upperBound])
            var links: [AuditInclusionProof.Link] = []
            while let row = try rows.next() {
                links.append(.init(recordedAt: row["recorded_at"], body: Array(row["body"] as Data)))
            }
            return links
        }
    }

    public func hash(at sequence: Int64, of node: String) throws -> ChainHash? {
        try pool.read { database in
            try Data.fetchOne(
                database, sql: "SELECT hash FROM audit_entry WHERE node = ? AND sequence = ?",
                arguments: [node, sequence]
            ).flatMap { ChainHash(bytes: $0) }
        }
    }

    public func end(of node: String) throws -> (end: AuditChainEnd, kind: String)? {
        try head(of: node).map { (AuditChainEnd(sequence: $0.sequence, hash: $0.hash), $0.index.kind) }
    }

    private static func checkpoint(_ row: Row) -> StoredAuditCheckpoint {
        StoredAuditCheckpoint(
            position: row["position"], node: row["node"], number: row["number"], sequence: row["sequence"],
            compact: row["compact"])
    }
}
