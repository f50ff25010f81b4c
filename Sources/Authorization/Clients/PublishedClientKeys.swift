public import AccessPolicy
public import OAuthCore
internal import Synchronization

/// The keys that clients publish instead of registering them (`jwks_uri`), fetched guarded and kept with bounds.
///
/// A key set is fetched when it is needed, again when its age says so or a client names a key that is not in it, and
/// never more than once in a period for a client, whatever is sent here in its name. When it cannot be fetched
/// any more, the last good one counts for a bounded time and then nothing does. A class because all requests share the
/// keys; the lock is `state`.
public final class PublishedClientKeys: Sendable {
    /// How long published keys are used, in seconds.
    public struct Periods: Hashable, Sendable {
        /// The shortest time between two fetches for one client, and the least age at which keys are fetched again,
        /// whatever their `Cache-Control` says.
        public var attempt: Int64 = 10
        /// The age at which keys are fetched again at the latest (SMART 2.2: a cached set may not outlive its header).
        public var freshness: Int64 = 900
        /// How much longer than fresh the last good keys count while the address does not answer.
        public var grace: Int64 = 900

        public init() {}
    }

    /// Why there are no keys.
    public enum Failure: Error, Hashable, Sendable {
        case fetching(OutboundFailure)
        case reading(JOSEError)
        /// Private keys stand in the document: those with these thumbprints are lost.
        case exposed(Set<String>)
        /// The last attempt was too short a time ago.
        case tooSoon
    }

    private struct Place: Hashable {
        let client: ClientID
        let url: String
    }

    private struct Entry {
        var keys: JWKSet?
        var freshUntil = Int64.min
        var usableUntil = Int64.min
        var triedAt: Int64?
        var failure: Failure?
        var running: Task<Void, Never>?
        var lastUse = Int64.min
    }

    private let fetch: any OutboundFetching
    private let trust: @Sendable (ClientID, String) -> AddressTrust
    private let periods: Periods
    private let limit: Int
    private let clock: Clock
    private let state = Mutex<[Place: Entry]>([:])

    /// - Parameters:
    ///   - trust: whose word an address is: the operator's, or the client's own.
    ///   - limit: how many clients' keys are kept; the ones unused for longest make room.
    public init(
        fetch: any OutboundFetching, periods: Periods = Periods(), limit: Int = 10_000, clock: Clock = .system,
        trust: @escaping @Sendable (ClientID, String) -> AddressTrust = { _, _ in .client }
    ) {
        self.fetch = fetch
        self.trust = trust
        self.periods = periods
        self.limit = limit
        self.clock = clock
    }

    /// The keys of a client at its registered address, fetched again when none of those at hand is the wanted one.
    func keys(
        of client: ClientID, at url: String, holding isWanted: @Sendable (JWKSet) -> Bool
    ) async throws(Failure) -> JWKSet {
        let place = Place(client: client, url: url)
        let task = state.withLock { state -> Task<Void, Never>? in
            let now = clock.now()
            var entry = state[place] ?? Entry()
            entry.lastUse = now
            defer { state[place] = entry }
            if let keys = entry.keys, now < entry.freshUntil, isWanted(keys) { return nil }
            if let running = entry.running { return running }
            if let triedAt = entry.triedAt, now - triedAt < periods.attempt { return nil }
            entry.triedAt = now
            entry.failure = nil
            makeRoom(in: &state)
            let task = Task { await self.renew(place) }
            entry.running = task
            return task
        }
        await task?.value
        let result = state.withLock { state -> Result<JWKSet, Failure> in
            guard let entry = state[place] else { return .failure(.tooSoon) }
            guard let keys = entry.keys, clock.now() < entry.usableUntil else {
                return .failure(entry.failure ?? .tooSoon)
            }
            return .success(keys)
        }
        return try result.get()
    }

    private func makeRoom(in state: inout [Place: Entry]) {
        guard state.count >= limit else { return }
        let idle = state.filter { $0.value.running == nil }.min { $0.value.lastUse < $1.value.lastUse }
        if let idle { state[idle.key] = nil }
    }

    private func renew(_ place: Place) async {
        let result: Result<(JWKSet, Int64), Failure>
        do throws(Failure) { result = .success(try await load(place)) } catch { result = .failure(error) }
        state.withLock { state in
            var entry = state[place] ?? Entry()
            entry.running = nil
            switch result {
            case .success((let keys, let age)):
                let now = clock.now()
                entry.keys = keys
                entry.freshUntil = now + age
                entry.usableUntil = now + age + periods.grace
            case .failure(let failure):
                entry.failure = failure
                // who publishes a private key has lost it, and the keys of before are no better.
                if case .exposed = failure { entry.keys = nil }
            }
            state[place] = entry
        }
    }

    private func load(_ place: Place) async throws(Failure) -> (JWKSet, Int64) {
        let answer: OutboundAnswer
        do {
            answer = try await fetch.document(
                at: place.url, trust: trust(place.client, place.url), longestAnswer: JWKSet.maxBytes)
        } catch {
            throw .fetching(error)
        }
        let keys: JWKSet
        // whatever type is named, it must be the document.
        do throws(JOSEError) { keys = try JWKSet(parsing: answer.body, from: .fetched) } catch .privateKeyMaterial {
            throw .exposed(JWKSet.exposed(in: answer.body))
        } catch {
            throw .reading(error)
        }
        let stated = Self.maxAge(answer.cacheControl) ?? periods.freshness
        return (keys, min(max(stated, periods.attempt), periods.freshness))
    }

    /// The age in seconds that a `Cache-Control` allows (RFC 9111 §5.2.2); nil when it says nothing.
    static func maxAge(_ text: String?) -> Int64? {
        guard let text else { return nil }
        var age: Int64?
        for part in text.split(separator: ",") {
            let directive = part.trimmingPrefix(while: \.isWhitespace).lowercased()
            if directive.hasPrefix("no-store") || directive.hasPrefix("no-cache") { return 0 }
            guard directive.hasPrefix("max-age=") else { continue }
            let digits = directive.dropFirst(8).prefix { $0.isASCII && $0.isNumber }
            // The smallest of several, and what is too large to count is long.
            age = min(age ?? .max, Int64(digits) ?? (digits.isEmpty ? 0 : .max))
        }
        return age
    }
}
