internal import FHIRCore
internal import GRDB

/// Finds what belongs to patients: their compartments, and what the resources of those refer to.
struct PatientRecord {
    /// Whose record is meant.
    enum Whose { case everyone, some([ResourceID]) }

    /// A current resource, without its body.
    struct Row: Hashable {
        let pk: Int64
        let type: ResourceType
        /// When it was written, in milliseconds since 1970.
        let updated: Int64
    }

    let transaction: StoreTransaction
    let ownBase: String

    /// The resources in the compartments of the patients, the patients with them, in the order of the store.
    func members(of whose: Whose) throws -> [Row] {
        let (condition, arguments) = PatientRecord.chosen(whose)
        var found = Set(
            try rows(
                "SELECT r.pk, r.type, r.updated FROM resource r WHERE r.type = 'Patient' AND \(condition)", arguments))
        for type in ResourceType.allCases {
            let keys = R4.compartmentParameters(.patient, type)
                .compactMap { transaction.registry.parameter($0, for: type)?.key }
            guard !keys.isEmpty else { continue }
            let places = keys.map { _ in "?" }.joined(separator: ", ")
            found.formUnion(
                try rows(
                    """
                    SELECT DISTINCT r.pk, r.type, r.updated FROM reference_index x JOIN resource r ON r.pk = x.resource
                    WHERE r.deleted = 0 AND x.param IN (\(places)) AND x.target_type = 'Patient' AND x.base IN ('', ?)
                    AND x.target_id IN (SELECT r.id FROM resource r WHERE r.type = 'Patient' AND \(condition))
                    """, StatementArguments(keys) + [ownBase] + arguments))
        }
        return found.sorted { $0.pk < $1.pk }
    }

    private static func chosen(_ whose: Whose) -> (String, StatementArguments) {
        switch whose {
        case .everyone: return ("r.deleted = 0", [])
        case .some(let ids):
            let list = JSONValue.array(ids.map { .string($0.text) }).text
            return ("r.deleted = 0 AND r.id IN (SELECT value FROM json_each(?))", [list])
        }
    }

    /// What the rows refer to, directly or through one another, of types that no patient's compartment holds:
    /// practitioners, organizations, medications and the like.
    func companions(of rows: [Row]) throws -> [Row] {
        var found = Set<Row>()
        var frontier = rows
        while !frontier.isEmpty {
            let list = JSONValue.array(frontier.map { .int($0.pk) }).text
            let targets = try self.rows(
                """
                SELECT DISTINCT r.pk, r.type, r.updated FROM json_each(?) j
                CROSS JOIN reference_index x ON x.resource = j.value
                CROSS JOIN resource r ON r.type = x.target_type AND r.id = x.target_id
                WHERE x.base IN ('', ?) AND r.deleted = 0
                """, [list, ownBase])
            frontier = targets.filter { PatientRecord.isCompanion($0.type) && found.insert($0).inserted }
        }
        return found.sorted { $0.pk < $1.pk }
    }

    private static func isCompanion(_ type: ResourceType) -> Bool {
        type != .patient && R4.compartmentParameters(.patient, type).isEmpty
    }

    // MARK: Dates of care

    /// The rows whose date of care overlaps a span, with those that have none.
    func overlapping(_ span: Range<Int64>, _ rows: [Row]) throws -> [Row] {
        var outside = Set<Int64>()
        for (type, rows) in Dictionary(grouping: rows, by: \.type) {
            guard let key = careDate(of: type)?.key else { continue }
            let list = JSONValue.array(rows.map { .int($0.pk) }).text
            outside.formUnion(
                try Int64.fetchAll(
                    transaction.db,
                    sql: """
                        SELECT x.resource FROM json_each(?) j CROSS JOIN date_index x ON x.resource = j.value
                        WHERE x.param = ? GROUP BY x.resource HAVING MAX(x.low < ? AND x.high > ?) = 0
                        """, arguments: [list, key, span.upperBound, span.lowerBound]))
        }
        return rows.filter { !outside.contains($0.pk) }
    }

    /// The date parameter that tells when care was given or asked for, not when it was written down.
    private func careDate(of type: ResourceType) -> IndexedParameter? {
        PatientRecord.careDates.lazy.compactMap { transaction.registry.parameter($0, for: type) }
            .first { $0.kind == .date }
    }

    private static let careDates = [
        "date", "period", "effective", "effective-time", "occurrence", "onset-date", "authoredon", "service-date",
        "created", "authored", "whenhandedover", "started", "sent", "start-date", "recorded-date",
    ]

    // MARK: Bodies

    /// The current versions of rows, in their order.
    func resources(_ rows: [Row]) throws -> [StoredResource] {
        try rows.map { row in
            let statement = try transaction.db.cachedStatement(
                sql: """
                    SELECT r.type, r.id, v.version, v.updated, v.deleted, v.method, v.body FROM resource r
                    JOIN version v ON v.resource = r.pk AND v.version = r.version WHERE r.pk = ?
                    """)
            guard let found = try GRDB.Row.fetchOne(statement, arguments: [row.pk]) else {
                throw SandboxFailure(
                    status: 500, issueCode: "exception", diagnostics: "a resource has no current version")
            }
            return try StoreTransaction.stored(found)
        }
    }

    private func rows(_ sql: String, _ arguments: StatementArguments) throws -> [Row] {
        try GRDB.Row.fetchAll(transaction.db, sql: sql, arguments: arguments)
            .map { Row(pk: $0[0], type: try StoreTransaction.type($0[1]), updated: $0[2]) }
    }
}
