public import AccessPolicy
public import OAuthCore

/// The name under which a browser session is kept: the hash of the value in the cookie.
public struct SessionID: Hashable, Sendable {
    public let hash: SecretHash
    public init(hash: SecretHash) { self.hash = hash }
    /// The id of the session whose cookie value was presented.
    public init(presented: Secret) { hash = SecretHash(of: presented) }
}

/// One browser's visit. It says who signed in and when, and nothing about any launch: launch context hangs on the
/// grant, so two apps or two tabs in one browser cannot bleed into each other.
public struct BrowserSession: Hashable, Sendable {
    public let id: SessionID
    /// Who signed in, and when; nil before login.
    public let signIn: SignIn?
    /// Who has proved their password and must still prove a second factor. Nobody is signed in by it.
    public let pending: SignIn?
    public let createdAt: Int64
    public let expiresAt: Int64
    public var lastSeenAt: Int64

    /// The fact of a login.
    public struct SignIn: Hashable, Sendable {
        /// Stands where it is not known when the person signed in; no demand of a recent sign-in is met by it.
        public static let unknownMoment: Int64 = 0

        public let subject: SubjectID
        public let authenticatedAt: Int64
        /// How the person proved who they are.
        public let authentication: AuthenticationContext
        public init(
            subject: SubjectID, authenticatedAt: Int64, authentication: AuthenticationContext = .password
        ) {
            self.subject = subject
            self.authenticatedAt = authenticatedAt
            self.authentication = authentication
        }
    }

    public init(
        id: SessionID, signIn: SignIn?, pending: SignIn? = nil, createdAt: Int64, expiresAt: Int64, lastSeenAt: Int64
    ) {
        self.id = id
        self.signIn = signIn
        self.pending = pending
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.lastSeenAt = lastSeenAt
    }

    /// When the person began it: their sign-in, or where nobody knows when that was, the session itself.
    public var begunAt: Int64 {
        guard let moment = signIn?.authenticatedAt, moment != SignIn.unknownMoment else { return createdAt }
        return moment
    }

    /// Whether the session may still be used at `now`, given how long it may lie idle.
    public func isLive(at now: Int64, idleLimit: Int64) -> Bool {
        now < expiresAt && now - lastSeenAt < idleLimit
    }
}
