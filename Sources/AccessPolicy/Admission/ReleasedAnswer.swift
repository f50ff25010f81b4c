public import FHIRCore

/// What becomes of a whole upstream answer.
public enum AnswerAdmission: Sendable {
    /// It may be answered in this form.
    case release(ReleasedAnswer)
    /// Nothing of it may be answered.
    case refuse(Denial)
}

/// An answer that was judged whole. Only this module makes one.
public struct ReleasedAnswer: Hashable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// The body; empty where the answer has none.
    public let body: Released
    /// `ETag`; only for a single resource of which nothing was cut out.
    public let etag: String?
    /// `Last-Modified`; under the same condition.
    public let lastModified: String?
    /// `Location`, on the public base.
    public let location: String?
    /// The media type of a body that is the content of a Binary and not a FHIR document; nil for every other.
    public internal(set) var rawContentType: String?
    /// The media type of a body of ours or of judged lines that is no FHIR document; nil for every other.
    public internal(set) var plainContentType: String?
    /// `Content-Location`, on the public base.
    public internal(set) var contentLocation: String?
    /// `Retry-After`, in seconds.
    public internal(set) var retryAfter: Int?
    /// What was released and what was not.
    public let counts: ReleaseCounts
    /// The patients whose resources were released.
    public let patients: [ResourceID]
    /// The scopes that admitted what was released.
    public let determining: [HeldScope]
    /// What an upstream did that an obedient one does not do, as constant texts for the log.
    public let securityEvents: [String]
    /// The types on which the upstream answered with rows that the narrowed search excludes; none where it obeyed.
    public let disobeyed: Set<ResourceType>

    init(
        status: Int, body: Released = Released(bytes: []), etag: String? = nil, lastModified: String? = nil,
        location: String? = nil, counts: ReleaseCounts = ReleaseCounts(), patients: Set<ResourceID> = [],
        determining: Set<HeldScope> = [], securityEvents: [String] = [], disobeyed: Set<ResourceType> = []
    ) {
        self.status = status
        self.body = body
        self.etag = etag
        self.lastModified = lastModified
        self.location = location
        self.counts = counts
        self.patients = patients.sorted()
        self.determining = determining.sorted { $0.text < $1.text }
        self.securityEvents = securityEvents
        self.disobeyed = disobeyed
    }
}

extension ReleasedAnswer {
    /// The same answer without its body, where there is no room for it.
    public var withoutBody: ReleasedAnswer {
        ReleasedAnswer(
            status: status, etag: etag, lastModified: lastModified, location: location, patients: Set(patients),
            determining: Set(determining), securityEvents: securityEvents)
    }
}

/// How many resources an answer released and withheld, for the record.
public struct ReleaseCounts: Hashable, Sendable {
    /// Resources released, whole or cut.
    public internal(set) var released = 0
    /// Those of them from which something was cut out because of other patients.
    public internal(set) var redacted = 0
    /// Resources withheld, by reason.
    public internal(set) var withheld: [WithholdReason: Int] = [:]
    /// Resources released, by the ordinal of their type; empty before the first.
    private var byType: [Int] = []

    /// Resources released, by type.
    public var types: [ResourceType: Int] {
        var types: [ResourceType: Int] = [:]
        for (type, count) in zip(ResourceType.allCases, byType) where count > 0 { types[type] = count }
        return types
    }

    mutating func add(_ type: ResourceType, isRedacted: Bool) {
        released += 1
        if byType.isEmpty { byType = [Int](repeating: 0, count: ResourceType.count) }
        byType[type.ordinal] += 1
        if isRedacted { redacted += 1 }
    }

    mutating func withhold(_ reason: WithholdReason) { withheld[reason, default: 0] += 1 }
}
