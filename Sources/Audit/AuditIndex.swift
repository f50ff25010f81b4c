public import AccessPolicy

/// The parts of a statement by which entries are found; sinks keep them beside the body.
///
/// They are derived from the body and nothing else, so a verifier can tell when one of them was changed.
public struct AuditIndex: Hashable, Sendable {
    /// The decision or step.
    public let eventID: DecisionID
    /// Where the record stands in the life of its event.
    public let phase: AuditPhase
    /// The earlier entry that it ends.
    public let closes: Int64?
    /// `access`, or the kind of the authorization step.
    public let kind: String
    /// The interaction code of an access.
    public let interaction: String?
    /// The FHIR type that was asked for.
    public let resourceType: String?
    /// The client.
    public let clientID: ClientID?
    /// The person or system that logged in.
    public let subject: SubjectID?
    /// The grant.
    public let grantID: GrantID?
    /// Distinct, in the order of the record.
    public let patients: [String]
    /// The code of the outcome.
    public let outcome: String

    /// The index as a sink stored it.
    public init(
        eventID: DecisionID, phase: AuditPhase, closes: Int64?, kind: String, interaction: String?,
        resourceType: String?, clientID: ClientID?, subject: SubjectID?, grantID: GrantID?, patients: [String],
        outcome: String
    ) {
        self.eventID = eventID
        self.phase = phase
        self.closes = closes
        self.kind = kind
        self.interaction = interaction
        self.resourceType = resourceType
        self.clientID = clientID
        self.subject = subject
        self.grantID = grantID
        self.patients = patients
        self.outcome = outcome
    }

    /// The kind under which accesses are found.
    public static let accessKind = "access"

    /// The index of a statement.
    public init(_ statement: AuditStatement) {
        switch statement.event {
        case .access(let record):
            self.init(
                eventID: record.decisionID, phase: statement.phase, closes: statement.closes, kind: Self.accessKind,
                interaction: record.interaction.rawValue, resourceType: record.resourceType,
                clientID: record.clientID, subject: record.subject, grantID: record.grantID,
                patients: record.patients.distinct, outcome: record.outcome.code)
        case .authorization(let record):
            self.init(
                eventID: record.id, phase: statement.phase, closes: statement.closes, kind: record.kind.rawValue,
                interaction: nil, resourceType: nil, clientID: record.clientID, subject: record.subject,
                grantID: record.grantID, patients: record.patient.map { [$0] } ?? [], outcome: record.outcome.code)
        }
    }
}

extension [String] {
    fileprivate var distinct: [String] {
        guard count > 1 else { return self }
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
