public import AccessPolicy

/// Where a record stands in the life of what it is about.
public enum AuditPhase: String, CaseIterable, Hashable, Sendable {
    /// Opening and closing in one: everything that happened is known.
    case whole
    /// Written before something streams or changes the upstream; a later record closes it.
    case opening
    /// Closes an opening record.
    case closing
    /// Closes a record whose end is not known, or marks one whose answer never left.
    case interrupted
}

/// What one audit entry says: an event, its phase, and the earlier entry that it ends.
public struct AuditStatement: Hashable, Sendable {
    /// The two families of event.
    ///
    /// The larger one stands behind a reference, so that a statement is handed on without copying a record of forty parts.
    public enum Event: Hashable, Sendable {
        indirect case access(AccessRecord)
        case authorization(AuthorizationRecord)
    }

    /// What happened.
    public let event: Event
    /// Where the record stands in the life of the event.
    public let phase: AuditPhase
    /// The sequence number, in the same chain, of the entry that this one closes or marks.
    public let closes: Int64?

    /// A statement about an event.
    public init(event: Event, phase: AuditPhase, closes: Int64? = nil) {
        self.event = event
        self.phase = phase
        self.closes = closes
    }

    /// The decision, or the id of the authorization step, that this is about.
    public var eventID: DecisionID {
        switch event {
        case .access(let record): record.decisionID
        case .authorization(let record): record.id
        }
    }

    /// Under whose obligation to report the event counts.
    var reportingEntity: String? {
        switch event {
        case .access(let record): record.reportingEntity
        case .authorization(let record): record.reportingEntity
        }
    }

    /// What is true of an access whose record became durable when its answer could not be ended any more. What was
    /// opened and changes nothing upstream is an answer that goes out piece by piece, and some of it has left; an
    /// operation can be either.
    var lateReason: String {
        guard phase == .closing, case .access(let record) = event else { return "stored, but the answer was not given" }
        if record.interaction == .operation { return "closed too late: the answer was not given, or not to its end" }
        return record.interaction.changesUpstream
            ? "stored, but the answer was not given" : "closed too late: the answer was cut off before its end"
    }

    /// Whether it says of an access that is over that nothing, or not all, was given for it. That stays true when its
    /// answer does not go out, and no mark may take the place of the reason that it tells.
    var claimsNoAnswer: Bool {
        guard phase == .whole || phase == .closing, case .access(let record) = event else { return false }
        switch record.outcome {
        case .refused, .failed, .interrupted: return true
        case .pending, .permitted, .decisionGiven: return false
        }
    }

    /// Why a record is marked whose answer did not go out to its end.
    static let notWrittenReason = "the connection ended before the answer was written to its end"

    /// The statement with nothing released, of an access of whose answer nothing has left though its record is durable. An
    /// answer that goes out piece by piece keeps its number: so many may have left.
    var notGiven: AuditStatement {
        guard case .access(var record) = event else { return self }
        if phase == .closing, record.interaction == .operation || !record.interaction.changesUpstream { return self }
        record.released = 0
        return AuditStatement(event: .access(record), phase: phase, closes: closes)
    }

    /// The same event marked as interrupted, ending the entry at `sequence`.
    func interrupted(closing sequence: Int64, reason: String, at time: Int64) -> AuditStatement {
        guard case .access(var record) = event else {
            return AuditStatement(event: event, phase: .interrupted, closes: sequence)
        }
        record.outcome = .interrupted(reason: reason)
        record.endedAt = time
        return AuditStatement(event: .access(record), phase: .interrupted, closes: sequence)
    }
}
