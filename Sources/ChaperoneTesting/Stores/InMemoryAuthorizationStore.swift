public import AccessPolicy
public import Audit
public import Authorization
public import FHIRCore
public import OAuthCore
internal import Synchronization

/// Every authorization store in memory, under one lock, so that what the database does in one transaction is one step
/// here too. A class because the stores of one server share it.
public final class InMemoryAuthorizationStore: Sendable {
    struct State {
        var clients: [ClientID: ClientRegistration] = [:]
        var suspendedKeys: [ClientID: Set<String>] = [:]
        var suspendedKeyPlaces: [String: Set<String>] = [:]
        var users: [SubjectID: UserAccount] = [:]
        var links: [SubjectID: MemberLink] = [:]
        var applied: [SubjectID: AppliedConfiguration] = [:]
        var throttle: [ThrottleKey: ThrottleCount] = [:]
        var knownNetworks: [ThrottleKey: Int64] = [:]
        var secondFactors: [SubjectID: StoredSecondFactor] = [:]
        var sessions: [SessionID: BrowserSession] = [:]
        var launches: [SecretHash: EHRLaunch] = [:]
        var transactions: [TransactionID: AuthorizationTransaction] = [:]
        var grants: [GrantID: Grant] = [:]
        var codes: [SecretHash: CodeRecord] = [:]
        var families: [RefreshFamilyID: RefreshFamily] = [:]
        var revocations: [Revocation] = []
        var nextSequence: Int64 = 1
        var holds = AccessHolds(version: 0, targets: [])
        var pushed: [SecretHash: PushedRequest] = [:]
        var consents: [ConsentKey: RememberedConsent] = [:]
        var references: [SecretHash: ReferenceToken] = [:]
        var replays: [ReplayKey: Int64] = [:]
        var external: [SubjectID: ExternalLogin] = [:]
        var pendingLogins: [SecretHash: PendingLogin] = [:]
        var assurances: [SessionID: SessionAssurance] = [:]
        var exportJobs: [String: ExportJob] = [:]
        var keys: [StoredKey] = []
        /// Records of lockouts that begin if an attempt fails.
        var announced: [(record: AuthorizationRecord, at: Int64)] = []
        var outbox: [AuthorizationRecord] = []
        /// The number of the row before the first one of `outbox`.
        var outboxStart: Int64 = 0
    }

    struct ReplayKey: Hashable {
        let issuer: ClientID
        let jti: String
    }

    let state = Mutex(State())

    public init() {}

    /// This store as all the stores that a server needs.
    public var stores: AuthorizationStores {
        AuthorizationStores(
            clients: self, users: self, memberLinks: self, throttle: self, secondFactors: self, sessions: self,
            transactions: self,
            launches: self, grants: self, consents: self, codes: self, refreshTokens: self, revocations: self,
            referenceTokens: self, pushedRequests: self, replayCache: self, keys: self, exportJobs: self,
            externalLogins: self, pendingLogins: self, outbox: self, sweep: self)
    }
}

extension InMemoryAuthorizationStore: ClientStore {
    public func client(_ id: ClientID) async throws -> ClientRegistration? { state.withLock { $0.clients[id] } }

    public func clients() async throws -> [ClientRegistration] {
        state.withLock { $0.clients.values.sorted { $0.id.text < $1.id.text } }
    }

    public func insert(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.clients[client.id] == nil else { return false }
            state.clients[client.id] = client
            state.outbox.append(record)
            return true
        }
    }

    public func replace(_ client: ClientRegistration, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard let stored = state.clients[client.id], stored.revision == client.revision - 1,
                stored.status != .retired
            else { return false }
            state.clients[client.id] = client
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore {
    public func suspendKeys(
        _ thumbprints: Set<String>, of client: ClientID, publishedAt location: String, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            let known = state.suspendedKeys[client, default: []]
            let knownThere = state.suspendedKeyPlaces[location, default: []]
            guard !thumbprints.isSubset(of: known) || !thumbprints.isSubset(of: knownThere) else { return false }
            state.suspendedKeys[client] = known.union(thumbprints)
            state.suspendedKeyPlaces[location] = knownThere.union(thumbprints)
            state.outbox.append(record)
            return true
        }
    }

    public func suspendedKeys(of client: ClientID, publishedAt location: String?) async throws -> Set<String> {
        state.withLock { state in
            let there = location.flatMap { state.suspendedKeyPlaces[$0] } ?? []
            return state.suspendedKeys[client, default: []].union(there)
        }
    }
}

extension InMemoryAuthorizationStore: UserStore {
    public func user(named username: String) async throws -> UserAccount? {
        state.withLock { $0.users.values.first { $0.username.utf8.elementsEqual(username.utf8) } }
    }

    public func user(_ subject: SubjectID) async throws -> UserAccount? { state.withLock { $0.users[subject] } }

    public func users() async throws -> [UserAccount] {
        state.withLock { $0.users.values.sorted { $0.username < $1.username } }
    }

    public func insert(
        _ user: UserAccount, link: MemberLink?, applied: AppliedConfiguration?, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.users[user.subject] == nil,
                !state.users.values.contains(where: { $0.username.utf8.elementsEqual(user.username.utf8) })
            else { return false }
            state.users[user.subject] = user
            if let link { state.links[user.subject] = link }
            if let applied { state.applied[user.subject] = applied }
            state.outbox.append(record)
            return true
        }
    }

    public func setPassword(
        _ hash: PasswordHash, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.users[subject] != nil else { return false }
            state.users[subject]?.passwordHash = hash
            state.endSessions(of: subject)
            state.outbox.append(record)
            return true
        }
    }

    public func changePassword(
        to hash: PasswordHash, of subject: SubjectID, verified: PasswordHash, replacing old: SessionID,
        by new: BrowserSession, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard let account = state.users[subject], !account.isDisabled, account.passwordHash == verified,
                state.sessions[old]?.signIn?.subject == subject, new.signIn?.subject == subject,
                new.signIn?.authentication.hasLocalSecondFactor == true
                    || state.secondFactors[subject]?.factor.isConfirmed != true
            else { return false }
            state.users[subject]?.passwordHash = hash
            state.sessions[new.id] = new
            for (id, launch) in state.transactions where launch.session == old {
                state.transactions[id]?.move(to: new.id)
            }
            for (id, family) in state.families where family.session == old {
                state.families[id] = family.moved(to: new.id)
            }
            for (id, code) in state.codes where code.session == old && code.state == .fresh {
                state.codes[id] = code.moved(to: new.id)
            }
            state.endSessions { ($0.signIn ?? $0.pending)?.subject == subject && $0.id != new.id }
            state.outbox.append(record)
            return true
        }
    }

    public func setRoles(
        _ roles: Set<UserRole>, of subject: SubjectID, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.users[subject] != nil else { return false }
            state.users[subject]?.roles = roles
            state.endSessions(of: subject)
            state.outbox.append(record)
            return true
        }
    }

    public func enable(_ subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.users[subject]?.isDisabled == true else { return false }
            state.users[subject]?.isDisabled = false
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: MemberLinkStore {
    public func link(for subject: SubjectID) async throws -> MemberLink? { state.withLock { $0.links[subject] } }

    public func subjects(of user: InstanceKey) async throws -> [SubjectID] {
        state.withLock { state in
            Array(
                state.links.values.filter { $0.fhirUser == user }.map(\.subject).sorted { $0.text < $1.text }.prefix(2))
        }
    }

    public func insert(_ link: MemberLink, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.users[link.subject] != nil, state.links[link.subject] == nil else { return false }
            state.links[link.subject] = link
            state.outbox.append(record)
            return true
        }
    }

    public func remove(
        linkOf subject: SubjectID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        state.withLock { state in
            guard state.links.removeValue(forKey: subject) != nil else { return nil }
            state.endLaunches(of: subject)
            state.outbox.append(record)
            return RevocationOutcome(
                entries: state.endGrants(because: .memberChanged, at: now) { $0.subject == subject })
        }
    }
}

extension InMemoryAuthorizationStore: LoginThrottleStore {
    public func admit(
        _ attempts: [ThrottleKey: ThrottlePolicy], at now: Int64,
        announcing lockouts: [ThrottleKey: AuthorizationRecord]
    ) async throws -> ThrottleVerdict {
        state.withLock { state in
            let closed = attempts.keys.compactMap { state.throttle[$0] }.filter { !$0.isOpen(at: now) }
            if let until = closed.map(\.closedUntil).max() { return .closed(until: until) }
            let last = attempts.filter { state.throttle[$0.key, default: ThrottleCount()].count(by: $0.value, at: now) }
            for key in last.keys {
                if let record = lockouts[key] { state.announced.append((record, now)) }
            }
            return last.isEmpty ? .admitted : .last(under: Set(last.keys))
        }
    }

    public func giveBack(
        all cleared: [ThrottleKey], one forgiven: [ThrottleKey], withdrawing lockouts: [DecisionID]
    ) async throws {
        state.withLock { state in
            for key in cleared { state.throttle[key] = nil }
            for key in forgiven {
                state.throttle[key]?.forgive()
                if state.throttle[key]?.attempts == 0 { state.throttle[key] = nil }
            }
            state.announced.removeAll { lockouts.contains($0.record.id) }
        }
    }

    public func confirm(_ lockouts: [AuthorizationRecord]) async throws {
        state.withLock { state in
            for record in lockouts {
                guard let place = state.announced.firstIndex(where: { $0.record.id == record.id }) else { continue }
                state.announced.remove(at: place)
                state.outbox.append(record)
            }
        }
    }

    public func confirm(announcedBy time: Int64) async throws -> Int {
        state.withLock { state in
            let due = state.announced.filter { $0.at <= time }
            state.announced.removeAll { $0.at <= time }
            state.outbox += due.map { $0.record }
            return due.count
        }
    }

    public func remember(_ key: ThrottleKey, at now: Int64) async throws {
        state.withLock { $0.knownNetworks[key] = max($0.knownNetworks[key] ?? now, now) }
    }

    public func isRemembered(_ key: ThrottleKey, since: Int64) async throws -> Bool {
        state.withLock { state in state.knownNetworks[key].map { $0 >= since } ?? false }
    }
}

extension InMemoryAuthorizationStore: SessionStore {
    public func session(_ id: SessionID) async throws -> BrowserSession? { state.withLock { $0.sessions[id] } }

    public func sessions(of subject: SubjectID) async throws -> [BrowserSession] {
        state.withLock { state in
            state.sessions.values.filter { $0.signIn?.subject == subject }.sorted {
                ($0.signIn?.authenticatedAt ?? 0, $1.id.hash.text) > ($1.signIn?.authenticatedAt ?? 0, $0.id.hash.text)
            }
        }
    }

    public func insert(_ session: BrowserSession) async throws { state.withLock { $0.sessions[session.id] = session } }

    public func replace(
        _ old: SessionID?, by new: BrowserSession, verified: PasswordHash, record: AuthorizationRecord
    ) async throws -> SessionReplacement {
        state.withLock { state in
            if let old, state.sessions[old] == nil { return .sessionGone }
            guard let signIn = new.signIn ?? new.pending, let account = state.users[signIn.subject],
                !account.isDisabled, account.passwordHash == verified,
                state.external[signIn.subject]?.undoneAt == nil
            else { return .accountChanged }
            if let signIn = new.signIn, !signIn.authentication.hasLocalSecondFactor,
                state.secondFactors[signIn.subject]?.factor.isConfirmed == true
            {
                return .accountChanged
            }
            if let old { state.sessions[old] = nil }
            state.sessions[new.id] = new
            for (id, launch) in state.transactions where launch.session == old {
                if launch.followsLogin {
                    state.transactions[id]?.move(to: new.id)
                } else {
                    state.transactions[id] = nil
                }
            }
            state.outbox.append(record)
            return .replaced
        }
    }

    public func touch(_ id: SessionID, at now: Int64) async throws {
        state.withLock { state in
            guard let seen = state.sessions[id]?.lastSeenAt, seen < now else { return }
            state.sessions[id]?.lastSeenAt = now
        }
    }

    public func end(_ id: SessionID, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.sessions.removeValue(forKey: id) != nil else { return false }
            state.transactions = state.transactions.filter { $0.value.session != id }
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: LaunchStore {
    public func launch(_ hash: SecretHash) async throws -> EHRLaunch? { state.withLock { $0.launches[hash] } }

    public func insert(_ launch: EHRLaunch, record: AuthorizationRecord) async throws {
        state.withLock { state in
            state.launches[launch.hash] = launch
            state.outbox.append(record)
        }
    }

    public func begin(
        _ transaction: AuthorizationTransaction, using hash: SecretHash, at now: Int64, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard state.canUse(hash, at: now) else { return false }
            state.launches[hash]?.usedAt = now
            state.transactions[transaction.id] = transaction
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: TransactionStore {
    public func transaction(_ id: TransactionID) async throws -> AuthorizationTransaction? {
        state.withLock { $0.transactions[id] }
    }

    public func insert(_ transaction: AuthorizationTransaction) async throws {
        state.withLock { $0.transactions[transaction.id] = transaction }
    }

    public func update(_ transaction: AuthorizationTransaction, record: AuthorizationRecord?) async throws -> Bool {
        state.withLock { state in
            guard state.advance(transaction) else { return false }
            if let record { state.outbox.append(record) }
            return true
        }
    }
}

extension CodeRecord {
    /// The code when its person's session has another value.
    fileprivate func moved(to session: SessionID) -> CodeRecord {
        CodeRecord(
            hash: hash, grantID: grantID, clientID: clientID, redirectURI: redirectURI, challenge: challenge,
            expiresAt: expiresAt, session: session, proofKey: proofKey, state: state)
    }
}
