internal import AccessPolicy

/// An order to keep records whatever their age: a claim, an investigation (45 CFR 164.530(j) keeps the rest).
public struct LegalHold: Hashable, Sendable {
    /// Its name.
    public let id: String
    /// Keeps what names this patient.
    public let patient: String?
    /// Keeps what names this client.
    public let client: String?
    /// Keeps what counts under this reporting entity.
    public let reportingEntity: String?
    /// Why.
    public let reason: String
    /// Who placed it.
    public let placedBy: String
    /// When, milliseconds since 1970 UTC.
    public let placedAt: Int64

    /// A hold; one that names nothing keeps everything.
    public init(
        id: String, patient: String? = nil, client: String? = nil, reportingEntity: String? = nil, reason: String,
        placedBy: String, placedAt: Int64
    ) {
        self.id = id
        self.patient = patient
        self.client = client
        self.reportingEntity = reportingEntity
        self.reason = reason
        self.placedBy = placedBy
        self.placedAt = placedAt
    }

    /// Whether an entry must be kept.
    func keeps(_ statement: AuditStatement) -> Bool {
        let index = AuditIndex(statement)
        return (patient.map { index.patients.contains($0) } ?? true)
            && (client.map { $0 == index.clientID?.text } ?? true)
            && (reportingEntity.map { $0 == statement.reportingEntity } ?? true)
    }

    /// As a record has it.
    func bounded() -> LegalHold {
        let terms = LegalHoldTerms(
            id: id, patient: patient, client: client, reportingEntity: reportingEntity, reason: reason, doneBy: placedBy
        ).bounded()
        return LegalHold(
            id: terms.id, patient: terms.patient, client: terms.client, reportingEntity: terms.reportingEntity,
            reason: terms.reason ?? "", placedBy: terms.doneBy ?? "", placedAt: placedAt)
    }

    /// The hold in words, as its record has them.
    var text: String { "hold \(id) by \(placedBy): \(scope): \(reason)" }

    /// What it keeps, in words.
    private var scope: String {
        let parts = [
            patient.map { "patient \($0)" }, client.map { "client \($0)" },
            reportingEntity.map { "reporting entity \($0)" },
        ].compactMap { $0 }
        return parts.isEmpty ? "everything" : parts.joined(separator: ", ")
    }
}

/// A hold as a store keeps it: lifted ones stay.
public struct StoredLegalHold: Hashable, Sendable {
    /// The hold.
    public let hold: LegalHold
    /// Who lifted it; nil while it is in force.
    public let liftedBy: String?
    /// When, milliseconds since 1970 UTC.
    public let liftedAt: Int64?

    /// A hold as a store found it.
    public init(_ hold: LegalHold, liftedBy: String? = nil, liftedAt: Int64? = nil) {
        self.hold = hold
        self.liftedBy = liftedBy
        self.liftedAt = liftedAt
    }
}
