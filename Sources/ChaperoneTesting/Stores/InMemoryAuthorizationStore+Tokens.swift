public import AccessPolicy
public import Audit
public import Authorization
public import OAuthCore
internal import Synchronization

extension InMemoryAuthorizationStore: GrantStore {
    public func grant(_ id: GrantID) async throws -> Grant? { state.withLock { $0.grants[id] } }

    public func grants(matching filter: GrantFilter, limit: Int) async throws -> [Grant] {
        let all = state.withLock { state in
            state.grants.values.filter { grant in filter.livingAt.map { state.isLiving(grant, at: $0) } ?? true }
        }
        let matching = all.filter { grant in
            (filter.subject == nil || grant.subject == filter.subject)
                && (filter.clientID == nil || grant.clientID == filter.clientID)
                && (filter.patient == nil || grant.launch.patient == filter.patient)
                && (!filter.onlyActive || grant.revocation == nil)
                && (filter.after.map { (grant.createdAt, grant.id.text) < ($0.createdAt, $0.id.text) } ?? true)
        }
        return Array(matching.sorted { ($0.createdAt, $0.id.text) > ($1.createdAt, $1.id.text) }.prefix(limit))
    }

    public func footing(of id: GrantID) throws -> GrantFooting? {
        state.withLock { state in
            state.grants[id].map { grant in
                GrantFooting(
                    grant: grant, client: state.clients[grant.clientID],
                    account: grant.subject.flatMap { state.users[$0] },
                    person: grant.subject.flatMap { state.links[$0]?.fhirUser })
            }
        }
    }

    public func insert(_ grant: Grant, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.mayHold(grant) else { return false }
            state.grants[grant.id] = grant
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: CodeStore {
    public func code(_ hash: SecretHash) async throws -> CodeRecord? { state.withLock { $0.codes[hash] } }

    public func issue(
        _ code: CodeRecord, for grant: Grant, closing: AuthorizationTransaction, by consent: GivenConsent,
        using launch: LaunchUse?, record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            if case .recalled(let memory) = consent, state.consents[memory.key] != memory { return false }
            guard state.mayHold(grant), launch.map({ state.canUse($0.hash, at: grant.createdAt) }) ?? true,
                state.advance(closing)
            else { return false }
            if let launch {
                state.launches[launch.hash]?.usedAt = grant.createdAt
                state.outbox.append(launch.record)
            }
            state.grants[grant.id] = grant
            state.codes[code.hash] = code
            if case .asked(let memory?) = consent { state.consents[memory.key] = memory }
            state.outbox.append(record)
            return true
        }
    }

    public func redeem(
        _ hash: SecretHash, at now: Int64, opening family: RefreshFamily?, record: AuthorizationRecord
    ) async throws -> Redemption {
        state.withLock { state in
            guard let code = state.codes[hash], code.state == .fresh, now < code.expiresAt,
                state.mayGoOn(code.grantID, at: now)
            else { return .refused }
            state.codes[hash]?.state = .redeemed(at: now)
            if let family { state.families[family.id] = family.opened(in: code.session) }
            state.outbox.append(record)
            return .redeemed
        }
    }

    public func burn(_ hash: SecretHash, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.codes[hash]?.state == .fresh else { return false }
            state.codes[hash]?.state = .burned(at: now)
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: RefreshTokenStore {
    public func family(_ id: RefreshFamilyID) async throws -> RefreshFamily? { state.withLock { $0.families[id] } }

    public func rotate(
        _ id: RefreshFamilyID, from current: SecretHash, to successor: SecretHash, at now: Int64,
        record: AuthorizationRecord
    ) async throws -> Bool {
        state.withLock { state in
            guard var family = state.families[id], family.currentHash == current, family.isLive(at: now),
                state.mayGoOn(family.grantID, at: now), state.isThere(family.session, at: now)
            else { return false }
            family.generation += 1
            family.previousHash = current
            family.currentHash = successor
            family.rotatedAt = now
            family.isDelivered = false
            family.lastUsedAt = now
            state.families[id] = family
            state.outbox.append(record)
            return true
        }
    }

    public func deliver(_ id: RefreshFamilyID, _ current: SecretHash, at now: Int64) async throws {
        state.withLock { state in
            guard let family = state.families[id], family.currentHash == current, !family.isDelivered else { return }
            state.families[id]?.isDelivered = true
            state.families[id]?.rotatedAt = now
        }
    }

    public func use(_ id: RefreshFamilyID, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard let family = state.families[id], family.isLive(at: now), state.mayGoOn(family.grantID, at: now),
                state.isThere(family.session, at: now)
            else { return false }
            state.families[id]?.lastUsedAt = max(family.lastUsedAt, now)
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: RevocationStore {
    public func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        state.withLock { state in
            let entries: [Revocation]
            switch target {
            case .grant(let id):
                entries = state.endGrants(because: reason, at: now) { $0.id == id }
            case .client(let id):
                guard let status = state.clients[id]?.status else { return nil }
                let isSuspendedNow = status == .active || status == .pending
                let hasLeft =
                    state.consents.keys.contains { $0.clientID == id }
                    || state.grants.values.contains { $0.clientID == id && $0.revocation == nil }
                guard isSuspendedNow || hasLeft else { return nil }
                if isSuspendedNow {
                    state.clients[id]?.status = .suspended
                    state.clients[id]?.revision += 1
                }
                state.consents = state.consents.filter { $0.key.clientID != id }
                entries =
                    [state.revocation(of: target, because: reason, at: now)]
                    + state.endGrants(because: reason, at: now) { $0.clientID == id }
            case .user(let subject):
                guard state.users[subject]?.isDisabled == false else { return nil }
                state.users[subject]?.isDisabled = true
                state.endSessions(of: subject)
                state.consents = state.consents.filter { $0.key.subject != subject }
                entries =
                    [state.revocation(of: target, because: reason, at: now)]
                    + state.endGrants(because: reason, at: now) { $0.subject == subject }
            case .token:
                guard !state.revocations.contains(where: { $0.target == target }) else { return nil }
                entries = [state.revocation(of: target, because: reason, at: now)]
            }
            guard !entries.isEmpty else { return nil }
            state.outbox.append(record)
            return RevocationOutcome(entries: entries)
        }
    }

    public func suspend(
        _ client: ClientID, at now: Int64, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        state.withLock { state in
            guard state.clients[client]?.status == .active else { return nil }
            state.clients[client]?.status = .suspended
            state.clients[client]?.revision += 1
            state.outbox.append(record)
            let cut = max(now, state.latestToken(of: client))
            return RevocationOutcome(entries: [
                state.revocation(of: .client(client), because: .clientSuspended, at: cut)
            ])
        }
    }

    public func revocations(after sequence: Int64) async throws -> [Revocation] {
        state.withLock { $0.revocations.filter { $0.sequence > sequence } }
    }

    public func hold(
        _ target: RevocationTarget, because reason: RevocationReason, at now: Int64, record: AuthorizationRecord
    ) async throws -> Revocation? {
        state.withLock { state in
            guard target.canBeHeld, !state.holds.targets.contains(target) else { return nil }
            state.holds = AccessHolds(version: state.holds.version + 1, targets: state.holds.targets.union([target]))
            state.outbox.append(record)
            return state.revocation(of: target, because: reason, at: now)
        }
    }

    public func release(_ target: RevocationTarget, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard state.holds.targets.contains(target) else { return false }
            state.holds = AccessHolds(
                version: state.holds.version + 1, targets: state.holds.targets.subtracting([target]))
            state.outbox.append(record)
            return true
        }
    }

    public func holds() async throws -> AccessHolds { state.withLock { $0.holds } }
}

extension InMemoryAuthorizationStore: ConsentStore {
    public func remembered(_ key: ConsentKey) async throws -> RememberedConsent? { state.withLock { $0.consents[key] } }

    public func remember(_ consent: RememberedConsent) async throws {
        state.withLock { $0.consents[consent.key] = consent }
    }

    public func forget(_ subject: SubjectID, client: ClientID, record: AuthorizationRecord) async throws {
        state.withLock { state in
            let kept = state.consents.filter { $0.key.subject != subject || $0.key.clientID != client }
            if kept.count < state.consents.count { state.outbox.append(record) }
            state.consents = kept
        }
    }

    public func forgetAll(of subject: SubjectID, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            let kept = state.consents.filter { $0.key.subject != subject }
            guard kept.count < state.consents.count else { return false }
            state.consents = kept
            state.outbox.append(record)
            return true
        }
    }

    public func remembersAnything(of subject: SubjectID, at now: Int64) async throws -> Bool {
        state.withLock { $0.consents.values.contains { $0.key.subject == subject && now < $0.expiresAt } }
    }
}

extension InMemoryAuthorizationStore: PushedRequestStore {
    public func insert(_ request: PushedRequest) async throws {
        state.withLock { $0.pushed[request.hash] = request }
    }

    public func take(_ hash: SecretHash, by client: ClientID, at now: Int64) async throws -> PushedRequest? {
        state.withLock { state in
            guard let request = state.pushed[hash], request.clientID == client, now < request.expiresAt else {
                return nil
            }
            state.pushed[hash] = nil
            return request
        }
    }
}

extension InMemoryAuthorizationStore: ReferenceTokenStore {
    public func insert(_ token: ReferenceToken) async throws {
        state.withLock { $0.references[token.hash] = token }
    }

    public func referenceToken(_ hash: SecretHash) throws -> ReferenceToken? {
        state.withLock { $0.references[hash] }
    }
}

extension InMemoryAuthorizationStore: ReplayCache {
    public func remember(_ jti: String, of issuer: ClientID, until expiry: Int64) async throws -> Bool {
        state.withLock { state in
            let key = ReplayKey(issuer: issuer, jti: jti)
            guard state.replays[key] == nil else { return false }
            state.replays[key] = expiry
            return true
        }
    }
}

extension InMemoryAuthorizationStore: KeyStore {
    public func keys() async throws -> [StoredKey] { state.withLock { $0.keys } }

    public func insertFirst(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            let isTaken = state.keys.contains {
                $0.purpose == key.purpose && $0.retiredAt == nil && $0.isAnnounced == key.isAnnounced || $0.id == key.id
            }
            guard !isTaken else { return false }
            state.keys.append(key)
            state.outbox.append(record)
            return true
        }
    }

    public func announce(_ key: StoredKey, record: AuthorizationRecord) async throws -> Bool {
        guard key.isAnnounced else { return false }
        return try await insertFirst(key, record: record)
    }

    public func activate(_ id: String, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard let next = state.keys.first(where: { $0.id == id && $0.standing == .announced }) else { return false }
            state.keys = state.keys.map { old in
                guard old.purpose == next.purpose, old.retiredAt == nil else { return old }
                return StoredKey(
                    id: old.id, purpose: old.purpose, sealed: old.sealed, createdAt: old.createdAt,
                    retiredAt: old.id == id ? nil : now)
            }
            state.outbox.append(record)
            return true
        }
    }

    public func remove(_ id: String, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            let before = state.keys.count
            state.keys.removeAll { $0.id == id && $0.standing != .active }
            guard state.keys.count < before else { return false }
            state.outbox.append(record)
            return true
        }
    }

    public func reseal(_ id: String, from old: String, to new: String) async throws -> Bool {
        state.withLock { state in
            guard let place = state.keys.firstIndex(where: { $0.id == id && $0.sealed == old }) else { return false }
            let key = state.keys[place]
            state.keys[place] = StoredKey(
                id: key.id, purpose: key.purpose, sealed: new, createdAt: key.createdAt, isAnnounced: key.isAnnounced,
                retiredAt: key.retiredAt)
            return true
        }
    }

    public func rotate(to key: StoredKey, at now: Int64, record: AuthorizationRecord) async throws -> Bool {
        state.withLock { state in
            guard !state.keys.contains(where: { $0.id == key.id }) else { return false }
            state.keys = state.keys.map { old in
                guard old.purpose == key.purpose, old.standing == .active else { return old }
                return StoredKey(
                    id: old.id, purpose: old.purpose, sealed: old.sealed, createdAt: old.createdAt, retiredAt: now)
            }
            state.keys.append(key)
            state.outbox.append(record)
            return true
        }
    }
}

extension InMemoryAuthorizationStore: AuditOutbox {
    public func append(_ record: AuthorizationRecord) async throws { state.withLock { $0.outbox.append(record) } }

    public func newest() async throws -> Int64? {
        state.withLock { $0.outbox.isEmpty ? nil : $0.outboxStart + Int64($0.outbox.count) }
    }

    public func pending(through number: Int64, limit: Int) async throws -> [AuthorizationRecord] {
        state.withLock { state in
            let due = max(0, min(number - state.outboxStart, Int64(state.outbox.count)))
            return Array(state.outbox.prefix(Int(due)).prefix(limit))
        }
    }

    public func acknowledge(_ records: [DecisionID]) async throws {
        let ids = Set(records)
        state.withLock { state in
            let before = state.outbox.count
            state.outbox.removeAll { ids.contains($0.id) }
            // Rows go from the front, so that a row keeps its number.
            state.outboxStart += Int64(before - state.outbox.count)
        }
    }
}

extension InMemoryAuthorizationStore: ExpirySweep {
    public func sweep(at now: Int64) async throws -> Int {
        state.withLock { state in
            let before = state.size
            for (id, grant) in state.grants where grant.isAlive(at: now) && !state.isLiving(grant, at: now) {
                state.grants[id] = grant.ended(at: now)
            }
            // A code that nobody came for.
            for code in state.codes.values where now - code.expiresAt >= 86_400 {
                guard let grant = state.grants[code.grantID], grant.isAlive(at: now) else { continue }
                if case .redeemed = code.state { continue }
                state.grants[code.grantID] = grant.ended(at: now)
            }
            state.sessions = state.sessions.filter { now < $0.value.expiresAt }
            state.transactions = state.transactions.filter { now < $0.value.expiresAt }
            // A launch is remembered for a day, so that a replay is still known for one.
            state.launches = state.launches.filter { now - $0.value.expiresAt < 86_400 }
            // A code is remembered for a day after its end, so that a replay is still known for one.
            state.codes = state.codes.filter { now - $0.value.expiresAt < 86_400 }
            state.pendingLogins = state.pendingLogins.filter { now < $0.value.expiresAt }
            state.pushed = state.pushed.filter { now < $0.value.expiresAt }
            state.consents = state.consents.filter { now < $0.value.expiresAt }
            state.references = state.references.filter { now < $0.value.expiresAt }
            state.replays = state.replays.filter { now <= $0.value }
            state.throttle = state.throttle.filter { now - $0.value.countedAt < 86_400 }
            state.knownNetworks = state.knownNetworks.filter { now - $0.value < ThrottleKey.memory }
            state.grants = state.grants.filter { _, grant in
                let kept: Int64 = grant.subject == nil ? 86_400 : Grant.retention
                if grant.subject != nil, let at = grant.revocation?.at, now - at >= kept { return false }
                return grant.expiresAt.map { now - $0 < kept } ?? true
            }
            // The feed is for enforcers that were away for a while; the grants themselves remember for good.
            state.revocations = state.revocations.filter { now - $0.at < 7 * 86_400 }
            return before - state.size
        }
    }
}

extension InMemoryAuthorizationStore.State {
    var size: Int {
        sessions.count + pushed.count + consents.count + references.count + launches.count + transactions.count
            + codes.count
            + replays.count + throttle.count + grants.count
            + revocations.count
    }

    /// Whether a grant can still give something.
    func isLiving(_ grant: Grant, at now: Int64) -> Bool {
        grant.revocation == nil && grant.expiresAt.map { now < $0 } ?? true
            && !families.values.contains { family in
                guard family.grantID == grant.id, now - family.lastUsedAt >= ClientLifetimes.longestAccessToken else {
                    return false
                }
                let isGone = family.session.map { id in sessions[id].map { now >= $0.expiresAt } ?? true } ?? false
                return isGone || family.lastUsedAt + family.idleLimit <= now
            }
    }

    /// Whether client and person of a new grant may have it.
    func mayHold(_ grant: Grant) -> Bool {
        guard clients[grant.clientID]?.status == .active, grants[grant.id] == nil else { return false }
        return grant.subject.map { users[$0]?.isDisabled == false && external[$0]?.undoneAt == nil } ?? true
    }

    /// Whether tokens may be made from a grant.
    func mayGoOn(_ id: GrantID, at now: Int64) -> Bool {
        guard let grant = grants[id], grant.isAlive(at: now) else { return false }
        return clients[grant.clientID]?.status == .active
    }

    /// Whether the session by which a family lives is there; also for one that lives by none.
    func isThere(_ session: SessionID?, at now: Int64) -> Bool {
        session.map { id in sessions[id].map { now < $0.expiresAt } ?? false } ?? true
    }

    /// When the latest token of a client was made; 0 when none was.
    func latestToken(of client: ClientID) -> Int64 {
        let redeemed = codes.values.compactMap { code -> Int64? in
            guard code.clientID == client, case .redeemed(let at) = code.state else { return nil }
            return at
        }
        let made = grants.values.filter { $0.clientID == client }.map(\.createdAt)
        let used = families.values.filter { $0.clientID == client }.map(\.lastUsedAt)
        return (redeemed + made + used).max() ?? 0
    }

    mutating func advance(_ transaction: AuthorizationTransaction) -> Bool {
        guard let stored = transactions[transaction.id], stored.revision == transaction.revision - 1 else {
            return false
        }
        transactions[transaction.id] = transaction
        return true
    }

    mutating func endSessions(of subject: SubjectID) {
        endSessions { ($0.signIn ?? $0.pending)?.subject == subject }
    }

    mutating func endSessions(where matches: (BrowserSession) -> Bool) {
        let ended = Set(sessions.values.filter(matches).map(\.id))
        transactions = transactions.filter { !ended.contains($0.value.session) }
        sessions = sessions.filter { !ended.contains($0.key) }
    }

    mutating func endLaunches(of subject: SubjectID) {
        let own = Set(sessions.values.filter { $0.signIn?.subject == subject }.map(\.id))
        transactions = transactions.filter { !own.contains($0.value.session) }
    }

    mutating func revocation(
        of target: RevocationTarget, because reason: RevocationReason, at now: Int64
    ) -> Revocation {
        let entry = Revocation(
            sequence: nextSequence, target: target, at: now, reason: reason)
        revocations.append(entry)
        nextSequence += 1
        return entry
    }

    /// Whether an EHR's launch is there, unused and unexpired.
    func canUse(_ hash: SecretHash, at now: Int64) -> Bool {
        launches[hash].map { $0.usedAt == nil && now < $0.expiresAt } ?? false
    }

    mutating func endGrants(
        because reason: RevocationReason, at now: Int64, where matches: (Grant) -> Bool
    ) -> [Revocation] {
        let ended = grants.values.filter { $0.revocation == nil && matches($0) }.map(\.id)
            .sorted { $0.text < $1.text }
        return ended.map { id in
            if let grant = grants[id] {
                consents = consents.filter { $0.key.subject != grant.subject || $0.key.clientID != grant.clientID }
            }
            grants[id]?.revocation = GrantRevocation(at: now, reason: reason)
            return revocation(of: .grant(id), because: reason, at: now)
        }
    }
}

extension Grant {
    /// The grant with an end.
    fileprivate func ended(at now: Int64) -> Grant {
        Grant(
            id: id, clientID: clientID, subject: subject, scopes: scopes, launch: launch, program: program,
            fhirBase: fhirBase, nonce: nonce, authenticatedAt: authenticatedAt, authentication: authentication,
            createdAt: createdAt, expiresAt: now, revocation: revocation)
    }
}
