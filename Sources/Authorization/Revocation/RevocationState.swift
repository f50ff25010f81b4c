public import AccessPolicy
internal import Synchronization

/// What is revoked, in memory, for the enforcer to ask on every request. A class because the authorization server writes
/// it and the enforcer reads it.
///
/// In this process a revocation holds from the moment in which `AccessRevoker.revoke` returns. Entries are forgotten
/// when no token that they concern can be alive any longer.
public final class RevocationState: Sendable {
    private struct State {
        var sequence: Int64 = 0
        var grants: [GrantID: Int64] = [:]
        var tokens: [TokenID: Int64] = [:]
        var clients: [ClientID: Int64] = [:]
        var users: [SubjectID: Int64] = [:]
    }

    private let state = Mutex(State())

    /// How long an entry matters: the longest life of an access token, and a minute for clocks.
    static let memory = ClientLifetimes.longestAccessToken + 60

    public init() {}

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
            return false
        }
    }

    /// Takes entries in; an entry twice does no harm.
    func apply(_ entries: [Revocation], at now: Int64) {
        state.withLock { state in
            for entry in entries {
                state.sequence = max(state.sequence, entry.sequence)
                guard now - entry.at <= Self.memory else { continue }
                switch entry.target {
                case .grant(let id): state.grants[id] = entry.at
                case .token(let id): state.tokens[id] = entry.at
                case .client(let id): state.clients[id] = max(entry.at, state.clients[id] ?? 0)
                case .user(let id): state.users[id] = max(entry.at, state.users[id] ?? 0)
                }
            }
        }
    }

    /// Forgets what concerns no living token.
    func forget(at now: Int64) {
        state.withLock { state in
            state.grants = state.grants.filter { now - $0.value <= Self.memory }
            state.tokens = state.tokens.filter { now - $0.value <= Self.memory }
            state.clients = state.clients.filter { now - $0.value <= Self.memory }
            state.users = state.users.filter { now - $0.value <= Self.memory }
        }
    }
}
