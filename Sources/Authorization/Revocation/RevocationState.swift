public import AccessPolicy
internal import Synchronization

/// What is revoked, in memory, for the enforcer to ask on every request. A class because the authorization server writes
/// it and the enforcer reads it.
///
/// In this process a revocation holds from the moment in which `AccessRevoker.revoke` returns. Entries are forgotten
/// when no token that they concern can be alive any longer.
///
/// Where tokens are somebody else's, a cut-off by time is not enough: their issuer goes on making new ones. There clients
/// and people are held as refused until they are let in again, and entries matter for as long as such tokens may live.
public final class RevocationState: Sendable {
    private struct State {
        var sequence: Int64 = 0
        var grants: [GrantID: Int64] = [:]
        var tokens: [TokenID: Int64] = [:]
        var clients: [ClientID: Int64] = [:]
        var users: [SubjectID: Int64] = [:]
        var holds = AccessHolds(version: 0, targets: [])
    }

    private let state = Mutex(State())

    /// How long an entry matters: the longest life of an access token, and a minute for clocks.
    let memory: Int64
    /// Whether clients and people are held until they are let in again.
    public let keepsHolds: Bool

    /// - Parameter foreignLife: the longest that a token of somebody else's issuer may live, in seconds, with what clocks
    ///   may differ; nil where tokens are our own.
    public init(foreignLife: Int64? = nil) {
        keepsHolds = foreignLife != nil
        memory = foreignLife ?? ClientLifetimes.longestAccessToken + 60
    }

    /// The number of the latest revocation that was taken in.
    public var sequence: Int64 { state.withLock { $0.sequence } }

    /// Whether this access must be refused: its grant or token was revoked, or it was issued no later than its client or
    /// person was cut off.
    public func refuses(_ access: GrantedAccess) -> Bool {
        state.withLock { state in
            // Mostly nothing is revoked, and then no key is hashed.
            if !state.grants.isEmpty, state.grants[access.grantID] != nil { return true }
            if !state.tokens.isEmpty, state.tokens[access.tokenID] != nil { return true }
            if !state.clients.isEmpty, let cut = state.clients[access.clientID], access.issuedAt <= cut { return true }
            if !state.users.isEmpty, let subject = access.subject, let cut = state.users[subject],
                access.issuedAt <= cut
            {
                return true
            }
            guard !state.holds.targets.isEmpty else { return false }
            return state.holds.targets.contains(.client(access.clientID))
                || access.subject.map { state.holds.targets.contains(.user($0)) } ?? false
        }
    }

    /// Takes entries in; an entry twice does no harm.
    func apply(_ entries: [Revocation], at now: Int64) {
        state.withLock { state in
            for entry in entries {
                state.sequence = max(state.sequence, entry.sequence)
                guard now - entry.at <= memory else { continue }
                switch entry.target {
                case .grant(let id): state.grants[id] = entry.at
                case .token(let id): state.tokens[id] = entry.at
                case .client(let id): state.clients[id] = max(entry.at, state.clients[id] ?? 0)
                case .user(let id): state.users[id] = max(entry.at, state.users[id] ?? 0)
                }
            }
        }
    }

    /// Takes in who is held; an older reading changes nothing.
    func apply(_ holds: AccessHolds) {
        state.withLock { state in
            if holds.version >= state.holds.version { state.holds = holds }
        }
    }

    /// Forgets what concerns no living token.
    func forget(at now: Int64) {
        state.withLock { state in
            state.grants = state.grants.filter { now - $0.value <= memory }
            state.tokens = state.tokens.filter { now - $0.value <= memory }
            state.clients = state.clients.filter { now - $0.value <= memory }
            state.users = state.users.filter { now - $0.value <= memory }
        }
    }
}
