internal import FHIRCore
public import OAuthCore
internal import Synchronization

/// The keys of somebody else's authorization server, fetched where it publishes them.
///
/// Fetched when they are needed, again when they are old or a token names a key that is not among them, and never more
/// than once in a period, whatever tokens come. When they cannot be renewed for too long they count for nothing.
/// A class because all requests share the keys; the lock is `state`.
public final class KeySetSource: Sendable {
    /// How long keys are used, in seconds.
    public struct Periods: Hashable, Sendable {
        /// Age at which they are fetched again.
        public var renewal: Int64 = 300
        /// Age at which they stop counting when they could not be fetched again.
        public var lifetime: Int64 = 3600
        /// The shortest time between two attempts.
        public var attempt: Int64 = 30

        /// The house's defaults.
        public init() {}
    }

    private struct State {
        var keys: JWKSet?
        var fetchedAt = Int64.min
        var triedAt = Int64.min
        var generation = 0
        var running: Task<Void, Never>?
    }

    private let periods: Periods
    private let fetch: @Sendable () async throws -> [UInt8]
    private let state = Mutex(State())

    /// - Parameter fetch: gets the document; it throws when it cannot, within a time that its owner sets.
    public init(periods: Periods = Periods(), fetch: @escaping @Sendable () async throws -> [UInt8]) {
        self.periods = periods
        self.fetch = fetch
    }

    /// The keys that count at a moment, and a number that changes whenever they do; nil when there are none.
    func keys(at now: Int64) -> (keys: JWKSet, generation: Int)? {
        state.withLock { state in
            guard let keys = state.keys, now - state.fetchedAt < periods.lifetime else { return nil }
            return (keys, state.generation)
        }
    }

    /// The keys that count at a moment; none when they could not be fetched for too long.
    public func currentKeys(at now: Int64) -> JWKSet { keys(at: now)?.keys ?? JWKSet([]) }

    /// Whether the keys should be fetched again, and may be.
    public func isOld(at now: Int64) -> Bool { wantsFetch(for: nil, at: now) }

    /// Whether a token that names this key should wait for a fetch, and one may be made.
    func wantsFetch(for keyID: String?, at now: Int64) -> Bool {
        state.withLock { state in
            let isKnown = keyID.map { id in state.keys?.keys.contains { $0.keyID == id } ?? false } ?? true
            let isFresh = state.keys != nil && now - state.fetchedAt < periods.renewal
            if isKnown && isFresh { return false }
            return state.running != nil || mayTry(state, at: now)
        }
    }

    private func mayTry(_ state: borrowing State, at now: Int64) -> Bool {
        state.triedAt == .min || now - state.triedAt >= periods.attempt
    }

    /// Fetches, or waits for the fetch that is under way.
    public func renew(at now: Int64) async {
        let task = state.withLock { state -> Task<Void, Never>? in
            if let running = state.running { return running }
            guard mayTry(state, at: now) else { return nil }
            state.triedAt = now
            let task = Task { await self.fetchOnce(at: now) }
            state.running = task
            return task
        }
        await task?.value
    }

    private func fetchOnce(at now: Int64) async {
        var fetched: JWKSet?
        // A document that cannot be had or read leaves the keys as they are, until their lifetime is over.
        if let bytes = try? await fetch(), let keys = try? JWKSet(parsing: bytes, from: .fetched), !keys.keys.isEmpty {
            fetched = keys
        }
        state.withLock { state in
            state.running = nil
            guard let fetched else { return }
            if fetched != state.keys { state.generation += 1 }
            state.keys = fetched
            state.fetchedAt = now
        }
    }
}
