internal import GRDBSQLite

/// A connection to a SQLite file for reading only, without a layer between: for looking at millions of rows.
///
/// A class because it owns the connection; it stays on one thread.
final class RawSQLite {
    /// What SQLite said.
    struct Failure: Error, CustomStringConvertible {
        let code: Int32
        let description: String
        /// Whether the file itself is damaged.
        var isDamage: Bool { [SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR, SQLITE_FORMAT].contains(code & 0xFF) }
    }

    private var handle: OpaquePointer?

    init(path: String) throws(Failure) {
        let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK else {
            let failure = failure(code)
            sqlite3_close_v2(handle)
            throw failure
        }
        sqlite3_busy_timeout(handle, 5000)
        // Each worker reads its part once, from front to back.
        try execute("PRAGMA cache_size = -16384")
    }

    deinit { sqlite3_close_v2(handle) }

    func execute(_ sql: String) throws(Failure) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code) }
    }

    func prepare(_ sql: String) throws(Failure) -> Statement {
        var statement: OpaquePointer?
        let code = sqlite3_prepare_v2(handle, sql, -1, &statement, nil)
        guard code == SQLITE_OK, let statement else { throw failure(code) }
        return Statement(statement, of: self)
    }

    fileprivate func failure(_ code: Int32) -> Failure {
        Failure(code: code, description: sqlite3_errmsg(handle).map { String(cString: $0) } ?? "SQLite error \(code)")
    }

    /// A statement with its row. A class because it owns what SQLite made.
    final class Statement {
        private let statement: OpaquePointer
        private let connection: RawSQLite

        fileprivate init(_ statement: OpaquePointer, of connection: RawSQLite) {
            self.statement = statement
            self.connection = connection
        }

        deinit { sqlite3_finalize(statement) }

        /// Starts anew with these numbers as arguments.
        func start(_ arguments: Int64...) {
            sqlite3_reset(statement)
            for (offset, argument) in arguments.enumerated() {
                sqlite3_bind_int64(statement, Int32(offset + 1), argument)
            }
        }

        /// Whether there is a next row.
        func step() throws(Failure) -> Bool {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: return true
            case SQLITE_DONE: return false
            case let code: throw connection.failure(code)
            }
        }

        /// A column that must be an integer; nil when it is null, `Int64.min` when it is something else.
        func integer(_ column: Int32) -> Int64? {
            switch sqlite3_column_type(statement, column) {
            case SQLITE_NULL: nil
            case SQLITE_INTEGER: sqlite3_column_int64(statement, column)
            default: Int64.min
            }
        }

        /// A column that must be text; nil when it is null. A value of another type gives what no text of ours is.
        func text(_ column: Int32) -> UnsafeRawBufferPointer? {
            switch sqlite3_column_type(statement, column) {
            case SQLITE_NULL: return nil
            case SQLITE_TEXT:
                // Asking for the text, not the bytes: a file that claims another encoding is found out.
                let bytes = sqlite3_column_text(statement, column)
                return UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column)))
            default: return UnsafeRawBufferPointer(start: Self.nothing.utf8Start, count: Self.nothing.utf8CodeUnitCount)
            }
        }

        /// A column that must be bytes; what is none gives no bytes.
        func blob(_ column: Int32) -> UnsafeRawBufferPointer {
            guard sqlite3_column_type(statement, column) == SQLITE_BLOB else {
                return UnsafeRawBufferPointer(start: nil, count: 0)
            }
            let bytes = sqlite3_column_blob(statement, column)
            return UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(statement, column)))
        }

        /// What stands for a value of the wrong type; no identifier of ours holds a NUL.
        private static let nothing: StaticString = "\u{0}not text"
    }
}
