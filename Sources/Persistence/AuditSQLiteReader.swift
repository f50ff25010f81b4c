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

    /// How many entries a page looks at, at most.
    static let mostLooked = 50_000

    public func search(_ query: AuditQuery) throws -> AuditPage {
        try database.read { database in
            let through = try Self.through(query, database)
            var walk = try Walk(query, through: through, most: Self.mostLooked, database)
            var places: [AuditCursor] = []
            var next: AuditCursor?
            var looked = 0
            while let step = try walk.next() {
                if step.fits {
                    guard places.count < query.limit else {
                        next = places.last
                        break
                    }
                    places.append(step.place)
                }
                looked = walk.looked
                if looked == Self.mostLooked { next = step.place }
            }
            return AuditPage(
                try places.map { try Self.stored($0, database) }, next: next, looked: looked, through: through)
        }
    }

    public func count(_ query: AuditQuery, most: Int) throws -> Int? {
        try database.read { database in
            var asked = query
            let through = try Self.through(query, database)
            asked.after = nil
            var walk = try Walk(asked, through: through, most: most + 1, database)
            var count = 0
            while let step = try walk.next() { count += step.fits ? 1 : 0 }
            return walk.looked > most ? nil : count
        }
    }

    /// The newest running number that counts for a query.
    private static func through(_ query: AuditQuery, _ database: Database) throws -> Int64 {
        if let through = query.after?.through ?? query.through { return through }
        return try Int64.fetchOne(database, sql: "SELECT max(position) FROM audit_entry") ?? 0
    }

    private static func stored(_ place: AuditCursor, _ database: Database) throws -> StoredAuditEntry {
        let row = try Row.fetchOne(
            database.cachedStatement(sql: "SELECT * FROM audit_entry WHERE position = ?"), arguments: [place.position])
        guard let row else { throw AuditFailure.chainBroken(detail: "row \(place.position) is in an index alone") }
        return StoredAuditEntry(position: place.position, entry: try AuditRow.entry(row, in: database))
    }

    /// Steps through the entries along which a search walks.
    private struct Walk {
        private let rows: RowCursor
        private let through: Int64
        private(set) var looked = 0

        init(_ query: AuditQuery, through: Int64, most: Int, _ database: Database) throws {
            let statement = AuditSearchStatement(query, through: through, most: most)
            rows = try Row.fetchCursor(database, sql: statement.sql, arguments: statement.arguments)
            self.through = through
        }

        mutating func next() throws -> (place: AuditCursor, fits: Bool)? {
            guard let row = try rows.next() else { return nil }
            looked += 1
            guard let position: Int64 = row.cell(0), let recordedAt: Int64 = row.cell(1) else {
                throw AuditFailure.chainBroken(detail: "an index holds what is no place of an entry")
            }
            let fits: Bool? = row.cell(2)
            return (AuditCursor(recordedAt: recordedAt, position: position, through: through), fits == true)
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
