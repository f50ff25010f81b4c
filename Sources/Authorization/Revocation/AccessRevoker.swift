public import AccessPolicy
internal import Audit
internal import OAuthCore

/// Ends access: in the store, then in this process, then in the audit log. When `revoke` returns, no token that was
/// made before is accepted here any longer, and none is made (G-06).
///
/// What has begun is brought to its end whatever becomes of the request for it: a caller that goes away leaves nothing
/// ended in the store that is still accepted here.
public struct AccessRevoker: Sendable {
    let stores: AuthorizationStores
    let state: RevocationState
    let audit: AuditTrail
    let clock: Clock
    let random: RandomSource

    /// Ends a grant, a client's or a person's access, or one token; nil when that was done already. `actor` is who
    /// wanted it.
    public func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, by actor: String, from source: RequestSource
    ) async throws -> RevocationOutcome? {
        let maker = RecordMaker(clock: clock, random: random, source: source)
        let detail = reason.rawValue
        let record: AuthorizationRecord
        switch target {
        case .grant(let id):
            record = maker.record(.revoke, grant: try await stores.grants.grant(id), by: actor, detail: detail)
        case .client(let id): record = maker.record(.revoke, client: id, by: actor, detail: detail)
        case .user(let id): record = maker.record(.revoke, subject: id, by: actor, detail: detail)
        case .token(let id): record = maker.record(.revoke, token: id, by: actor, detail: detail)
        }
        return try await revoke(target, because: reason, record: record)
    }

    /// Undoes the link of an account to its FHIR identity, with the grants that rest on it (decision 23).
    public func unlink(
        _ subject: SubjectID, by actor: String, from source: RequestSource
    ) async throws -> RevocationOutcome? {
        let record = RecordMaker(clock: clock, random: random, source: source)
            .record(.userChanged, subject: subject, by: actor, detail: "link removed")
        return try await end { try await stores.memberLinks.remove(linkOf: subject, at: clock.now(), record: record) }
    }

    /// Undoes the link of a login at an identity provider, with the grants and sessions that rest on it. It stays undone
    /// until an administrator links it again.
    public func undoLogin(
        _ account: SubjectID, by actor: String, from source: RequestSource
    ) async throws -> RevocationOutcome? {
        let record = RecordMaker(clock: clock, random: random, source: source)
            .record(.userChanged, subject: account, by: actor, detail: "login unlinked")
        return try await end { try await stores.externalLogins.undo(account, at: clock.now(), record: record) }
    }

    func revoke(
        _ target: RevocationTarget, because reason: RevocationReason, record: AuthorizationRecord
    ) async throws -> RevocationOutcome? {
        try await end {
            try await stores.revocations.revoke(target, because: reason, at: clock.now(), record: record)
        }
    }

    /// Suspends a client whose grants stay: its access tokens end, and it gets no other ones until it is let in again. Nil
    /// when it was not active.
    func suspend(
        _ client: ClientID, by actor: String, detail: String, from source: RequestSource
    ) async throws -> RevocationOutcome? {
        let record = RecordMaker(clock: clock, random: random, source: source)
            .record(.revoke, client: client, by: actor, detail: detail)
        return try await end { try await stores.revocations.suspend(client, at: clock.now(), record: record) }
    }

    /// Makes a change of the store that ends access, and takes what it ended into memory and into the audit log. Nil when
    /// nothing was done; also then memory follows, for what ended the access before may not have reached it yet.
    func end(_ change: @escaping @Sendable () async throws -> RevocationOutcome?) async throws -> RevocationOutcome? {
        try await whole { () async throws -> RevocationOutcome? in
            let outcome: RevocationOutcome?
            do { outcome = try await change() } catch {
                // It may stand in the store all the same.
                state.doubt()
                try? await catchUp()
                throw error
            }
            // From here on it is refused, whatever becomes of reading it again.
            if let outcome { state.end(outcome.entries) }
            try await follow()
            return outcome
        }
    }

    /// Takes what was changed into memory, then into the audit log.
    private func follow() async throws {
        do { try await catchUp() } catch {
            state.doubt()
            throw error
        }
        try await audit.flush()
    }

    /// Does something that is not given up half-way when the caller's task is cancelled.
    private func whole<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
        try await Task { try await work() }.value
    }

    /// Whether clients and people that are cut off are held until they are let in again, known here or not: where tokens
    /// are somebody else's.
    public var keepsHolds: Bool { state.keepsHolds }

    /// Holds a client or a person as refused; false when they were held already.
    public func hold(
        _ target: RevocationTarget, because reason: RevocationReason, by actor: String, from source: RequestSource
    ) async throws -> Bool {
        let record = holdRecord(target, by: actor, detail: "held: \(reason.rawValue)", source)
        return try await end {
            try await stores.revocations.hold(target, because: reason, at: clock.now(), record: record)
                .map { RevocationOutcome(entries: [$0]) }
        } != nil
    }

    /// Lets a held client or person in again; false when they were not held. What was issued before they were cut off
    /// stays ended.
    public func release(_ target: RevocationTarget, by actor: String, from source: RequestSource) async throws -> Bool {
        let record = holdRecord(target, by: actor, detail: "let in again", source)
        return try await whole {
            let isReleased = try await stores.revocations.release(target, at: clock.now(), record: record)
            try await follow()
            return isReleased
        }
    }

    private func holdRecord(
        _ target: RevocationTarget, by actor: String, detail: String, _ source: RequestSource
    ) -> AuthorizationRecord {
        let maker = RecordMaker(clock: clock, random: random, source: source)
        switch target {
        case .client(let id): return maker.record(.revoke, client: id, by: actor, detail: detail)
        case .user(let id): return maker.record(.revoke, subject: id, by: actor, detail: detail)
        case .grant, .token: return maker.record(.revoke, by: actor, detail: detail)
        }
    }

    /// Takes into this process's memory every revocation that stands in the store.
    ///
    /// INVARIANT: the sequence of memory moves only here, by what was read in its order, so that its latest number means
    /// that all before it are there too.
    func catchUp() async throws {
        let doubts = state.doubts
        if keepsHolds { state.apply(try await stores.revocations.holds()) }
        state.apply(try await stores.revocations.revocations(after: state.sequence), at: clock.now())
        state.resolve(doubts)
    }
}
