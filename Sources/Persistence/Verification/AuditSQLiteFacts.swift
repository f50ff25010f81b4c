internal import Audit
internal import Foundation
internal import GRDB

/// What a verification needs to know about a log before and after its entries are walked, read in one snapshot.
struct AuditSQLiteFacts: Sendable {
    let newest: Int64
    /// The running numbers at which parts of about equal size begin.
    let starts: [Int64]
    let checkpoints: [StoredAuditCheckpoint]
    let removals: [StoredAuditRemoval]
    /// Tables, indexes and triggers that are not as we make them.
    let findings: [AuditFinding]
    /// The indexes that a log of its age has.
    let shapes: [AuditIndexShape]
    /// The legal holds as the table has them.
    let holds: [StoredLegalHold]
    /// How far the feeds have come, as the table has it.
    let cursors: [StoredAuditFeedCursor]
    private let open: [String: Set<Int64>]

    init(path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        self = try queue.read { try AuditSQLiteFacts($0) }
    }

    private init(_ database: Database) throws {
        let (differences, expected) = try Self.schemaFindings(database)
        var findings = differences
        shapes = AuditIndexShape.allCases.filter {
            !AuditIndexShape.later.contains($0) || expected.contains($0.rawValue)
        }
        newest = try Int64.fetchOne(database, sql: "SELECT max(position) FROM audit_entry") ?? 0
        starts = try Self.starts(database)
        var unreadable: Set<String> = []
        checkpoints = try Self.rows(
            database, "SELECT position, node, number, sequence, compact FROM audit_checkpoint ORDER BY position",
            from: "audit_checkpoint"
        ) { row in
            guard let position: Int64 = row.cell(0), let node: String = row.cell(1), let number: Int64 = row.cell(2),
                let sequence: Int64 = row.cell(3), let compact: String = row.cell(4)
            else {
                unreadable.insert("audit_checkpoint")
                return nil
            }
            return StoredAuditCheckpoint(
                position: position, node: node, number: number, sequence: sequence, compact: compact)
        }
        let runs: [(removal: Int64, run: AuditRemovedRun)] = try Self.rows(
            database, "SELECT node, first, last, previous, hash, removal FROM audit_removed_run ORDER BY node, first",
            from: "audit_removed_run"
        ) { row in
            guard let node: String = row.cell(0), let first: Int64 = row.cell(1), let last: Int64 = row.cell(2),
                let before: Data = row.cell(3), let after: Data = row.cell(4), let removal: Int64 = row.cell(5),
                let previous = ChainHash(bytes: before), let hash = ChainHash(bytes: after), first <= last
            else {
                unreadable.insert("audit_removed_run")
                return nil
            }
            return (removal, AuditRemovedRun(node: node, first: first, last: last, previous: previous, hash: hash))
        }
        let byRemoval = Dictionary(grouping: runs, by: \.removal)
        removals = try Self.rows(
            database, "SELECT number, compact FROM audit_removal ORDER BY number", from: "audit_removal"
        ) { row in
            guard let number: Int64 = row.cell(0), let compact: String = row.cell(1) else {
                unreadable.insert("audit_removal")
                return nil
            }
            return StoredAuditRemoval(
                number: number, compact: compact, runs: (byRemoval[number] ?? []).map(\.run))
        }
        let holds = try database.tableExists("audit_hold") ? AuditHoldTable.rows(in: database) : []
        if holds.contains(nil) { unreadable.insert("audit_hold") }
        self.holds = holds.compactMap { $0 }
        // A log of a release that did not sign cursors has no signatures; a column of nothing stands for them.
        let proof = try Self.hasColumn("compact", of: "audit_feed", database) ? "compact" : "NULL"
        cursors = try Self.rows(
            database, "SELECT name, position, \(proof) FROM audit_feed ORDER BY name", from: "audit_feed"
        ) { row in
            guard let name: String = row.cell(0), let position: Int64 = row.cell(1) else {
                unreadable.insert("audit_feed")
                return nil
            }
            return StoredAuditFeedCursor(feed: name, position: position, compact: row.cell(2))
        }
        var open: [String: Set<Int64>] = [:]
        let listed: [(String, Int64)] = try Self.rows(
            database, "SELECT node, sequence FROM audit_open", from: "audit_open"
        ) { row in
            guard let node: String = row.cell(0), let sequence: Int64 = row.cell(1) else {
                unreadable.insert("audit_open")
                return nil
            }
            return (node, sequence)
        }
        for (node, sequence) in listed { open[node, default: []].insert(sequence) }
        self.open = open
        findings += unreadable.sorted().map {
            AuditFinding(.structure($0), .changed, "a row of it cannot be read")
        }
        self.findings = findings
    }

    /// The rows that can be read as what they ought to be; a damaged file has others. A table that is not there has none:
    /// whether it ought to be is a question to the whole of the tables.
    private static func rows<Value>(
        _ database: Database, _ sql: String, from table: String, _ read: (Row) -> Value?
    ) throws -> [Value] {
        guard try database.tableExists(table) else { return [] }
        return try Row.fetchAll(database, sql: sql).compactMap(read)
    }

    private static func hasColumn(_ column: String, of table: String, _ database: Database) throws -> Bool {
        try Bool.fetchOne(
            database, sql: "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?) WHERE name = ?)",
            arguments: [table, column]) ?? false
    }

    /// Entries of one part, at most.
    private static let part: Int64 = 32_768

    /// Each part begins with an entry, so that a running number that was changed to a huge one makes no parts of nothing.
    private static func starts(_ database: Database) throws -> [Int64] {
        let next = try database.makeStatement(sql: "SELECT min(position) FROM audit_entry WHERE position >= ?")
        var starts: [Int64] = []
        var from = Int64.min
        while let start = try Int64.fetchOne(next, arguments: [from]) {
            starts.append(start)
            let (end, overflows) = start.addingReportingOverflow(part)
            if overflows { break }
            from = end
        }
        return starts
    }

    /// A log of ours has exactly the tables, indexes and triggers that our migrations make: all of them, or, in a copy
    /// from before a release, those that it says it had. Whoever takes back the last ones hides nothing by it: without its
    /// tables the log is compared with its records all the same.
    ///
    /// - Returns: what differs, and the names of everything that ought to be there.
    private static func schemaFindings(_ database: Database) throws -> ([AuditFinding], Set<String>) {
        let fresh = try DatabaseQueue()
        let migrator = AuditSchema.migrator
        let known = migrator.migrations
        var applied: Set<String> = []
        if try database.tableExists("grdb_migrations") {
            applied = try Set(String.fetchAll(database, sql: "SELECT identifier FROM grdb_migrations"))
        }
        let older = known.prefix { applied.contains($0) }
        if let last = older.last, Set(older) == applied {
            try migrator.migrate(fresh, upTo: last)
        } else {
            try migrator.migrate(fresh)
        }
        let sql = "SELECT name, type || ' on ' || tbl_name || ': ' || coalesce(sql, '') FROM sqlite_master"
        func objects(_ database: Database) throws -> [String: String] {
            var result: [String: String] = [:]
            for row in try Row.fetchAll(database, sql: sql) {
                result[row.cell(0) ?? "an object without a name"] = row.cell(1) ?? ""
            }
            return result
        }
        let expected = try fresh.read(objects)
        let found = try objects(database)
        let findings = Set(expected.keys).union(found.keys).sorted().compactMap { name -> AuditFinding? in
            guard expected[name] != found[name] else { return nil }
            let fault: AuditFinding.Fault = found[name] == nil ? .missing : .changed
            let detail = expected[name] == nil ? "it is none of ours" : "it is not as we made it"
            return AuditFinding(.structure(name), fault, found[name] == nil ? "it is not there" : detail)
        }
        return (findings, Set(expected.keys))
    }

    /// Compares the list of what is open with what the chains say. What was closed after the walk began is no fault.
    func openFindings(unclosed: [String: Set<Int64>], path: String) -> [AuditFinding] {
        Set(open.keys).union(unclosed.keys).sorted().flatMap { node -> [AuditFinding] in
            let listed = open[node] ?? []
            let actual = unclosed[node] ?? []
            return listed.symmetricDifference(actual).sorted().prefix(AuditVerification.findingLimit).map {
                AuditFinding(
                    .entry(node: node, sequence: $0), .changed,
                    actual.contains($0) ? "it is open and not on the list" : "it is on the list and not open")
            }
        }
    }
}
