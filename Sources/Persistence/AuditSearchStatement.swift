internal import AccessPolicy
internal import Audit
internal import GRDB

/// An audit query as SQL, with every value bound.
struct AuditSearchStatement {
    private(set) var sql: String
    private(set) var arguments: StatementArguments

    private var conditions: [String] = []

    init(_ query: AuditQuery) {
        sql = ""
        arguments = []
        if let patient = query.patient {
            add("p.patient = ?", [patient])
        }
        let time = query.patient == nil ? "e.recorded_at" : "p.recorded_at"
        let position = query.patient == nil ? "e.position" : "p.position"
        if let client = query.clientID { add("e.client_id = ?", [client.text]) }
        if let subject = query.subject { add("e.subject = ?", [subject.text]) }
        if let grant = query.grantID { add("e.grant_id = ?", [grant.text]) }
        if let event = query.eventID { add("e.event_id = ?", [event.text]) }
        if let type = query.resourceType { add("e.resource_type = ?", [type]) }
        addAny("e.kind", query.kinds)
        if !query.kinds.isEmpty, query.kinds.isSubset(of: RareAuditKinds.all) {
            add("e.\(RareAuditKinds.condition)", [])
        }
        addAny("e.outcome", query.outcomes)
        addAny("e.interaction", query.interactions)
        if let from = query.from { add("\(time) >= ?", [from]) }
        if let to = query.to { add("\(time) < ?", [to]) }
        if let after = query.after {
            add("(\(time), \(position)) < (?, ?)", [after.recordedAt, after.position])
        }
        if !query.includesClosedOpenings {
            add(
                "NOT EXISTS (SELECT 1 FROM audit_entry c INDEXED BY audit_entry_closes "
                    + "WHERE c.node = e.node AND c.closes = e.sequence)", [])
        }
        let tables =
            query.patient == nil
            ? "audit_entry e" : "audit_patient p CROSS JOIN audit_entry e ON e.position = p.position"
        let condition = conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
        sql = "SELECT e.* FROM \(tables)\(condition) ORDER BY \(time) DESC, \(position) DESC LIMIT ?"
        arguments += [query.limit + 1]
    }

    private mutating func add(_ condition: String, _ values: StatementArguments) {
        conditions.append(condition)
        arguments += values
    }

    private mutating func addAny(_ column: String, _ values: Set<String>) {
        guard !values.isEmpty else { return }
        let places = values.map { _ in "?" }.joined(separator: ", ")
        add("\(column) IN (\(places))", StatementArguments(values.sorted()))
    }
}
