public import AccessPolicy
internal import Synchronization

/// What is revoked, in memory, for the enforcer to ask on every request. A class because the authorization server writes
/// it and the enforcer reads it.
///
/// In this process a revocation holds from the moment in which `AccessRevoker.revoke` returns. Entries are forgotten
/// when no token that they concern can be alive any longer. While it is not known what a change of the store has ended,
/// everything is refused.
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
        /// How many changes of the store had an unknown outcome, and how many of them have been looked up since.
        var doubts = 0
        var resolvedDoubts = 0

        mutating func end(_ entry: Revocation) {
            switch entry.target {
            case .grant(let id): grants[id] = entry.at
            case .token(let id): tokens[id] = entry.at
            case .client(let id): clients[id] = max(entry.at, clients[id] ?? 0)
            case .user(let id): users[id] = max(entry.at, users[id] ?? 0)
            }
        }
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

    /// Whether this access must be refused: its grant or token was revoked, it was issued no later than its client or
    /// person was cut off, or what is revoked is not known.
    public func refuses(_ access: GrantedAccess) -> Bool {
        state.withLock { state in
            if state.doubts > state.resolvedDoubts { return true }
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
                state.end(entry)
            }
        }
    }

    /// Refuses what was just ended, before it is read from the store again. The sequence does not move: whether all
    /// before these entries are there is not known here.
    func end(_ entries: [Revocation]) {
        state.withLock { state in
            for entry in entries { state.end(entry) }
        }
    }

    /// Whether it is not known what a change of the store has ended, so that everything is refused.
    public var isUncertain: Bool { state.withLock { $0.doubts > $0.resolvedDoubts } }

    /// Notes that it is not known what a change of the store has ended.
    func doubt() { state.withLock { $0.doubts += 1 } }

    /// How many doubts there have been; to be taken before the store is read, for `resolve`.
    var doubts: Int { state.withLock { $0.doubts } }

    /// Notes that the store was read after so many doubts.
    func resolve(_ doubts: Int) { state.withLock { $0.resolvedDoubts = max($0.resolvedDoubts, doubts) } }

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
