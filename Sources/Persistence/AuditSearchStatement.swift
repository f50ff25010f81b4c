internal import AccessPolicy
internal import Audit
internal import Foundation
internal import GRDB

/// An audit query as SQL, with every value bound: a walk along one index, in the order of the query, over a bounded number
/// of entries, which says of each whether it fits.
///
/// What the index does not know is asked of the entries that the walk meets, and whoever steps through counts them. So no
/// search becomes a walk over the whole log, whatever it asks for and however little of it there is. The index is named in
/// the SQL: without statistics SQLite would take any that looks equal.
struct AuditSearchStatement {
    /// The index along which a search walks, the one that leaves least first.
    enum Access: Hashable {
        case entries, event, patient, grant, subject, rareKinds, client, time
    }

    let access: Access
    /// Gives `position`, `recorded_at` and `fits` of each entry.
    let sql: String
    let arguments: StatementArguments

    /// - Parameters:
    ///   - through: the newest running number that counts.
    ///   - most: how many entries are walked over, at most.
    init(_ query: AuditQuery, through: Int64, most: Int) {
        access = Self.access(query)
        let arms = access == .rareKinds ? query.kinds.sorted().map { Optional($0) } : [nil]
        var texts: [String] = []
        var arguments: StatementArguments = []
        for kind in arms {
            let arm = Arm(query, access, kind: kind, through: through)
            texts.append(arm.sql)
            arguments += arm.arguments
        }
        // Several kinds are merged: each comes along the index in order, so none is read further than it is needed.
        let direction = query.order == .newestFirst ? "DESC" : "ASC"
        sql =
            texts.joined(separator: " UNION ALL ")
            + " ORDER BY recorded_at \(direction), position \(direction) LIMIT ?"
        self.arguments = arguments + [most]
    }

    private static func access(_ query: AuditQuery) -> Access {
        if !query.hashes.isEmpty { return .entries }
        if query.eventID != nil { return .event }
        if query.patient != nil { return .patient }
        if query.grantID != nil { return .grant }
        if query.subject != nil { return .subject }
        if !query.kinds.isEmpty, query.kinds.isSubset(of: RareAuditKinds.all) { return .rareKinds }
        return query.clientID == nil ? .time : .client
    }
}

/// The walk along one index.
private struct Arm {
    private(set) var sql = ""
    private(set) var arguments: StatementArguments = []

    /// What the walk goes along; conditions that the index answers.
    private var walk = Conditions()
    /// What is asked of the entries that it meets.
    private var rest = Conditions()

    init(_ query: AuditQuery, _ access: AuditSearchStatement.Access, kind: String?, through: Int64) {
        let row = access == .patient ? "p" : "e"
        choose(query, access, kind)
        if let from = query.from { walk.add("\(row).recorded_at >= ?", [from]) }
        if let to = query.to { walk.add("\(row).recorded_at < ?", [to]) }
        if let after = query.after {
            let sign = query.order == .newestFirst ? "<" : ">"
            walk.add("(\(row).recorded_at, \(row).position) \(sign) (?, ?)", [after.recordedAt, after.position])
        }
        rest.add("\(row).position <= ?", [through])
        ask(query, access)
        if !query.includesClosedOpenings {
            // What was closed, or marked as not given, is told by what did so; behind the last entry that counts nothing
            // was yet.
            rest.add(
                "NOT EXISTS (SELECT 1 FROM audit_entry c INDEXED BY audit_entry_closes "
                    + "WHERE c.node = e.node AND c.closes = e.sequence AND c.position <= ?)", [through])
            // Retention may have taken what closed an opening.
            rest.add(
                "(e.phase <> 'opening' OR EXISTS (SELECT 1 FROM audit_open o "
                    + "WHERE o.node = e.node AND o.sequence = e.sequence) OR EXISTS (SELECT 1 FROM audit_entry c "
                    + "INDEXED BY audit_entry_closes "
                    + "WHERE c.node = e.node AND c.closes = e.sequence AND c.position > ?))", [through])
        }
        let table =
            switch access {
            case .entries: "audit_entry e INDEXED BY audit_entry_hash"
            case .event: "audit_entry e INDEXED BY audit_entry_event"
            case .patient: "audit_patient p CROSS JOIN audit_entry e ON e.position = p.position"
            case .grant: "audit_entry e INDEXED BY audit_entry_grant"
            case .subject: "audit_entry e INDEXED BY audit_entry_subject"
            case .rareKinds: "audit_entry e INDEXED BY audit_entry_rare"
            case .client: "audit_entry e INDEXED BY audit_entry_client"
            case .time: "audit_entry e INDEXED BY audit_entry_time"
            }
        sql =
            "SELECT \(row).position AS position, \(row).recorded_at AS recorded_at, \(rest.sql) AS fits FROM \(table)"
            + (walk.isEmpty ? "" : " WHERE \(walk.sql)")
        // In the order in which they stand in the text.
        arguments = rest.arguments + walk.arguments
    }

    /// The condition of the index.
    private mutating func choose(_ query: AuditQuery, _ access: AuditSearchStatement.Access, _ kind: String?) {
        switch access {
        case .entries: walk.add("e.hash", among: query.hashes.map { Data($0.bytes) })
        case .event: walk.add("e.event_id = ?", [query.eventID?.text])
        case .patient: walk.add("p.patient = ?", [query.patient])
        case .grant: walk.add("e.grant_id = ?", [query.grantID?.text])
        case .subject: walk.add("e.subject = ?", [query.subject?.text])
        case .rareKinds:
            walk.add("e.kind = ?", [kind])
            walk.add("e.\(RareAuditKinds.condition)", [])
        case .client: walk.add("e.client_id = ?", [query.clientID?.text])
        case .time: break
        }
    }

    /// The conditions that the index does not answer.
    private mutating func ask(_ query: AuditQuery, _ access: AuditSearchStatement.Access) {
        if access == .entries, let event = query.eventID { rest.add("e.event_id = ?", [event.text]) }
        if access != .patient, let patient = query.patient {
            rest.add(
                "EXISTS (SELECT 1 FROM audit_patient p WHERE p.patient = ? AND p.recorded_at = e.recorded_at "
                    + "AND p.position = e.position)", [patient])
        }
        if access != .grant, let grant = query.grantID { rest.add("e.grant_id IS ?", [grant.text]) }
        if access != .subject, let subject = query.subject { rest.add("e.subject IS ?", [subject.text]) }
        if access != .client, let client = query.clientID { rest.add("e.client_id IS ?", [client.text]) }
        if access != .rareKinds { rest.add("e.kind", among: query.kinds.sorted()) }
        if let type = query.resourceType { rest.add("e.resource_type IS ?", [type]) }
        rest.add("e.outcome", among: query.outcomes.sorted())
        if !query.interactions.isEmpty {
            // Steps of authorization have none.
            rest.add("e.interaction IS NOT NULL", [])
            rest.add("e.interaction", among: query.interactions.sorted())
        }
    }
}

/// Conditions that must all hold, with their values.
private struct Conditions {
    private var texts: [String] = []
    private(set) var arguments: StatementArguments = []

    var isEmpty: Bool { texts.isEmpty }
    var sql: String { texts.joined(separator: " AND ") }

    mutating func add(_ text: String, _ values: StatementArguments) {
        texts.append(text)
        arguments += values
    }

    /// One of several; no values are no condition.
    mutating func add(_ column: String, among values: [some DatabaseValueConvertible]) {
        guard !values.isEmpty else { return }
        let places = values.map { _ in "?" }.joined(separator: ", ")
        add("\(column) IN (\(places))", StatementArguments(values))
    }
}
