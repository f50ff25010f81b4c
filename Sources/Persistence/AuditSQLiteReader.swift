public import Audit
internal import GRDB

/// Reads an audit log in SQLite, also while a server writes it.
public struct AuditSQLiteReader: AuditReader {
    private let database: any DatabaseReader

    init(_ database: any DatabaseReader) { self.database = database }

    /// Opens the log at a path for reading only; throws when there is none.
    public init(path: String) throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        database = try DatabasePool(path: path, configuration: configuration)
    }

    public func search(_ query: AuditQuery) throws -> AuditPage {
        let statement = AuditSearchStatement(query)
        return try database.read { database in
            let rows = try Row.fetchAll(database, sql: statement.sql, arguments: statement.arguments)
            let entries = try rows.prefix(query.limit).map { try AuditRow.entry($0, in: database) }
            let last = rows.count > query.limit ? rows[query.limit - 1] : nil
            let next = last.map { AuditCursor(recordedAt: $0["recorded_at"], position: $0["position"]) }
            return AuditPage(entries: entries, next: next)
        }
    }

    public func scan(_ node: String, after position: Int64, limit: Int) throws -> [StoredAuditEntry] {
        try database.read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT * FROM audit_entry WHERE +node = ? AND position > ? ORDER BY position LIMIT ?",
                arguments: [node, position, limit])
            return try rows.map {
                StoredAuditEntry(position: $0["position"], entry: try AuditRow.entry($0, in: database))
            }
        }
    }

    public func nodes() throws -> [String] {
        try database.read { database in
            try String.fetchAll(database, sql: "SELECT DISTINCT node FROM audit_entry ORDER BY node")
        }
    }
}
