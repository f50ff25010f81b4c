internal import AccessPolicy
internal import Audit
internal import OAuthCore

/// How long signing keys live, in seconds.
public struct KeyLifetimes: Hashable, Sendable {
    /// How long a key signs before it is replaced.
    public var active: Int64 = 90 * 86_400
    /// How long its successor is published before it signs: longer than anybody caches our key set.
    public var announced: Int64 = 86_400
    /// How long a retired key still verifies: longer than any token lives.
    public var retiring: Int64 = ClientLifetimes.longestAccessToken + 3600

    public init() {}
}

/// Replaces the server's keys: in time, by themselves, or at once when one has leaked.
///
/// A key is announced, then active, then retiring, then gone. The root of refresh tokens is not replaced: every family
/// is derived from it, and a stolen family is ended by revocation.
public struct KeyKeeper: Sendable {
    /// The purposes whose keys are replaced.
    public static let purposes: [StoredKey.Purpose] = [.accessToken, .idToken, .pageLink]

    let store: any KeyStore
    let keys: ServerKeys
    let audit: AuditTrail
    let clock: Clock
    let random: RandomSource
    let lifetimes: KeyLifetimes

    /// Does what is due: announces, activates, removes. To be called every few minutes by every process; each step is one
    /// conditional write, so that two processes do it once. Answers what was done.
    public func advance() async throws -> [String] {
        let now = clock.now()
        var done: [String] = []
        for purpose in Self.purposes {
            let all = try await store.keys().filter { $0.purpose == purpose }
            if let active = all.first(where: { $0.standing == .active }) {
                let age = now - active.createdAt
                if let next = all.first(where: { $0.standing == .announced }) {
                    if now - next.createdAt >= lifetimes.announced, age >= lifetimes.active {
                        done += try await step("activated", next, by: "schedule") {
                            try await store.activate(next.id, at: now, record: $0)
                        }
                    }
                } else if age >= lifetimes.active - lifetimes.announced {
                    let next = try keys.make(purpose, random: random, at: now, isAnnounced: true)
                    done += try await step("announced", next, by: "schedule") {
                        try await store.announce(next, record: $0)
                    }
                }
            }
            for old in all {
                guard let retiredAt = old.retiredAt, now - retiredAt >= lifetimes.retiring else { continue }
                done += try await step("removed", old, by: "schedule") { try await store.remove(old.id, record: $0) }
            }
        }
        try await settle()
        return done
    }

    /// Replaces the key of a purpose now, without announcing. What the old one signed stays good while it retires.
    public func rotate(_ purpose: StoredKey.Purpose, by actor: String) async throws -> [String] {
        let next = try keys.make(purpose, random: random, at: clock.now(), isAnnounced: false)
        let done = try await step("rotated to", next, by: actor) {
            try await store.rotate(to: next, at: clock.now(), record: $0)
        }
        try await settle()
        return done
    }

    /// No new key took the place of one that has leaked.
    public struct NotReplaced: Error, CustomStringConvertible {
        let purpose: StoredKey.Purpose
        public var description: String { "the \(purpose.rawValue) key was not replaced" }
    }

    /// Replaces the key of a purpose because it has leaked: what it and its predecessors signed is worth nothing from the
    /// moment that this returns (T-39).
    ///
    /// - Throws: `NotReplaced` when the leaked key still signs.
    public func replaceLeaked(_ purpose: StoredKey.Purpose, by actor: String) async throws -> [String] {
        var done = try await rotate(purpose, by: actor)
        guard !done.isEmpty else { throw NotReplaced(purpose: purpose) }
        for old in try await store.keys() where old.purpose == purpose && old.standing != .active {
            done += try await step("removed as leaked", old, by: actor) { try await store.remove(old.id, record: $0) }
        }
        try await settle()
        return done
    }

    private func step(
        _ what: String, _ key: StoredKey, by actor: String, _ write: (AuthorizationRecord) async throws -> Bool
    ) async throws -> [String] {
        let text = "\(what) the \(key.purpose.rawValue) key \(key.id), by \(actor)"
        let record = RecordMaker(clock: clock, random: random, source: RequestSource(address: "local"))
            .record(.keyChanged, by: actor, detail: text)
        return try await write(record) ? [text] : []
    }

    private func settle() async throws {
        try await keys.reload()
        try await audit.flush()
    }
}
