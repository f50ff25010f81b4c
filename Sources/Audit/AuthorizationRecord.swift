public import AccessPolicy

/// What is written about one step of authorization or of running the server: a login, a consent, a token, a change.
///
/// `id` is chosen by whoever makes the record. A step that changes stored state puts the encoded record into an outbox
/// in the same database transaction; `AuditRecorder.recordOnce` drains it, and the id keeps it from standing twice.
public struct AuthorizationRecord: Hashable, Sendable {
    /// The kinds of step.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case login
        case loginFailed = "login-failed"
        case logout
        case accountLocked = "account-locked"
        case launch
        case patientChosen = "patient-chosen"
        case consent
        case consentDenied = "consent-denied"
        case authorizationRefused = "authorization-refused"
        case codeReplayed = "code-replayed"
        case token
        case tokenRefused = "token-refused"
        case refresh
        case refreshReplayed = "refresh-replayed"
        case introspect
        /// A client was told who signed in (OpenID Connect Core §5.3).
        case userInfo = "user-info"
        case revoke
        case clientRegistered = "client-registered"
        case clientChanged = "client-changed"
        case userChanged = "user-changed"
        case keyChanged = "key-changed"
        case policyChanged = "policy-changed"
        case configurationChanged = "configuration-changed"
        case auditRead = "audit-read"
        /// A signed checkpoint of the audit trail was made; the detail names it.
        case checkpoint
        /// Entries whose time was over were removed; the detail names the signed removal.
        case recordsRemoved = "records-removed"
        /// A legal hold was placed on records, or lifted.
        case holdPlaced = "hold-placed"
        case holdLifted = "hold-lifted"
        /// A receiver of a feed would not take an entry, and the feed went on without it; the detail names both.
        case feedRefused = "feed-refused"
        /// Records can be written again; the detail says since when they could not.
        case recordingResumed = "recording-resumed"
        /// Refusals of requests that proved nothing, from one network, that have no records of their own.
        case refusalsSummed = "refusals-summed"
        case started
        case stopped
    }

    /// How the step ended.
    public enum Outcome: Hashable, Sendable {
        case succeeded
        case refused(reason: String)
        case failed(reason: String)

        /// The word that is stored and searched for.
        public var code: String {
            switch self {
            case .succeeded: "succeeded"
            case .refused: "refused"
            case .failed: "failed"
            }
        }

        /// The reason, where the outcome has one.
        public var reason: String? {
            switch self {
            case .succeeded: nil
            case .refused(let reason), .failed(let reason): reason
            }
        }

        /// The outcome with that code and reason; nil for a word that is none of ours.
        public init?(code: String, reason: String?) {
            switch code {
            case "succeeded": self = .succeeded
            case "refused": self = .refused(reason: reason ?? "")
            case "failed": self = .failed(reason: reason ?? "")
            default: return nil
            }
        }
    }

    /// Names the step, once and for all.
    public var id: DecisionID
    /// What kind of step it was.
    public var kind: Kind
    /// The client, where one took part.
    public var clientID: ClientID?
    /// The person or system that logged in or was to.
    public var subject: SubjectID?
    /// Who wanted a change that is about somebody else: an operator's account name, `local` or `configuration`.
    public var actor: String?
    /// The FHIR identity of the user, such as `Practitioner/x`.
    public var fhirUser: String?
    /// The patient whose data the step is about.
    public var patient: String?
    /// The grant that the step made, used or ended.
    public var grantID: GrantID?
    /// The id of the token that was issued or ended; never the token.
    public var tokenID: TokenID?
    /// The scopes asked for, granted or revoked, as the step means it.
    public var scopes: [String]
    /// The program of the client's approval.
    public var program: String?
    /// The organisation for which the client acts.
    public var organization: String?
    /// Why: codes of HL7 v3 ActReason, as the client is registered with or as its program stands for.
    public var purposeOfUse: [String]
    /// The rule of law on which what the client may do rests.
    public var legalBasis: String?
    /// Under whose obligation to report the step counts: a contract, a state, an issuer, a plan.
    public var reportingEntity: String?
    /// The legal hold that the step placed or lifted.
    public var hold: LegalHoldTerms?
    /// How the step ended.
    public var outcome: Outcome
    /// Anything else worth knowing, without secrets.
    public var detail: String?
    /// Where the request came from.
    public var sourceAddress: String?
    /// Milliseconds since 1970 UTC.
    public var at: Int64
    /// The trace that the request belongs to.
    public var traceID: String?

    /// A record of a step; what took no part stays nil.
    public init(
        id: DecisionID, kind: Kind, clientID: ClientID? = nil, subject: SubjectID? = nil, actor: String? = nil,
        fhirUser: String? = nil, patient: String? = nil, grantID: GrantID? = nil, tokenID: TokenID? = nil,
        scopes: [String] = [],
        program: String? = nil, outcome: Outcome, detail: String? = nil, sourceAddress: String? = nil, at: Int64,
        traceID: String? = nil, organization: String? = nil, purposeOfUse: [String] = [], legalBasis: String? = nil,
        reportingEntity: String? = nil
    ) {
        self.id = id
        self.kind = kind
        self.clientID = clientID
        self.subject = subject
        self.actor = actor
        self.fhirUser = fhirUser
        self.patient = patient
        self.grantID = grantID
        self.tokenID = tokenID
        self.scopes = scopes
        self.program = program
        self.outcome = outcome
        self.detail = detail
        self.sourceAddress = sourceAddress
        self.at = at
        self.traceID = traceID
        self.organization = organization
        self.purposeOfUse = purposeOfUse
        self.legalBasis = legalBasis
        self.reportingEntity = reportingEntity
    }
}
