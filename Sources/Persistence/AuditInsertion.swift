internal import AccessPolicy
internal import Audit
internal import GRDB
internal import GRDBSQLite

/// Stores audit entries inside one transaction, with each statement compiled once and values bound directly.
///
/// It works on SQLite's own interface because every answer waits for it: GRDB would box each of an entry's values.
struct AuditInsertion {
    private let entry: Bound
    private let patient: Bound
    private let opening: Bound
    private let closing: Bound
    private let database: Database

    init(in database: Database) throws {
        self.database = database
        entry = try Bound(
            """
            INSERT INTO audit_entry (node, sequence, recorded_at, event_id, phase, closes, kind, interaction,
                resource_type, client_id, subject, grant_id, outcome, previous, hash, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """, in: database)
        patient = try Bound(
            "INSERT INTO audit_patient (patient, recorded_at, position, place) VALUES (?, ?, ?, ?)", in: database)
        opening = try Bound("INSERT INTO audit_open (node, sequence) VALUES (?, ?)", in: database)
        closing = try Bound("DELETE FROM audit_open WHERE node = ? AND sequence = ?", in: database)
    }

    /// Stores an entry with its patients, and opens or closes it in `audit_open`.
    func insert(_ entry: AuditEntry) throws {
        let index = entry.index
        let position = try insertRow(entry, index)
        for (place, name) in index.patients.enumerated() {
            patient.bind(name, at: 1)
            patient.bind(entry.recordedAt, at: 2)
            patient.bind(position, at: 3)
            patient.bind(Int64(place), at: 4)
            try patient.run()
        }
        if index.phase == .opening {
            opening.bind(entry.node, at: 1)
            opening.bind(entry.sequence, at: 2)
            try opening.run()
        }
        if AuditHoldTable.isChanged(by: index.kind) { try AuditHoldTable.apply(entry, in: database) }
        if let closes = index.closes {
            closing.bind(entry.node, at: 1)
            closing.bind(closes, at: 2)
            try closing.run()
        }
    }

    private func insertRow(_ stored: AuditEntry, _ index: AuditIndex) throws -> Int64 {
        entry.bind(stored.node, at: 1)
        entry.bind(stored.sequence, at: 2)
        entry.bind(stored.recordedAt, at: 3)
        entry.bind(index.eventID.text, at: 4)
        entry.bind(index.phase.rawValue, at: 5)
        entry.bind(index.closes, at: 6)
        entry.bind(index.kind, at: 7)
        entry.bind(index.interaction, at: 8)
        entry.bind(index.resourceType, at: 9)
        entry.bind(index.clientID?.text, at: 10)
        entry.bind(index.subject?.text, at: 11)
        entry.bind(index.grantID?.text, at: 12)
        entry.bind(index.outcome, at: 13)
        entry.bind(stored.previous.bytes, at: 14)
        entry.bind(stored.hash.bytes, at: 15)
        entry.bind(stored.body, at: 16)
        try entry.run()
        return database.lastInsertedRowID
    }
}

/// A compiled statement whose parameters are bound one by one. SQLite copies what is bound.
///
/// A value that cannot be bound is noticed when the statement runs: the first failure is kept by `failure`.
private final class Bound {
    private let statement: Statement
    private let handle: OpaquePointer
    private let database: Database
    private var failure = SQLITE_OK

    /// Tells SQLite to take a copy (`SQLITE_TRANSIENT`, which Swift does not import).
    private static let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    init(_ sql: String, in database: Database) throws {
        statement = try database.cachedStatement(sql: sql)
        handle = statement.sqliteStatement
        self.database = database
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    func bind(_ value: Int64?, at place: Int32) {
        note(value.map { sqlite3_bind_int64(handle, place, $0) } ?? sqlite3_bind_null(handle, place))
    }

    func bind(_ text: String?, at place: Int32) {
        guard var text else { return note(sqlite3_bind_null(handle, place)) }
        // An empty text may have no address, and SQLite would read NULL.
        guard !text.isEmpty else {
            return note(sqlite3_bind_text64(handle, place, "", 0, Bound.copied, UInt8(SQLITE_UTF8)))
        }
        note(
            text.withUTF8 { text in
                text.withMemoryRebound(to: CChar.self) { bytes in
                    sqlite3_bind_text64(
                        handle, place, bytes.baseAddress, sqlite3_uint64(bytes.count), Bound.copied, UInt8(SQLITE_UTF8))
                }
            })
    }

    func bind(_ blob: [UInt8], at place: Int32) {
        note(
            blob.withUnsafeBytes { bytes in
                bytes.isEmpty
                    ? sqlite3_bind_zeroblob(handle, place, 0)
                    : sqlite3_bind_blob64(
                        handle, place, bytes.baseAddress, sqlite3_uint64(bytes.count), Bound.copied)
            })
    }

    /// Runs the statement once, and makes it ready for the next values.
    func run() throws {
        let result = failure == SQLITE_OK ? sqlite3_step(handle) : failure
        let message = result == SQLITE_DONE ? nil : database.lastErrorMessage
        sqlite3_reset(handle)
        failure = SQLITE_OK
        guard result == SQLITE_DONE else {
            throw DatabaseError(resultCode: ResultCode(rawValue: result), message: message, sql: statement.sql)
        }
    }

    private func note(_ result: Int32) {
        if failure == SQLITE_OK { failure = result }
    }
}
