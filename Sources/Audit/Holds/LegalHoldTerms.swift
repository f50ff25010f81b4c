public import AccessPolicy
internal import FHIRCore

/// What the record of a hold says of it; that of a lifting has the name alone. Who and when are the record's own, unless
/// it was written later than it was done.
public struct LegalHoldTerms: Hashable, Sendable {
    /// The name of the hold.
    public let id: String
    /// The patient whose records are kept.
    public let patient: String?
    /// The client whose records are kept.
    public let client: String?
    /// The reporting entity whose records are kept.
    public let reportingEntity: String?
    /// Why; nil in the record of a lifting.
    public let reason: String?
    /// Who placed or lifted it, where an administrator has adopted what stood without a record.
    public let doneBy: String?
    /// When, milliseconds since 1970 UTC; nil where it is not adopted.
    public let doneAt: Int64?

    /// The terms of a hold.
    init(
        id: String, patient: String? = nil, client: String? = nil, reportingEntity: String? = nil, reason: String?,
        doneBy: String? = nil, doneAt: Int64? = nil
    ) {
        self.id = id
        self.patient = patient
        self.client = client
        self.reportingEntity = reportingEntity
        self.reason = reason
        self.doneBy = doneBy
        self.doneAt = doneAt
    }

    /// The terms with every part capped, and the reason without secrets.
    func bounded() -> LegalHoldTerms {
        LegalHoldTerms(
            id: id.bounded(RecordBounds.identifier), patient: patient?.bounded(RecordBounds.identifier),
            client: client?.bounded(RecordBounds.identifier),
            reportingEntity: reportingEntity?.bounded(RecordBounds.identifier),
            reason: reason.map { SecretScrubber.scrub($0).bounded(RecordBounds.detail) },
            doneBy: doneBy?.bounded(RecordBounds.identifier), doneAt: doneAt)
    }

    var json: JSONValue {
        var members = MemberList()
        members.add("id", id)
        members.add("patient", patient)
        members.add("client", client)
        members.add("entity", reportingEntity)
        members.add("reason", reason)
        members.add("doneBy", doneBy)
        members.add("doneAt", doneAt.map { JSONValue.int($0) })
        return members.object
    }

    init(_ value: JSONValue) throws(AuditFormatError) {
        let members = MemberReader(value: value)
        self.init(
            id: try members.required("id"), patient: members.text("patient"), client: members.text("client"),
            reportingEntity: members.text("entity"), reason: members.text("reason"),
            doneBy: members.text("doneBy"), doneAt: value["doneAt"]?.int)
    }
}

extension AuthorizationRecord {
    /// The record that places a hold. Writing it is what puts the hold in force: a store does both in one transaction.
    public init(placing hold: LegalHold, id: DecisionID, sourceAddress: String?, traceID: String?) {
        self.init(
            id: id, kind: .holdPlaced, actor: hold.placedBy, patient: hold.patient, outcome: .succeeded,
            detail: hold.text, sourceAddress: sourceAddress, at: hold.placedAt, traceID: traceID)
        self.hold = LegalHoldTerms(
            id: hold.id, patient: hold.patient, client: hold.client, reportingEntity: hold.reportingEntity,
            reason: hold.reason)
    }

    /// The record that lifts a hold, or that says why it was not lifted.
    public init(
        lifting hold: String, by actor: String, id: DecisionID, outcome: Outcome = .succeeded, sourceAddress: String?,
        at: Int64, traceID: String?
    ) {
        self.init(
            id: id, kind: .holdLifted, actor: actor, outcome: outcome,
            detail: "hold \(hold) lifted by \(actor)", sourceAddress: sourceAddress, at: at, traceID: traceID)
        self.hold = LegalHoldTerms(id: hold, reason: nil)
    }

    /// The hold that the record places; nil where it places none.
    public var placedHold: LegalHold? {
        guard kind == .holdPlaced, outcome == .succeeded, let hold, let reason = hold.reason else { return nil }
        return LegalHold(
            id: hold.id, patient: hold.patient, client: hold.client, reportingEntity: hold.reportingEntity,
            reason: reason, placedBy: hold.doneBy ?? actor ?? "", placedAt: hold.doneAt ?? at)
    }

    /// The name of the hold that the record lifts; nil where it lifts none.
    public var liftedHold: String? {
        guard kind == .holdLifted, outcome == .succeeded else { return nil }
        return hold?.id
    }
}
