public import FHIRCore

/// What a source of members says about one login. Nothing is decided in it: dates are dates, and may be over.
public enum MemberDirectoryAnswer: Hashable, Sendable {
    /// The source knows nobody by it.
    case unknown
    /// The source found more than one, so it does not know which.
    case ambiguous
    case known(MemberFacts)
}

/// Who a login is, and whose records it may open, as a source says.
public struct MemberFacts: Hashable, Sendable {
    /// The Patient, Practitioner, PractitionerRole, RelatedPerson or Person that the login is. Nil leaves it to the
    /// records: the member's own.
    public var person: InstanceKey?
    /// The records, in the source's order.
    public var records: [MemberRecord]
    /// Identities that were merged into others: the old one and what survived.
    public var survivors: [InstanceKey: InstanceKey]
    /// Whether a person that is a Patient may open that record although no line says so; what a line says goes before it.
    public var personOpensOwnRecord = false

    public init(
        person: InstanceKey? = nil, records: [MemberRecord] = [], survivors: [InstanceKey: InstanceKey] = [:]
    ) {
        self.person = person
        self.records = records
        self.survivors = survivors
    }
}

/// One patient record that a login may act for, and for how long.
public struct MemberRecord: Hashable, Sendable {
    /// On what ground.
    public enum Relation: String, CaseIterable, Hashable, Sendable {
        /// It is the member's own.
        case own
        /// The member is parent or guardian of a minor; ends when the minor comes of age.
        case minor
        /// The member acts for somebody by a power that has dates.
        case representative
    }

    public var id: ResourceID
    /// How the person recognises the record; untrusted text.
    public var label: String
    public var relation: Relation
    /// The first and the last day on which it holds; nil for no such limit.
    public var from: CalendarDate?
    public var until: CalendarDate?
    /// The last day of the coverage under which the plan keeps the record; nil while it runs.
    public var coverageEnd: CalendarDate?
    public var birthDate: CalendarDate?
    /// Whether it is the one of the member's own records that the plan picks when there are several.
    public var isPreferred: Bool

    public init(
        id: ResourceID, label: String, relation: Relation = .own, from: CalendarDate? = nil,
        until: CalendarDate? = nil, coverageEnd: CalendarDate? = nil, birthDate: CalendarDate? = nil,
        isPreferred: Bool = false
    ) {
        self.id = id
        self.label = label
        self.relation = relation
        self.from = from
        self.until = until
        self.coverageEnd = coverageEnd
        self.birthDate = birthDate
        self.isPreferred = isPreferred
    }
}
