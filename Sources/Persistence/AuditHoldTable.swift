internal import AccessPolicy
internal import Audit
internal import GRDB

/// The legal holds in SQLite. The table follows the records of the chain: it is changed by their being stored, in the
/// same transaction, and by nothing else.
enum AuditHoldTable {
    /// The kinds of record that change it.
    static func isChanged(by kind: String) -> Bool {
        kind == AuthorizationRecord.Kind.holdPlaced.rawValue || kind == AuthorizationRecord.Kind.holdLifted.rawValue
    }

    /// Does what a record says that has just been stored. A name is placed once and lifted once; what comes after that
    /// changes nothing.
    static func apply(_ entry: AuditEntry, in database: Database) throws {
        guard case .authorization(let record) = try entry.statement().event else { return }
        if let hold = record.placedHold {
            try database.execute(
                sql: """
                    INSERT INTO audit_hold (id, patient, client, reporting_entity, reason, placed_by, placed_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
                    """,
                arguments: [
                    hold.id, hold.patient, hold.client, hold.reportingEntity, hold.reason, hold.placedBy,
                    hold.placedAt,
                ])
        } else if let id = record.liftedHold {
            try database.execute(
                sql: "UPDATE audit_hold SET lifted_by = ?, lifted_at = ? WHERE id = ? AND lifted_at IS NULL",
                arguments: [record.actor ?? "", record.at, id])
        }
    }

    /// All holds, lifted ones too; nil for a row that cannot be read as one.
    static func rows(in database: Database) throws -> [StoredLegalHold?] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT id, patient, client, reporting_entity, reason, placed_by, placed_at, lifted_by, lifted_at
                FROM audit_hold ORDER BY placed_at, id
                """
        ).map { row in
            guard let id: String = row.cell(0), let reason: String = row.cell(4), let actor: String = row.cell(5),
                let time: Int64 = row.cell(6)
            else { return nil }
            let hold = LegalHold(
                id: id, patient: row.cell(1), client: row.cell(2), reportingEntity: row.cell(3), reason: reason,
                placedBy: actor, placedAt: time)
            return StoredLegalHold(hold, liftedBy: row.cell(7), liftedAt: row.cell(8))
        }
    }

    /// Where the table is not what the records say.
    static func findings(in database: Database) throws -> [AuditFinding] {
        let rows = try Self.rows(in: database)
        let unreadable = rows.contains(nil) ? [AuditFinding(.structure("audit_hold"), .changed, unreadable)] : []
        return unreadable + (try ledger(in: database).findings(comparing: rows.compactMap { $0 }))
    }

    /// The holds as the records of the chain placed and lifted them.
    static func ledger(in database: Database) throws -> LegalHoldLedger {
        let entries = try Row.fetchAll(
            database,
            sql: """
                SELECT * FROM audit_entry INDEXED BY audit_entry_rare WHERE \(RareAuditKinds.condition)
                AND kind IN ('hold-placed', 'hold-lifted') ORDER BY position
                """
        ).map { try AuditRow.entry($0, in: database) }
        return try LegalHoldLedger(entries)
    }

    private static let unreadable = "a row of it cannot be read"
}

extension Row {
    /// A column's value, or nil when it is none of this type. The subscript would end the process.
    func cell<Value: DatabaseValueConvertible>(_ column: Int) -> Value? {
        Value.fromDatabaseValue(self[column] as DatabaseValue)
    }
}
