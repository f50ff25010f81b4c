internal import AccessPolicy

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
    /// Source addresses.
    public var addresses: Set<String> = []
    /// FHIR identities of users, such as `Practitioner/p1`.
    public var users: Set<String> = []
    /// Resources that were asked for, such as `Observation/o1`, or whose compartment was.
    public var resources: Set<String> = []
    /// Actions of AuditEvent: C, R, U, D, E.
    public var actions: Set<String> = []
    /// Codes of the type of AuditEvent that accesses have: `rest`, and `110106` for a disclosure.
    public var accessTypes: Set<String> = []
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
        case .access(let record):
            let resource = record.resourceType.flatMap { type in record.resourceID.map { "\(type)/\($0)" } }
            return Self.any(scopes, record.scopes) && Self.any(tokens, [record.tokenID?.text])
                && Self.any(programs, [record.program]) && Self.any(purposes, record.purposeOfUse)
                && Self.any(reportingEntities, [record.reportingEntity])
                && Self.any(organizations, [record.organization]) && Self.any(addresses, [record.sourceAddress])
                && Self.any(users, [record.fhirUser]) && Self.any(resources, [resource, record.compartment])
                && Self.any(actions, [AccessEventRendering.action(record)])
                && Self.any(accessTypes, [AccessEventRendering.type(record).code])
                && (!onlyDisclosures || AccessReport.isDisclosure(record, of: patient))
        case .authorization(let record):
            return Self.any(scopes, record.scopes) && Self.any(tokens, [record.tokenID?.text])
                && Self.any(programs, [record.program]) && Self.any(addresses, [record.sourceAddress])
                && Self.any(users, [record.fhirUser]) && Self.any(actions, ["E"])
                && Self.any(purposes, record.purposeOfUse)
                && Self.any(reportingEntities, [record.reportingEntity])
                && Self.any(organizations, [record.organization]) && resources.isEmpty && !onlyDisclosures
        }
    }

    private static func any(_ wanted: Set<String>, _ values: [String?]) -> Bool {
        wanted.isEmpty || values.contains { $0.map(wanted.contains) ?? false }
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
