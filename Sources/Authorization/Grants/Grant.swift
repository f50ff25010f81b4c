public import AccessPolicy
public import OAuthCore

/// What was authorized: by whom, for which client, on which patient, with which scopes. Tokens name it in `grant`,
/// and revoking it ends them all. Launch context lives here and nowhere else.
public struct Grant: Hashable, Sendable {
    public let id: GrantID
    public let clientID: ClientID
    /// The person who allowed it; nil for a backend service, which acts for itself.
    public let subject: SubjectID?
    /// The granted scopes, already narrowed by the person and by the client's ceiling.
    public let scopes: ScopeSet
    public let launch: LaunchContext
    public let program: APIProgram
    /// The base of the protected FHIR server for which the grant holds: the `aud` of its tokens.
    public let fhirBase: String
    /// The `nonce` of the authorization request, returned in the id_token.
    public let nonce: String?
    public let authenticatedAt: Int64?
    /// How the person proved who they are; nil for a backend service.
    public let authentication: AuthenticationContext?
    /// Whether the app asked for two factors with the request that led here (`acr_values`). It is held to at each use.
    public let needsSecondFactor: Bool
    public let createdAt: Int64
    /// When the grant ends by itself; nil while refresh tokens may keep it alive.
    public let expiresAt: Int64?
    /// When and why it was revoked; nil while it holds.
    public var revocation: GrantRevocation?
    /// Whether all of what was stored could be read. What could not be gives nothing, and can still be ended.
    public var isReadable = true

    /// How long a person's grant that has ended is kept, in seconds; the audit log tells of it for longer.
    public static let retention: Int64 = 90 * 86_400

    public init(
        id: GrantID, clientID: ClientID, subject: SubjectID?, scopes: ScopeSet, launch: LaunchContext,
        program: APIProgram, fhirBase: String, nonce: String?, authenticatedAt: Int64?,
        authentication: AuthenticationContext? = nil, needsSecondFactor: Bool = false, createdAt: Int64,
        expiresAt: Int64? = nil,
        revocation: GrantRevocation? = nil
    ) {
        self.id = id
        self.clientID = clientID
        self.subject = subject
        self.scopes = scopes
        self.launch = launch
        self.program = program
        self.fhirBase = fhirBase
        self.nonce = nonce
        self.authenticatedAt = authenticatedAt
        self.authentication = authentication
        self.needsSecondFactor = needsSecondFactor
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revocation = revocation
    }

    /// Whether tokens may be made from the grant at `now`.
    public func isAlive(at now: Int64) -> Bool {
        isReadable && revocation == nil && expiresAt.map { now < $0 } ?? true
    }
}

/// That a grant was ended, when and why.
public struct GrantRevocation: Hashable, Sendable {
    public let at: Int64
    public let reason: RevocationReason
    public init(at: Int64, reason: RevocationReason) {
        self.at = at
        self.reason = reason
    }
}

/// Why a grant, a client's access or a person's access was ended.
public enum RevocationReason: String, CaseIterable, Hashable, Sendable {
    /// An authorization code was presented a second time (RFC 6749 §4.1.2).
    case codeReplay = "code-replay"
    /// A rotated refresh token was presented again outside the grace window.
    case refreshReuse = "refresh-reuse"
    /// The client asked (RFC 7009).
    case client
    /// The person asked.
    case person
    /// An operator ended it.
    case administrator
    /// The directory no longer lets the person act for the patient.
    case memberChanged = "member-changed"
    /// The account was disabled.
    case accountDisabled = "account-disabled"
    /// The client was suspended or retired.
    case clientSuspended = "client-suspended"
}

/// An authorization code as it is kept: under its hash, bound to everything that must match when it comes back.
public struct CodeRecord: Hashable, Sendable {
    public let hash: SecretHash
    public let grantID: GrantID
    public let clientID: ClientID
    public let redirectURI: String
    /// The PKCE challenge; nil only for clients whose profile knows none.
    public let challenge: CodeChallenge?
    public let expiresAt: Int64
    /// The browser session in which the person allowed it; access that lasts only while the person is there ends with it.
    public let session: SessionID?
    /// The thumbprint of the key of which the redemption must carry a proof (RFC 9449 §10); nil for a code bound to none.
    public let proofKey: String?
    public var state: State

    /// What has become of a code.
    public enum State: Hashable, Sendable {
        case fresh
        case redeemed(at: Int64)
        /// Spoilt by a wrong verifier; nobody can redeem it.
        case burned(at: Int64)
    }

    public init(
        hash: SecretHash, grantID: GrantID, clientID: ClientID, redirectURI: String, challenge: CodeChallenge?,
        expiresAt: Int64, session: SessionID? = nil, proofKey: String?, state: State = .fresh
    ) {
        self.proofKey = proofKey
        self.hash = hash
        self.grantID = grantID
        self.clientID = clientID
        self.redirectURI = redirectURI
        self.challenge = challenge
        self.expiresAt = expiresAt
        self.session = session
        self.state = state
    }
}
