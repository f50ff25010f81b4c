internal import AccessPolicy
internal import Foundation

/// Conditions on what entries say beyond what they are indexed by; looked at entry by entry after the indexed ones.
///
/// Conditions that are set must all hold; within one, any of its values.
public struct AuditContentFilter: Hashable, Sendable {
    /// Individual scopes that allowed an access or were granted.
    public var scopes: Set<String> = []
    /// Ids of tokens.
    public var tokens: Set<String> = []
    /// Programs.
    public var programs: Set<String> = []
    /// Purposes of use.
    public var purposes: Set<String> = []
    /// Entities under whose obligation to report the access counts.
    public var reportingEntities: Set<String> = []
    /// Organisations.
    public var organizations: Set<String> = []
    /// How their names begin, whatever their case and accents.
    public var organizationBeginnings: Set<String> = []
    /// Source addresses.
    public var addresses: Set<String> = []
    /// How they begin.
    public var addressBeginnings: Set<String> = []
    /// Identifiers of agents: clients, subjects of logins, account names of operators.
    public var agents: Set<String> = []
    /// Account names of operators.
    public var actors: Set<String> = []
    /// FHIR identities of users, such as `Practitioner/p1`.
    public var users: Set<String> = []
    /// Resources that were asked for, such as `Observation/o1`, or whose compartment was.
    public var resources: Set<String> = []
    /// Actions of AuditEvent: C, R, U, D, E.
    public var actions: Set<String> = []
    /// Codes of the type of AuditEvent that is shown.
    public var types: Set<String> = []
    /// Codes of the subtypes of AuditEvent that are shown, or the interaction or step where another one is.
    public var subtypes: Set<String> = []
    /// Nodes.
    public var nodes: Set<String> = []
    /// Only what 45 CFR 164.528 has in an accounting of disclosures.
    public var onlyDisclosures = false

    /// A filter that everything passes.
    public init() {}

    /// Whether there is any condition.
    public var isEmpty: Bool { self == AuditContentFilter() }

    /// Whether an entry passes; throws when its body cannot be read.
    ///
    /// - Parameter patient: whose entries are looked for, so whose accounting of disclosures counts; nil for anybody's.
    public func matches(_ entry: AuditEntry, of patient: String? = nil) throws(AuditFormatError) -> Bool {
        if isEmpty { return true }
        guard nodes.isEmpty || nodes.contains(entry.node) else { return false }
        let statement = try entry.statement()
        switch statement.event {
        case .access(let record): return matches(record, of: patient)
        case .authorization(let record): return matches(record)
        }
    }

    private func matches(_ record: AccessRecord, of patient: String?) -> Bool {
        let resource = record.resourceType.flatMap { type in record.resourceID.map { "\(type)/\($0)" } }
        return Self.any(scopes, record.scopes) && Self.any(tokens, [record.tokenID?.text])
            && Self.any(programs, [record.program]) && Self.any(purposes, record.purposeOfUse)
            && Self.any(reportingEntities, [record.reportingEntity])
            && Self.any(organizations, [record.organization]) && Self.any(addresses, [record.sourceAddress])
            && Self.begins(organizationBeginnings, record.organization)
            && Self.begins(addressBeginnings, record.sourceAddress)
            && Self.any(agents, [record.clientID?.text, record.subject?.text]) && actors.isEmpty
            && Self.any(users, [record.fhirUser]) && Self.any(resources, [resource, record.compartment])
            && Self.any(actions, [AccessEventRendering.action(record)])
            && Self.any(types, [AccessEventRendering.type(record).code])
            && Self.any(subtypes, AccessEventRendering.subtypes(record).map(\.code))
            && (!onlyDisclosures || AccessReport.isDisclosure(record, of: patient))
    }

    private func matches(_ record: AuthorizationRecord) -> Bool {
        Self.any(scopes, record.scopes) && Self.any(tokens, [record.tokenID?.text])
            && Self.any(programs, [record.program]) && Self.any(purposes, record.purposeOfUse)
            && Self.any(reportingEntities, [record.reportingEntity])
            && Self.any(organizations, [record.organization]) && Self.any(addresses, [record.sourceAddress])
            && Self.begins(organizationBeginnings, record.organization)
            && Self.begins(addressBeginnings, record.sourceAddress)
            && Self.any(agents, [record.clientID?.text, record.subject?.text, record.actor])
            && Self.any(actors, [record.actor]) && Self.any(users, [record.fhirUser]) && resources.isEmpty
            && Self.any(actions, ["E"]) && Self.any(types, [AuthorizationEventRendering.type(of: record).code])
            && Self.any(
                subtypes, AuthorizationEventRendering.subtypes(of: record).map(\.code) + [record.kind.rawValue])
            && !onlyDisclosures
    }

    private static func any(_ wanted: Set<String>, _ values: [String?]) -> Bool {
        wanted.isEmpty || values.contains { $0.map(wanted.contains) ?? false }
    }

    /// FHIR R4 §3.1.1.4.8: a string is found by how it begins, whatever its case and accents.
    private static func begins(_ wanted: Set<String>, _ value: String?) -> Bool {
        guard !wanted.isEmpty else { return true }
        guard let folded = value.map(folded) else { return false }
        return wanted.contains { folded.hasPrefix(Self.folded($0)) }
    }

    private static func folded(_ text: String) -> String {
        text.folding(options: [.caseInsensitive, .diacriticInsensitive], locale: nil)
    }
}

extension AccessInteraction {
    /// Whether it gives data away rather than taking it in.
    var isRetrieval: Bool {
        switch self {
        case .read, .vread, .historyInstance, .historyType, .historySystem, .searchType, .searchSystem, .operation:
            true
        case .create, .update, .patch, .delete, .transaction, .batch, .capabilities, .unclassified: false
        }
    }

    /// The action of AuditEvent (FHIR R4 audit-event-action).
    var action: String {
        switch self {
        case .read, .vread, .historyInstance, .historyType, .historySystem, .capabilities: "R"
        case .create: "C"
        case .update, .patch: "U"
        case .delete: "D"
        case .searchType, .searchSystem, .transaction, .batch, .operation, .unclassified: "E"
        }
    }
}
