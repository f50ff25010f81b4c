internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// Audit entries as rows that people and scripts read: who, what, by which scope, with what result.
struct AuditListing {
    /// The account names behind subjects.
    let names: [SubjectID: String]

    func row(_ entry: AuditEntry) throws -> JSONValue {
        let statement = try entry.statement()
        switch statement.event {
        case .access(let record): return access(record, entry, statement.phase)
        case .authorization(let record): return authorization(record, entry)
        }
    }

    private func access(_ record: AccessRecord, _ entry: AuditEntry, _ phase: AuditPhase) -> JSONValue {
        var row = Row()
        row.set("at", Timestamp.text(milliseconds: record.startedAt))
        row.set("kind", "access")
        row.set("client", record.clientID?.text)
        row.set("user", record.subject.map { names[$0] ?? $0.text })
        row.set("fhirUser", record.fhirUser)
        row.set("patient", record.patients.first)
        row.set("patients", record.patients)
        row.set("askedOnly", record.askedOnly)
        row.set("interaction", record.interaction.rawValue)
        row.set("resourceType", record.resourceType)
        row.set("request", "\(record.method) \(record.path)" + (record.queryAsked.map { "?\($0)" } ?? ""))
        row.set("narrowed", record.queryNarrowed)
        row.set("scopes", record.scopes)
        row.set("outcome", record.outcome.code)
        row.set("reason", record.outcome.reason)
        row.set("status", record.status)
        row.set("released", record.released)
        row.set("withheld", record.withheld.reduce(0) { $0 + $1.count })
        row.set("organization", record.organization)
        row.set("program", record.program)
        row.set("purpose", record.purposeOfUse)
        row.set("legalBasis", record.legalBasis)
        row.set("reportingEntity", record.reportingEntity)
        row.set("parent", record.parent?.text)
        row.set("trace", record.traceID)
        row.set("grant", record.grantID?.text)
        row.set("token", record.tokenID?.text)
        row.set("source", record.sourceAddress)
        row.set("phase", Self.word(phase))
        row.set("decision", record.decisionID.text)
        row.set("place", "\(entry.node)/\(entry.sequence)")
        return row.value
    }

    /// The phase in the word of the surface: an entry that an answer rests on is `closed`.
    private static func word(_ phase: AuditPhase) -> String {
        switch phase {
        case .whole, .closing: "closed"
        case .opening: "opened"
        case .interrupted: "interrupted"
        }
    }

    private func authorization(_ record: AuthorizationRecord, _ entry: AuditEntry) -> JSONValue {
        var row = Row()
        row.set("at", Timestamp.text(milliseconds: record.at))
        row.set("kind", record.kind.rawValue)
        row.set("client", record.clientID?.text)
        row.set("user", record.subject.map { names[$0] ?? $0.text })
        row.set("by", record.actor)
        row.set("fhirUser", record.fhirUser)
        row.set("patient", record.patient)
        row.set("patients", record.patient.map { [$0] } ?? [])
        row.set("scopes", record.scopes)
        row.set("outcome", record.outcome.code)
        row.set("reason", record.outcome.reason)
        row.set("detail", record.detail)
        row.set("organization", record.organization)
        row.set("program", record.program)
        row.set("purpose", record.purposeOfUse)
        row.set("legalBasis", record.legalBasis)
        row.set("reportingEntity", record.reportingEntity)
        row.set("trace", record.traceID)
        row.set("grant", record.grantID?.text)
        row.set("token", record.tokenID?.text)
        row.set("source", record.sourceAddress)
        row.set("phase", "closed")
        row.set("decision", record.id.text)
        row.set("place", "\(entry.node)/\(entry.sequence)")
        return row.value
    }
}

/// A JSON object under construction; what is nil is left out.
struct Row {
    private var members: [JSONMemberValue] = []

    mutating func set(_ name: String, _ text: String?) {
        if let text { members.append(.init(name, .string(text))) }
    }

    mutating func set(_ name: String, _ number: Int?) {
        if let number { members.append(.init(name, .int(Int64(number)))) }
    }

    mutating func set(_ name: String, _ texts: [String]) {
        members.append(.init(name, .array(texts.map { .string($0) })))
    }

    mutating func set(_ name: String, _ flag: Bool) { members.append(.init(name, .bool(flag))) }

    var value: JSONValue { .object(members) }
}
