public import AccessPolicy

/// What to look for in the log; conditions that are set must all hold.
public struct AuditQuery: Hashable, Sendable {
    /// These entries and no others; empty means all. Their hashes are the ids of their AuditEvents.
    public var hashes: Set<ChainHash>
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
    /// In which order of their times entries come.
    public var order: AuditOrder
    /// Only what the store had when its newest entry had this running number: nothing that was appended since, and no
    /// ending that was. Nil for all that it has when the first page is read.
    public var through: Int64?
    /// Continue after the page that ended here, over what the store had when the first page was read.
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
        hashes: Set<ChainHash> = [], patient: String? = nil, clientID: ClientID? = nil, subject: SubjectID? = nil,
        grantID: GrantID? = nil,
        eventID: DecisionID? = nil, kinds: Set<String> = [], outcomes: Set<String> = [], resourceType: String? = nil,
        interactions: Set<String> = [], from: Int64? = nil, to: Int64? = nil,
        order: AuditOrder = .newestFirst, through: Int64? = nil, after: AuditCursor? = nil, limit: Int = 50,
        includesClosedOpenings: Bool = false
    ) {
        self.hashes = hashes
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
        self.order = order
        self.through = through
        self.after = after
        self.limit = min(max(limit, 1), Self.largestPage)
        self.includesClosedOpenings = includesClosedOpenings
    }
}
