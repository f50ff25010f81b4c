public import AccessPolicy

/// What is written about one request for FHIR data, allowed or refused (45 CFR 164.312(b)).
///
/// It names who asked, for whom, for what, what was decided and why, and what left. It never holds a token or the
/// contents of a record: `bounded()` caps every field and takes out of path and query whatever carries a secret.
public struct AccessRecord: Hashable, Sendable {
    /// A reason for withholding resources, and how many fell to it.
    public struct Withheld: Hashable, Sendable {
        /// The reason, as a code.
        public let reason: String
        /// How many resources.
        public let count: Int
        /// A count for a reason.
        public init(reason: String, count: Int) {
            self.reason = reason
            self.count = count
        }
    }

    /// The decision that this record is about; receipts carry the same.
    public var decisionID: DecisionID

    // Who.
    /// The client of the token.
    public var clientID: ClientID?
    /// The person or system of the token.
    public var subject: SubjectID?
    /// The FHIR identity of the user, such as `Practitioner/x`.
    public var fhirUser: String?
    /// The organisation for which the client acts.
    public var organization: String?
    /// Why: codes of HL7 v3 ActReason, from the token or from the program.
    public var purposeOfUse: [String]
    /// Where the request came from.
    public var sourceAddress: String?

    // By what right.
    /// The grant behind the token.
    public var grantID: GrantID?
    /// The id of the token; never the token.
    public var tokenID: TokenID?
    /// The individual scopes that allowed the request, as granted; for a search all whose constraint was added.
    public var scopes: [String]
    /// The program of the client's approval, such as `patient-access`.
    public var program: String?
    /// The rule of law that the access rests on.
    public var legalBasis: String?
    /// Under whose obligation to report the access counts: a contract, a state, an issuer, a plan.
    public var reportingEntity: String?

    // For whom, and what.
    /// Ids of the patients whose data was asked for or left.
    public var patients: [String]
    /// Those of them that were only asked for: nothing of theirs was found, written or let out.
    public var askedOnly: [String] = []
    /// The kind of interaction.
    public var interaction: AccessInteraction
    /// The FHIR type that was asked for.
    public var resourceType: String?
    /// The compartment that was searched, such as `Patient/x`.
    public var compartment: String?
    /// The logical id that was asked for or created.
    public var resourceID: String?
    /// The version that was asked for or made.
    public var versionID: String?
    /// The name of the operation, with its `$`.
    public var operation: String?
    /// The HTTP method.
    public var method: String
    /// The raw path below the FHIR base.
    public var path: String
    /// The search as the client sent it, from the URL or from the form of `POST _search`.
    public var queryAsked: String?
    /// The search as it went to the upstream.
    public var queryNarrowed: String?

    // What came of it.
    /// How the access ended.
    public var outcome: AccessOutcome
    /// The HTTP status of the answer.
    public var status: Int?
    /// Resources that left.
    public var released: Int
    /// Resources that did not, by reason.
    public var withheld: [Withheld]
    /// What looked wrong about the upstream's answer, as codes.
    public var securityEvents: [String]

    // Of which whole, and of which parts.
    /// The decision on the batch or transaction that this was one entry of (decision 15).
    public var parent: DecisionID?
    /// What a batch, a transaction or an operation may change, such as `PUT Observation/x`: in its opening record all of it.
    public var targets: [String] = []
    /// The records of a batch's or transaction's entries. They are written as entries of their own before the record that
    /// closes the whole, and are no part of it.
    public var entries: [AccessRecord] = []

    // When, and under which trace. Milliseconds since 1970 UTC.
    /// When the request came.
    public var startedAt: Int64
    /// When the answer was ready to leave.
    public var endedAt: Int64?
    /// The trace that the request belongs to.
    public var traceID: String?

    /// A record; what is not known stays nil.
    public init(
        decisionID: DecisionID, clientID: ClientID? = nil, subject: SubjectID? = nil, fhirUser: String? = nil,
        sourceAddress: String? = nil, grantID: GrantID? = nil, tokenID: TokenID? = nil, scopes: [String] = [],
        program: String? = nil, patients: [String] = [], interaction: AccessInteraction, resourceType: String? = nil,
        resourceID: String? = nil, versionID: String? = nil, operation: String? = nil, method: String, path: String,
        queryAsked: String? = nil, queryNarrowed: String? = nil, outcome: AccessOutcome, status: Int? = nil,
        released: Int = 0, withheld: [Withheld] = [], securityEvents: [String] = [], startedAt: Int64,
        endedAt: Int64? = nil, traceID: String? = nil, organization: String? = nil, purposeOfUse: [String] = [],
        legalBasis: String? = nil, reportingEntity: String? = nil, parent: DecisionID? = nil
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
        self.organization = organization
        self.purposeOfUse = purposeOfUse
        self.legalBasis = legalBasis
        self.reportingEntity = reportingEntity
        self.parent = parent
    }
}
