public import AccessPolicy
public import Audit
internal import GRDB

/// Keeps the audit log in a SQLite file of its own.
///
/// Each append is one transaction at `synchronous = FULL`, so an entry that was acknowledged survives a power cut. One
/// process at a time may have it open for writing; readers use `AuditSQLiteReader`.
public struct AuditSQLiteSink: AuditSink {
    let pool: DatabasePool
    private let lock: AuditWriterLock
    private let reader: AuditSQLiteReader

    /// Opens or creates the log at a path; throws `AuditFailure.heldElsewhere` when another writer has it.
    public init(path: String) throws {
        // A lock before anything is read: two processes must not continue one chain.
        lock = try AuditWriterLock(path: path + ".writer")
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.label = "audit"
        do throws(PrivateDatabaseFile.Failure) { try PrivateDatabaseFile.prepare(path) } catch {
            throw AuditFailure.notWritten(detail: error.description)
        }
        pool = try DatabasePool(path: path, configuration: configuration)
        try pool.writeWithoutTransaction { database in
            // After opening, for setting up WAL sets NORMAL.
            try database.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(database, sql: "PRAGMA synchronous") == 2,
                try String.fetchOne(database, sql: "PRAGMA journal_mode") == "wal"
            else { throw AuditFailure.notWritten(detail: "the database does not keep writes durable") }
        }
        try AuditSchema.migrator.migrate(pool)
        reader = AuditSQLiteReader(pool)
    }

    /// The level of synchronisation of the connection that writes: 2 is FULL.
    public func synchronousLevel() throws -> Int {
        try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? 0 }
    }

    /// How SQLite would carry out a search, step by step, for those who look after the indexes.
    public func searchPlan(_ query: AuditQuery) throws -> [String] {
        let statement = AuditSearchStatement(query, through: .max, most: AuditSQLiteReader.mostLooked)
        return try pool.read { database in
            try Row.fetchAll(database, sql: "EXPLAIN QUERY PLAN \(statement.sql)", arguments: statement.arguments)
                .map { $0["detail"] }
        }
    }

    /// Closes the file and lets the next writer in; nothing can be stored or read through this sink afterwards.
    ///
    /// To be called when the recorder that writes here has been shut down: its thread may hold the sink a little longer,
    /// and so would the lock be held.
    public func close() throws {
        try pool.close()
        lock.release()
    }

    public func append(_ batch: [AuditEntry]) throws {
        try pool.write { database in
            let insertion = try AuditInsertion(in: database)
            for entry in batch { try insertion.insert(entry) }
        }
    }

    public func head(of node: String) throws -> AuditEntry? {
        // On the writer's connection: what it stored last, whatever snapshot a reader has.
        try pool.writeWithoutTransaction { database in
            try Row.fetchOne(
                database, sql: "SELECT * FROM audit_entry WHERE node = ? ORDER BY sequence DESC LIMIT 1",
                arguments: [node]
            ).map { try AuditRow.entry($0, in: database) }
        }
    }

    public func unfinished(on node: String, through sequence: Int64) throws -> [AuditEntry] {
        try pool.read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT e.* FROM audit_open o JOIN audit_entry e ON e.node = o.node AND e.sequence = o.sequence
                    WHERE o.node = ? AND o.sequence <= ? ORDER BY o.sequence
                    """, arguments: [node, sequence])
            return try rows.map { try AuditRow.entry($0, in: database) }
        }
    }

    public func unfinishedNodes() throws -> [String] {
        try pool.read { try String.fetchAll($0, sql: "SELECT DISTINCT node FROM audit_open ORDER BY node") }
    }

    public func contains(_ eventID: DecisionID) throws -> Bool {
        try pool.writeWithoutTransaction { database in
            try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM audit_entry WHERE event_id = ?)",
                arguments: [eventID.text]) ?? false
        }
    }

    public func search(_ query: AuditQuery) throws -> AuditPage { try reader.search(query) }

    public func count(_ query: AuditQuery, most: Int) throws -> Int? { try reader.count(query, most: most) }

    public func scan(_ node: String, after position: Int64, limit: Int) throws -> [StoredAuditEntry] {
        try reader.scan(node, after: position, limit: limit)
    }

    public func nodes() throws -> [String] { try reader.nodes() }
}
