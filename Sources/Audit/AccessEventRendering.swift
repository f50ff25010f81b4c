internal import AccessPolicy
internal import FHIRCore
internal import Foundation

/// One access as an AuditEvent.
struct AccessEventRendering {
    let record: AccessRecord
    let system: AuditSystem

    /// The family of BALP patterns that an interaction belongs to.
    private enum Pattern: String {
        case read = "Read"
        case query = "Query"
        case create = "Create"
        case update = "Update"
        case delete = "Delete"
        /// What an accounting of disclosures has, seen from the source.
        case disclosure
        case none
    }

    private static let profiles = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

    func json(_ entry: AuditEntry) -> JSONValue {
        var members = AuditEventResource.head(entry, profiles: profiles)
        members.add("type", Self.type(record).coding)
        members.add("subtype", .array(Self.subtypes(record).map(\.coding)))
        members.add("action", Self.action(record))
        var period = MemberList()
        period.add("start", FHIRTime.instant(record.startedAt))
        period.add("end", record.endedAt.map { FHIRTime.instant($0) })
        members.add("period", period.object)
        members.add("recorded", FHIRTime.instant(entry.recordedAt))
        members.add("outcome", outcome)
        members.add("outcomeDesc", outcomeText)
        members.add("purposeOfEvent", AuditCode.purposes(record.purposeOfUse))
        members.add("agent", .array(agents))
        members.add("source", AuditEventResource.source(system, node: entry.node))
        members.add("entity", .array(entities))
        return members.object
    }

    /// Whether the event is one of disclosure rather than of a RESTful interaction: data of one patient went to somebody
    /// who said why, for other ends than treatment, payment and operations. An accounting of disclosures has more: there
    /// an end that nobody named counts too.
    static func isDisclosure(_ record: AccessRecord) -> Bool {
        record.outcome == .permitted && record.patients.count == 1 && record.clientID != nil
            && !record.purposeOfUse.isEmpty
            && record.sourceAddress != nil && record.interaction.isRetrieval && AccessReport.isDisclosure(record)
    }

    /// The code of type of an access.
    static func type(_ record: AccessRecord) -> AuditCode { isDisclosure(record) ? .export : .rest }

    /// The codes of subtype of an access.
    static func subtypes(_ record: AccessRecord) -> [AuditCode] {
        [.interaction(record.interaction)] + (isDisclosure(record) ? [.disclose] : [])
    }

    /// The action of an access (FHIR R4 audit-event-action).
    static func action(_ record: AccessRecord) -> String {
        isDisclosure(record) ? "R" : record.interaction.action
    }

    private var pattern: Pattern {
        if Self.isDisclosure(record) { return .disclosure }
        return switch record.interaction {
        case .read, .vread: .read
        case .searchType, .searchSystem: .query
        case .create: .create
        case .update, .patch: .update
        case .delete: .delete
        case .historyInstance, .historyType, .historySystem, .capabilities, .transaction, .batch, .operation,
            .unclassified:
            .none
        }
    }

    private var outcome: String? {
        switch record.outcome {
        case .pending: nil
        case .permitted, .decisionGiven: "0"
        case .refused: "4"
        case .failed, .interrupted: "8"
        }
    }

    private var outcomeText: String {
        let reason = record.outcome.reason.map { ": \($0)" } ?? ""
        let status = record.status.map { " (HTTP \($0))" } ?? ""
        return record.outcome.code + reason + status
    }

    /// Whether the token's user is named by the one agent that received the data, or by an agent of its own.
    private var namesUserAsRecipient: Bool {
        record.subject != nil && (pattern == .read || pattern == .query || pattern == .disclosure)
    }

    private var profiles: [String] {
        var names: [String] = []
        if pattern == .disclosure {
            names.append("PrivacyDisclosure.Source")
        } else if record.outcome == .permitted, pattern != .none, record.clientID != nil, record.sourceAddress != nil {
            names.append((record.patients.count == 1 ? "Patient" : "") + pattern.rawValue)
        }
        if record.tokenID != nil, record.clientID != nil {
            names.append(namesUserAsRecipient ? "OAUTHaccessTokenUse.Comprehensive" : "OAUTHaccessTokenUse.Opaque")
        }
        return names.map { Self.profiles + $0 }
    }

    // MARK: Agents

    private var agents: [JSONValue] {
        let client = record.clientID.map { AuditEventResource.identified($0.text) }
        let isKnown = record.subject != nil || record.tokenID != nil
        // BALP has the server as source of what is read and as destination of queries and writes.
        let (clientRole, serverRole): (AuditCode, AuditCode) =
            switch pattern {
            case .read, .disclosure, .none: (.destination, .source)
            case .query, .create, .update: (.source, .destination)
            case .delete: (.application, .custodian)
            }
        var list = [
            AuditEventResource.agent(
                clientRole, who: client ?? .object([JSONMemberValue("display", "unknown client")]),
                requestor: !isKnown, address: record.sourceAddress),
            AuditEventResource.agent(
                serverRole, who: .object([JSONMemberValue("display", .string(system.name))]), requestor: false,
                address: system.fhirBase, addressType: "5"),
        ]
        if namesUserAsRecipient, record.tokenID != nil, let client {
            list.append(
                AuditEventResource.agent(.application, who: client, requestor: false, address: record.sourceAddress))
        }
        // One agent wanted it (FHIR R4 AuditEvent.agent.requestor): the user, by the pattern that fits, or the client.
        let user = record.subject.map {
            AuditEventResource.identified(
                $0.text, system: system.issuer, reference: AuditEventResource.relative(record.fhirUser))
        }
        if let token = record.tokenID, !namesUserAsRecipient {
            let who = user ?? AuditEventResource.identified(record.clientID?.text ?? "unknown")
            list.append(AuditEventResource.agent(.tokenUser, who: who, requestor: true, policy: token.text))
        } else if let user {
            let isWrite = pattern == .create || pattern == .update || pattern == .delete
            list.append(
                AuditEventResource.agent(
                    isWrite ? .author : .recipient, who: user, requestor: true,
                    policy: namesUserAsRecipient ? record.tokenID?.text : nil))
        }
        return list
    }

    // MARK: Entities

    private var entities: [JSONValue] {
        var list = record.patients.map { AuditEventResource.patient($0, isAskedOnly: record.askedOnly.contains($0)) }
        // Not in the other RESTful patterns: there an entity of this type must be the resource itself.
        let isQuery = pattern == .query || pattern == .disclosure && record.resourceID == nil
        if isQuery { list.append(query) }
        if let resource = target, !isQuery {
            list.append(AuditEventResource.entity(.systemObject, role: .domainResource, [("what", resource)]))
        }
        list.append(AuditEventResource.request(record.traceID ?? record.parent?.text ?? record.decisionID.text))
        list.append(AuditEventResource.authorization(details))
        return list
    }

    /// The request line as the client sent it, in base64 as R4 wants queries.
    private var query: JSONValue {
        let asked = record.queryAsked.map { "?\($0)" } ?? ""
        let line = Data("\(record.method) \(system.fhirBase)\(record.path)\(asked)".utf8).base64EncodedString()
        return AuditEventResource.entity(.systemObject, role: .queryRole, [("query", .string(line))])
    }

    /// What the request was about: an instance, or only a type.
    private var target: JSONValue? {
        guard let type = record.resourceType else { return nil }
        guard let id = record.resourceID else { return .object([JSONMemberValue("type", .string(type))]) }
        let version = record.versionID.map { "/_history/\($0)" } ?? ""
        return AuditEventResource.reference("\(type)/\(id)\(version)")
    }

    private var details: [(String, String?)] {
        record.scopes.map { ("scope", $0) } + [
            ("decision", record.decisionID.text), ("outcome", record.outcome.code), ("reason", record.outcome.reason),
            ("grant", record.grantID?.text), ("token", record.tokenID?.text), ("program", record.program),
            ("legal-basis", record.legalBasis), ("reporting-entity", record.reportingEntity),
            ("organization", record.organization), ("parent", record.parent?.text),
            ("operation", record.operation), ("compartment", record.compartment),
            ("request", "\(record.method) \(record.path)"),
            ("asked", pattern == .query ? nil : record.queryAsked), ("narrowed", record.queryNarrowed),
            ("status", record.status.map { "\($0)" }),
            ("released", "\(record.released)"), ("batch", record.parent?.text),
        ] + record.targets.map { ("changes", $0) } + record.withheld.map { ("withheld:\($0.reason)", "\($0.count)") }
            + record.securityEvents.map { ("security", $0) }
    }
}
