public import AccessPolicy

/// What is written about one request for FHIR data, allowed or refused (45 CFR 164.312(b)).
///
/// It names who asked, for whom, for what, what was decided and why, and what left. It never holds a token or the
/// contents of a record: `bounded()` caps every field and takes out of path and query whatever carries a secret.
public struct AccessRecord: Hashable, Sendable {
    /// A reason for withholding resources, and how many fell to it.
    public struct Withheld: Hashable, Sendable {
        public let reason: String
        public let count: Int
        public init(reason: String, count: Int) {
            self.reason = reason
            self.count = count
        }
    }

    /// The decision that this record is about; receipts carry the same.
    public var decisionID: DecisionID

    // Who.
    public var clientID: ClientID?
    public var subject: SubjectID?
    /// The FHIR identity of the user, such as `Practitioner/x`.
    public var fhirUser: String?
    public var sourceAddress: String?

    // By what right.
    public var grantID: GrantID?
    public var tokenID: TokenID?
    /// The individual scopes that allowed the request, as granted; for a search all whose constraint was added.
    public var scopes: [String]
    /// The program of the client's approval, such as `patient-access`.
    public var program: String?

    // For whom, and what.
    /// Ids of the patients whose data was asked for or left.
    public var patients: [String]
    public var interaction: AccessInteraction
    public var resourceType: String?
    public var resourceID: String?
    public var versionID: String?
    /// The name of the operation, with its `$`.
    public var operation: String?
    public var method: String
    /// The raw path below the FHIR base.
    public var path: String
    /// The search as the client sent it, from the URL or from the form of `POST _search`.
    public var queryAsked: String?
    /// The search as it went to the upstream.
    public var queryNarrowed: String?

    // What came of it.
    public var outcome: AccessOutcome
    /// The HTTP status of the answer.
    public var status: Int?
    public var released: Int
    public var withheld: [Withheld]
    /// What looked wrong about the upstream's answer, as codes.
    public var securityEvents: [String]

    // When, and under which trace. Milliseconds since 1970 UTC.
    public var startedAt: Int64
    public var endedAt: Int64?
    public var traceID: String?

    public init(
        decisionID: DecisionID, clientID: ClientID? = nil, subject: SubjectID? = nil, fhirUser: String? = nil,
        sourceAddress: String? = nil, grantID: GrantID? = nil, tokenID: TokenID? = nil, scopes: [String] = [],
        program: String? = nil, patients: [String] = [], interaction: AccessInteraction, resourceType: String? = nil,
        resourceID: String? = nil, versionID: String? = nil, operation: String? = nil, method: String, path: String,
        queryAsked: String? = nil, queryNarrowed: String? = nil, outcome: AccessOutcome, status: Int? = nil,
        released: Int = 0, withheld: [Withheld] = [], securityEvents: [String] = [], startedAt: Int64,
        endedAt: Int64? = nil, traceID: String? = nil
    ) {
        self.decisionID = decisionID
        self.clientID = clientID
        self.subject = subject
        self.fhirUser = fhirUser
        self.sourceAddress = sourceAddress
        self.grantID = grantID
        self.tokenID = tokenID
        self.scopes = scopes
        self.program = program
        self.patients = patients
        self.interaction = interaction
        self.resourceType = resourceType
        self.resourceID = resourceID
        self.versionID = versionID
        self.operation = operation
        self.method = method
        self.path = path
        self.queryAsked = queryAsked
        self.queryNarrowed = queryNarrowed
        self.outcome = outcome
        self.status = status
        self.released = released
        self.withheld = withheld
        self.securityEvents = securityEvents
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.traceID = traceID
    }
}
