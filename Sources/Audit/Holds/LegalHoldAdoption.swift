public import AccessPolicy

/// What the records of a log do not say of a hold that its store has. Releases that wrote the table before the record
/// could end between them, and then retention removes nothing for ever.
public struct LegalHoldAdoption: Hashable, Sendable {
    /// The hold as it stands.
    public let stored: StoredLegalHold
    /// Whether no record places it.
    public let lacksPlacing: Bool
    /// Whether it is lifted and no record says so.
    public let lacksLifting: Bool

    /// The records that make good what is missing, in the order in which they are to be written: each says what was done,
    /// by whom and when as the store has it, and that it was adopted by whom and when. The placing is last: cut short
    /// between them, the adoption can be made again, and a lifting of a hold that is placed by a record never can.
    ///
    /// - Parameters:
    ///   - actor: the administrator's account.
    ///   - id: makes the id of each record.
    ///   - at: now, milliseconds since 1970 UTC.
    public func records(by actor: String, id: () -> DecisionID, sourceAddress: String?, at: Int64, traceID: String?)
        -> [AuthorizationRecord]
    {
        let hold = stored.hold
        var records: [AuthorizationRecord] = []
        if lacksLifting {
            var record = AuthorizationRecord(
                id: id(), kind: .holdLifted, actor: actor, outcome: .succeeded,
                detail: "adopted by \(actor) as it stood without a record: hold \(hold.id) lifted by "
                    + (stored.liftedBy ?? ""),
                sourceAddress: sourceAddress, at: at, traceID: traceID)
            record.hold = LegalHoldTerms(
                id: hold.id, reason: nil, doneBy: stored.liftedBy, doneAt: stored.liftedAt)
            records.append(record)
        }
        if lacksPlacing {
            var record = AuthorizationRecord(
                id: id(), kind: .holdPlaced, actor: actor, patient: hold.patient, outcome: .succeeded,
                detail: "adopted by \(actor) as it stood without a record: \(hold.text)", sourceAddress: sourceAddress,
                at: at, traceID: traceID)
            record.hold = LegalHoldTerms(
                id: hold.id, patient: hold.patient, client: hold.client, reportingEntity: hold.reportingEntity,
                reason: hold.reason, doneBy: hold.placedBy, doneAt: hold.placedAt)
            records.append(record)
        }
        return records
    }
}

extension LegalHoldLedger {
    /// What is to be recorded of a hold so that the records say what the store has; nil where nothing is missing, and where
    /// what they say differs from it: that is no hold without a record, but one that was changed.
    public func adoption(of stored: StoredLegalHold) -> LegalHoldAdoption? {
        let (lacksPlacing, lacksLifting) = lacks(stored)
        guard lacksPlacing || lacksLifting else { return nil }
        return LegalHoldAdoption(stored: stored, lacksPlacing: lacksPlacing, lacksLifting: lacksLifting)
    }
}
