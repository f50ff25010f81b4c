/// Every store that the authorization server needs, from one engine.
public struct AuthorizationStores: Sendable {
    public internal(set) var clients: any ClientStore
    public let users: any UserStore
    public let memberLinks: any MemberLinkStore
    public let throttle: any LoginThrottleStore
    public let secondFactors: any SecondFactorStore
    public let sessions: any SessionStore
    public let transactions: any TransactionStore
    public let launches: any LaunchStore
    public let grants: any GrantStore
    public let consents: any ConsentStore
    public let codes: any CodeStore
    public let refreshTokens: any RefreshTokenStore
    public let revocations: any RevocationStore
    public let referenceTokens: any ReferenceTokenStore
    public let pushedRequests: any PushedRequestStore
    public let replayCache: any ReplayCache
    public let keys: any KeyStore
    public let externalLogins: any ExternalLoginStore
    public let pendingLogins: any PendingLoginStore
    public let exportJobs: any ExportJobStore
    public let outbox: any AuditOutbox
    public let sweep: any ExpirySweep

    public init(
        clients: any ClientStore, users: any UserStore, memberLinks: any MemberLinkStore,
        throttle: any LoginThrottleStore, secondFactors: any SecondFactorStore, sessions: any SessionStore,
        transactions: any TransactionStore,
        launches: any LaunchStore, grants: any GrantStore, consents: any ConsentStore, codes: any CodeStore,
        refreshTokens: any RefreshTokenStore,
        revocations: any RevocationStore, referenceTokens: any ReferenceTokenStore,
        pushedRequests: any PushedRequestStore,
        replayCache: any ReplayCache,
        keys: any KeyStore, exportJobs: any ExportJobStore,
        externalLogins: any ExternalLoginStore, pendingLogins: any PendingLoginStore,
        outbox: any AuditOutbox, sweep: any ExpirySweep
    ) {
        self.clients = clients
        self.users = users
        self.memberLinks = memberLinks
        self.throttle = throttle
        self.secondFactors = secondFactors
        self.sessions = sessions
        self.transactions = transactions
        self.launches = launches
        self.grants = grants
        self.consents = consents
        self.codes = codes
        self.refreshTokens = refreshTokens
        self.revocations = revocations
        self.referenceTokens = referenceTokens
        self.pushedRequests = pushedRequests
        self.replayCache = replayCache
        self.keys = keys
        self.externalLogins = externalLogins
        self.pendingLogins = pendingLogins
        self.exportJobs = exportJobs
        self.outbox = outbox
        self.sweep = sweep
    }
}

/// Removes what has expired and can never matter again, so that nothing grows for ever.
///
/// Contract: never removes an unacknowledged outbox row, a living grant, or a remembered assertion before its time.
public protocol ExpirySweep: Sendable {
    /// Removes expired sessions, launches of both kinds, codes, reference tokens, remembered assertions and throttle counts, grants of backend
    /// services that ended a day ago and of people that ended `Grant.retention` ago, and revocations older than a week (grants remember their own). Dates the end
    /// of grants by which nothing can be had any more. Answers how many rows went.
    func sweep(at now: Int64) async throws -> Int
}
