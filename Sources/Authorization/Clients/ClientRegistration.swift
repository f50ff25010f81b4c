public import AccessPolicy
public import OAuthCore

/// Where a registered client stands.
public enum ClientStatus: String, CaseIterable, Hashable, Sendable {
    /// Known, not yet approved: it gets nothing.
    case pending
    case active
    /// Cut for now; may be made active again.
    case suspended
    /// Ended for good; the id is never given to another client.
    case retired
}

/// The dialect of SMART that a client speaks. Weak ones are assigned by policy to named confidential clients until a
/// day; neither metadata nor a request chooses one (decision 20).
public enum ClientProfile: Hashable, Sendable {
    case smart22
    case smart20
    /// SMART 1.0, which knows no PKCE. After `until` (Unix seconds) the client is held to SMART 2.2.
    case smart10(until: Int64)

    /// How `fhirContext` is told to a client with this profile.
    public var contextForm: LaunchContextForm {
        switch self {
        case .smart22: .objects
        case .smart20: .references
        case .smart10: .absent
        }
    }

    /// Whether a code challenge is demanded of a client with this profile.
    func demandsProofKey(at now: Int64, isConfidential: Bool) -> Bool {
        switch self {
        case .smart22, .smart20: true
        case .smart10(let until): !isConfidential || now >= until
        }
    }
}

/// Which values of `aud` are accepted in a client's assertion.
public enum AssertionAudience: String, CaseIterable, Hashable, Sendable {
    /// The token endpoint (SMART 2.2) or the issuer, exactly one of them.
    case tokenEndpointOrIssuer = "token-endpoint-or-issuer"
    case tokenEndpoint = "token-endpoint"
    case issuer
}

/// A client as the registry knows it: what it is, how it proves itself, and the most that it may ever be granted.
public struct ClientRegistration: Hashable, Sendable {
    public let id: ClientID
    /// What the client was registered with, checked.
    public var metadata: ClientMetadata
    public var status: ClientStatus
    /// Whether the operator vouches for the app. Errors are not bounced to apps without it (RFC 9700 §4.11.2).
    public var isTrusted: Bool
    /// Its secrets, for `client_secret_basic` and `client_secret_post`: at most two, the newest first.
    public var secrets: [ClientSecret]
    /// The approved ceiling: what is granted is always a part of this.
    public var approvedScopes: ScopeSet
    public var profile: ClientProfile
    /// The CMS program under which the client acts. There is no default (decision 28).
    public var program: APIProgram
    public var assertionAudience: AssertionAudience
    public var lifetimes: ClientLifetimes
    /// Whether its access tokens are references to what is kept here; otherwise they are JWTs while those are short
    /// enough (decision 19).
    public var usesReferenceTokens: Bool
    /// The version of this registration; every change raises it by one.
    public var revision: Int
    /// When the exception ends by which `approvedScopes` may hold `system/*` or a wildcard that writes, in Unix seconds
    /// (decision 22); nil where there is none.
    public var wildcardsUntil: Int64?

    public init(
        id: ClientID, metadata: ClientMetadata, status: ClientStatus = .pending, isTrusted: Bool = false,
        secrets: [ClientSecret] = [], approvedScopes: ScopeSet, profile: ClientProfile = .smart22,
        program: APIProgram, assertionAudience: AssertionAudience = .tokenEndpointOrIssuer,
        lifetimes: ClientLifetimes = ClientLifetimes(), usesReferenceTokens: Bool = false, revision: Int = 1
    ) {
        self.id = id
        self.metadata = metadata
        self.status = status
        self.isTrusted = isTrusted
        self.secrets = Array(secrets.prefix(ClientSecret.most))
        self.approvedScopes = approvedScopes
        self.profile = profile
        self.program = program
        self.assertionAudience = assertionAudience
        self.lifetimes = lifetimes
        self.usesReferenceTokens = usesReferenceTokens
        self.revision = revision
    }

    /// The registration as it counts at a moment: without the wildcards whose exception is over.
    public func asOf(_ now: Int64) -> ClientRegistration {
        guard let wildcardsUntil, now >= wildcardsUntil else { return self }
        var result = self
        result.approvedScopes = ScopeSet(approvedScopes.scopes.filter { !$0.isRiskyWildcard })
        return result
    }

    /// The name shown to people.
    public var name: String { metadata.name }

    /// Whether the client can keep a credential (RFC 6749 §2.1).
    public var isConfidential: Bool { metadata.authenticationMethod.isConfidential }
}

/// How long what a client is given lasts, in seconds.
public struct ClientLifetimes: Hashable, Sendable {
    /// Access tokens of people: ten minutes unless told; never more than an hour.
    public let accessToken: Int64
    /// A refresh token ends when it is not used for this long. Certification asks for at least three months.
    public let refreshIdle: Int64
    /// A public client's refresh family ends after this, whatever its use. Confidential clients have no such end.
    public let refreshAbsolute: Int64

    /// No access token lives longer than this, whatever a registration says.
    public static let longestAccessToken: Int64 = 3600
    /// No access token of a backend service lives longer than this (SMART 2.2 backend-services).
    public static let longestBackendToken: Int64 = 300

    public init(
        accessToken: Int64 = 600, refreshIdle: Int64 = 100 * 86_400, refreshAbsolute: Int64 = 365 * 86_400
    ) {
        self.accessToken = min(max(accessToken, 1), Self.longestAccessToken)
        self.refreshIdle = max(refreshIdle, 1)
        self.refreshAbsolute = max(refreshAbsolute, 1)
    }
}
