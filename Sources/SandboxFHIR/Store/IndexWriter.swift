internal import Foundation
internal import GRDB

/// Writes the index rows of one resource.
struct IndexWriter {
    let db: Database

    /// Replaces the rows of a resource; a new one has none to remove.
    func replace(_ rows: [(key: Int64, entry: IndexEntry)], of pk: Int64, isNew: Bool) throws {
        if !isNew {
            for kind in IndexedParameter.Kind.allCases {
                try db.cachedStatement(sql: "DELETE FROM \(kind.table) WHERE resource = ?").execute(arguments: [pk])
            }
        }
        for row in rows { try insert(row.entry, parameter: row.key, resource: pk) }
    }

    private func insert(_ entry: IndexEntry, parameter: Int64, resource: Int64) throws {
        switch entry {
        case .token(let system, let code, let text):
            try db.cachedStatement(
                sql: "INSERT INTO token_index (resource, param, system, code, text) VALUES (?, ?, ?, ?, ?)"
            ).execute(arguments: [resource, parameter, system, code, text])
        case .reference(let target):
            try db.cachedStatement(
                sql: """
                    INSERT INTO reference_index (resource, param, base, target_type, target_id, url)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [resource, parameter, target.base, target.type, target.id, target.url])
        case .string(let text):
            try db.cachedStatement(
                sql: "INSERT INTO string_index (resource, param, value, exact) VALUES (?, ?, ?, ?)"
            ).execute(arguments: [resource, parameter, IndexEntry.folded(text), text])
        case .date(let range):
            try db.cachedStatement(sql: "INSERT INTO date_index (resource, param, low, high) VALUES (?, ?, ?, ?)")
                .execute(arguments: [resource, parameter, range.lowerBound, range.upperBound])
        case .uri(let text):
            try db.cachedStatement(sql: "INSERT INTO uri_index (resource, param, value) VALUES (?, ?, ?)")
                .execute(arguments: [resource, parameter, text])
        case .number(let range):
            try db.cachedStatement(sql: "INSERT INTO number_index (resource, param, low, high) VALUES (?, ?, ?, ?)")
                .execute(arguments: [resource, parameter, range.lowerBound, range.upperBound])
        case .quantity(let range, let system, let code, let unit):
            try db.cachedStatement(
                sql: """
                    INSERT INTO quantity_index (resource, param, low, high, system, code, unit)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    """
            ).execute(arguments: [resource, parameter, range.lowerBound, range.upperBound, system, code, unit])
        }
    }

    /// Bytes as SQLite wants them.
    static func blob(_ bytes: [UInt8]) -> Data { Data(bytes) }

    /// Bytes as SQLite gives them.
    static func bytes(_ blob: Data) -> [UInt8] { Array(blob) }
}
