public import AccessPolicy

/// What to look for in the log; conditions that are set must all hold.
public struct AuditQuery: Hashable, Sendable {
    /// Id of a patient that the entry names.
    public var patient: String?
    /// The client.
    public var clientID: ClientID?
    /// The person or system that logged in.
    public var subject: SubjectID?
    /// The grant.
    public var grantID: GrantID?
    /// The decision or step.
    public var eventID: DecisionID?
    /// Kinds as in `AuditIndex.kind`; empty means all.
    public var kinds: Set<String>
    /// Outcome codes; empty means all.
    public var outcomes: Set<String>
    /// The FHIR type that was asked for.
    public var resourceType: String?
    /// Interaction codes; empty means all.
    public var interactions: Set<String>
    /// Written at or after, milliseconds.
    public var from: Int64?
    /// Written before, milliseconds.
    public var to: Int64?
    /// Continue after the page that ended here.
    public var after: AuditCursor?
    /// Entries in a page, at most.
    public var limit: Int
    /// Also what a later entry has ended: opening records that were closed, and records that were withdrawn because their
    /// answer was not given. What is true of these the later entry says.
    public var includesClosedOpenings: Bool

    /// No page is longer than this.
    public static let largestPage = 1000

    /// A query; without conditions it finds everything.
    public init(
        patient: String? = nil, clientID: ClientID? = nil, subject: SubjectID? = nil, grantID: GrantID? = nil,
        eventID: DecisionID? = nil, kinds: Set<String> = [], outcomes: Set<String> = [], resourceType: String? = nil,
        interactions: Set<String> = [], from: Int64? = nil, to: Int64? = nil, after: AuditCursor? = nil,
        limit: Int = 50, includesClosedOpenings: Bool = false
    ) {
        self.patient = patient
        self.clientID = clientID
        self.subject = subject
        self.grantID = grantID
        self.eventID = eventID
        self.kinds = kinds
        self.outcomes = outcomes
        self.resourceType = resourceType
        self.interactions = interactions
        self.from = from
        self.to = to
        self.after = after
        self.limit = min(max(limit, 1), Self.largestPage)
        self.includesClosedOpenings = includesClosedOpenings
    }
}

/// A place in the order "newest first" of one store, after which the next page begins.
public struct AuditCursor: Hashable, Sendable {
    /// When the last entry of the page was written.
    public let recordedAt: Int64
    /// The store's own running number of the entry, unique in it.
    public let position: Int64

    /// A cursor as a store gives it out.
    public init(recordedAt: Int64, position: Int64) {
        self.recordedAt = recordedAt
        self.position = position
    }

    /// `recordedAt.position`, for links.
    public var text: String { "\(recordedAt).\(position)" }

    /// The cursor with that text; nil if it is none.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let time = Int64(parts[0]), let position = Int64(parts[1]) else { return nil }
        self.init(recordedAt: time, position: position)
    }
}

/// One page of entries, newest first.
public struct AuditPage: Hashable, Sendable {
    /// The entries.
    public let entries: [AuditEntry]
    /// Where the next page begins; nil when there is none.
    public let next: AuditCursor?

    /// A page as a store found it.
    public init(entries: [AuditEntry], next: AuditCursor?) {
        self.entries = entries
        self.next = next
    }
}
