public import AccessPolicy
public import Audit
public import OAuthCore

/// A login at an identity provider and the account here that it opens. The account has no password: nobody can sign in
/// to it in another way.
public struct ExternalLogin: Hashable, Sendable {
    /// The account, whose subject our tokens carry. Made for this login and never given to another one.
    public let account: SubjectID
    /// The login with its latest identifier.
    public let identity: ExternalIdentity
    public let createdAt: Int64
    public let lastLoginAt: Int64?
    /// When its link was undone; then it opens nothing until an administrator links it again.
    public let undoneAt: Int64?

    public init(
        account: SubjectID, identity: ExternalIdentity, createdAt: Int64, lastLoginAt: Int64? = nil,
        undoneAt: Int64? = nil
    ) {
        self.account = account
        self.identity = identity
        self.createdAt = createdAt
        self.lastLoginAt = lastLoginAt
        self.undoneAt = undoneAt
    }
}

/// Keeps which logins of identity providers are linked to whom.
///
/// Contract: a login is named by issuer and subject together, compared byte for byte, and has one account for good.
/// Undoing a link ends the account's grants, launches and sessions in the same transaction with the audit row, and it
/// stays undone until `restore`.
public protocol ExternalLoginStore: Sendable {
    func login(issuer: String, subject: String) async throws -> ExternalLogin?
    func login(of account: SubjectID) async throws -> ExternalLogin?
    /// All logins, the oldest first.
    func logins() async throws -> [ExternalLogin]
    /// Adds a login with its account and link; false when the login or the account is there already.
    func insert(
        _ login: ExternalLogin, account: UserAccount, link: MemberLink, record: AuthorizationRecord
    ) async throws -> Bool
    /// Notes a sign-in with the identifier that the provider told this time; false when the login is not there, another
    /// one, or undone.
    func note(_ identity: ExternalIdentity, of account: SubjectID, at now: Int64) async throws -> Bool
    /// Undoes the link; nil when it is undone already, or was never there.
    func undo(_ account: SubjectID, at now: Int64, record: AuthorizationRecord) async throws -> RevocationOutcome?
    /// Links the account of a login whose link has gone to somebody else, on a source's word; false when there is no such
    /// login, a link stands, or it was undone: an undoing outlasts what any source says, also one at the same moment.
    func relink(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool
    /// Links the account of a login, again or to somebody else, and lets it in; false when there is no such login or a
    /// link stands.
    func restore(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool
}

/// A browser on its way to an identity provider and back.
public struct PendingLogin: Hashable, Sendable {
    /// The hash of `state`.
    public let hash: SecretHash
    /// The browser session that set out.
    public let session: SessionID
    public let provider: String
    /// The handle of the launch, sealed so that only that browser can open it; nil for the account pages.
    public let sealedLaunch: String?
    /// How old a sign-in was asked for, in seconds.
    public let maxAge: Int64?
    public let expiresAt: Int64

    public init(
        hash: SecretHash, session: SessionID, provider: String, sealedLaunch: String?, maxAge: Int64?,
        expiresAt: Int64
    ) {
        self.hash = hash
        self.session = session
        self.provider = provider
        self.sealedLaunch = sealedLaunch
        self.maxAge = maxAge
        self.expiresAt = expiresAt
    }
}

/// How the person of a session was authenticated elsewhere.
public struct SessionAssurance: Hashable, Sendable {
    public let session: SessionID
    public let provider: String
    /// The provider's `acr`.
    public let context: String?
    /// The provider's `amr`.
    public let methods: [String]
    /// The provider's ID token, sealed so that only the session's browser can open it: the hint for signing out there.
    public let sealedHint: String?

    public init(
        session: SessionID, provider: String, context: String?, methods: [String] = [], sealedHint: String? = nil
    ) {
        self.session = session
        self.provider = provider
        self.context = context
        self.methods = methods
        self.sealedHint = sealedHint
    }
}

/// Keeps browsers on their way, and what providers said of the sign-ins that came back.
///
/// Contract: `take` is one conditional write, so that an answer is taken once. Both kinds go with their session.
public protocol PendingLoginStore: Sendable {
    func insert(_ pending: PendingLogin) async throws
    /// Takes what set out in this session for this provider and has not expired; nil otherwise, and nothing changed.
    func take(
        _ hash: SecretHash, session: SessionID, provider: String, at now: Int64
    ) async throws -> PendingLogin?
    /// Keeps what is known of a session's sign-in, in place of what was; nothing for a session that is gone.
    func keep(_ assurance: SessionAssurance) async throws
    func assurance(of session: SessionID) async throws -> SessionAssurance?
}
