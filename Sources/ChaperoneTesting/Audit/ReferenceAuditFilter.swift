internal import AccessPolicy
public import Audit
internal import FHIRCore

/// A slow reading of what a filter finds: every entry is decoded, or rendered as the AuditEvent that an auditor sees, and
/// looked at. It knows no index and shares nothing with the search.
public struct ReferenceAuditFilter: Hashable, Sendable {
    /// The words of the filter, in the names that the product gives them; those of events are read off the AuditEvent.
    public var terms: [String: String] = [:]
    /// Recorded at or after, and before, milliseconds.
    public var from: Int64?
    public var to: Int64?

    /// A filter that everything passes.
    public init() {}

    /// The conditions that are known, each with values to ask for.
    public static func draw(_ names: [String: [String]], using random: inout some RandomNumberGenerator)
        -> ReferenceAuditFilter
    {
        var filter = ReferenceAuditFilter()
        for (name, values) in names.sorted(by: { $0.key < $1.key }) where Int.random(in: 0..<5, using: &random) == 0 {
            filter.terms[name] = values[Int.random(in: values.indices, using: &random)]
        }
        return filter
    }

    /// The entries that it finds, newest first. An access that was opened is there until its end is.
    public func find(in entries: [AuditEntry], system: AuditSystem) throws -> [AuditEntry] {
        let statements = try entries.map { try $0.statement() }
        let closed = Set(
            zip(entries, statements).compactMap { entry, said in said.closes.map { "\(entry.node)/\($0)" } })
        var found: [(offset: Int, entry: AuditEntry)] = []
        for (offset, entry) in entries.enumerated() {
            let isHidden = closed.contains("\(entry.node)/\(entry.sequence)") && terms["_id"] == nil
            if statements[offset].phase == .opening && isHidden { continue }
            if let from, entry.recordedAt < from { continue }
            if let to, entry.recordedAt >= to { continue }
            let event = { try AuditEventResource.json(entry, system: system) }
            if try terms.allSatisfy({ try fits($0, $1, statements[offset], event) }) { found.append((offset, entry)) }
        }
        return found.sorted { ($0.entry.recordedAt, $0.offset) > ($1.entry.recordedAt, $1.offset) }.map(\.entry)
    }

    private func fits(
        _ name: String, _ value: String, _ statement: AuditStatement, _ event: () throws -> JSONValue
    ) throws -> Bool {
        let facts = Facts(statement)
        switch name {
        case "patient": return facts.patients.contains(value)
        case "client": return facts.client == value
        case "user": return facts.subject == value
        case "grant": return facts.grant == value
        case "decision": return facts.id == value
        case "word": return facts.outcome == value
        case "kinds": return value.split(separator: " ").contains { $0 == facts.kind }
        case "scope": return facts.scopes.contains(value)
        case "program": return facts.program == value
        case "reporting-entity": return facts.reportingEntity == value
        case "policy": return facts.token == value
        case "organization:exact": return facts.organization == value
        case "organization":
            return Self.plain(facts.organization).map { $0.hasPrefix(Self.plain(value) ?? "") } ?? false
        case "address:exact": return facts.address == value
        case "address": return facts.address.map { $0.lowercased().hasPrefix(value.lowercased()) } ?? false
        case "agent": return facts.user == value
        case "accounting", "disclosures": return value == "false" || isDisclosure(statement, of: patient)
        default: return try EventFacts(event()).fits(name, value, facts)
        }
    }

    /// Whose entries are looked for.
    private var patient: String? {
        terms["patient"] ?? terms["entity"].flatMap { $0.hasPrefix("Patient/") ? String($0.dropFirst(8)) : nil }
    }

    /// Lower case, and German vowels without their points: the accents that the scripted log has.
    private static func plain(_ text: String?) -> String? {
        text.map { $0.lowercased().replacing("ä", with: "a") }
    }

    /// 45 CFR 164.528(a)(1) once more, as a list of what is exempt: to the individual, for treatment, payment and
    /// operations; and what did not happen.
    private func isDisclosure(_ statement: AuditStatement, of patient: String?) -> Bool {
        guard case .access(let record) = statement.event else { return false }
        let mayHaveLeft =
            record.outcome == .decisionGiven
            || ["permitted", "interrupted"].contains(record.outcome.code) && record.released > 0
        let isNobodys = [.capabilities, .batch, .transaction].contains(record.interaction)
        let isExempt = record.purposeOfUse.contains { ["TREAT", "PATRQT"].contains($0) }
        guard mayHaveLeft, !isNobodys, !isExempt else { return false }
        let reader = record.fhirUser
        if let patient { return !record.askedOnly.contains(patient) && reader != "Patient/\(patient)" }
        let reached = record.patients.filter { !record.askedOnly.contains($0) }
        return reached.isEmpty || reached.contains { reader != "Patient/\($0)" }
    }
}

/// What a statement says, of whichever family its event is.
private struct Facts {
    let id: String
    let kind: String
    var patients: [String]
    let client: String?
    let subject: String?
    let grant: String?
    let token: String?
    let outcome: String
    let scopes: [String]
    let program: String?
    let organization: String?
    let reportingEntity: String?
    let address: String?
    let user: String?
    var resources: [String] = []
    var actor: String?

    init(_ statement: AuditStatement) {
        switch statement.event {
        case .access(let record):
            (id, kind, patients) = (record.decisionID.text, "access", record.patients)
            (client, subject, grant) = (record.clientID?.text, record.subject?.text, record.grantID?.text)
            (token, outcome, scopes) = (record.tokenID?.text, record.outcome.code, record.scopes)
            (program, organization) = (record.program, record.organization)
            (reportingEntity, address, user) = (record.reportingEntity, record.sourceAddress, record.fhirUser)
            if let type = record.resourceType, let id = record.resourceID { resources.append("\(type)/\(id)") }
            if let compartment = record.compartment { resources.append(compartment) }
        case .authorization(let record):
            (id, kind, patients) = (record.id.text, record.kind.rawValue, record.patient.map { [$0] } ?? [])
            (client, subject, grant) = (record.clientID?.text, record.subject?.text, record.grantID?.text)
            (token, outcome, scopes) = (record.tokenID?.text, record.outcome.code, record.scopes)
            (program, organization) = (record.program, record.organization)
            (reportingEntity, address, user) = (record.reportingEntity, record.sourceAddress, record.fhirUser)
            actor = record.actor
        }
    }
}

/// What an AuditEvent shows.
private struct EventFacts {
    let event: JSONValue

    init(_ event: JSONValue) { self.event = event }

    func fits(_ name: String, _ value: String, _ facts: Facts) -> Bool {
        let values = value.split(separator: ",").map(String.init)
        switch name {
        case "_id": return values.contains(event["id"]?.string ?? "")
        case "site": return event["source"]?["site"]?.string == value
        case "outcome": return values.contains(event["outcome"]?.string ?? "none")
        case "action": return values.contains(event["action"]?.string ?? "")
        case "type": return values.contains { Self.isCoding(event["type"], $0) }
        case "subtype":
            let shown = event["subtype"]?.array ?? []
            // A step stays a step where its pattern has room for another code alone.
            return values.contains { value in
                shown.contains { Self.isCoding($0, value) } || facts.kind == value
            }
        case "purpose":
            return event["purposeOfEvent"]?.array?.contains { Self.isCoding($0["coding"]?.array?.first, value) }
                ?? false
        case "agent:identifier": return agents.contains { isIdentified($0["who"]?["identifier"], value) }
        case "entity":
            return value.hasPrefix("Patient/")
                ? facts.patients.contains(String(value.dropFirst(8))) : facts.resources.contains(value)
        case "source:identifier":
            return event["source"]?["observer"]?["identifier"]?["value"]?.string == value
        default: return false
        }
    }

    private var agents: [JSONValue] { event["agent"]?.array ?? [] }

    private static func isCoding(_ coding: JSONValue?, _ token: String) -> Bool {
        let parts = token.split(separator: "|").map(String.init)
        guard let coding, coding["code"]?.string == parts.last else { return false }
        return parts.count == 1 || coding["system"]?.string == parts[0]
    }

    private func isIdentified(_ identifier: JSONValue?, _ token: String) -> Bool {
        guard let identifier else { return false }
        let parts = token.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        guard identifier["value"]?.string == parts.last else { return false }
        return parts.count == 1 || (identifier["system"]?.string ?? "") == parts[0]
    }
}
