internal import AccessPolicy
public import FHIRCore
internal import OAuthCore
internal import Synchronization

/// What somebody else's authorization server says of tokens, asked by introspection (RFC 7662) and kept for a moment.
///
/// How long an answer is kept is how long a revoked token can live on here. A class because all requests share the
/// answers; the lock is `state`.
public final class IntrospectionSource: Sendable {
    private struct Known {
        let result: Result<GrantedAccess, TokenRefusal>
        /// Unix seconds.
        let until: Int64
    }

    /// Answers in two tables that take turns when the newer one is full.
    private struct Answers {
        private var newer: [[UInt8]: Known] = [:]
        private var older: [[UInt8]: Known] = [:]

        subscript(digest: [UInt8]) -> Known? { newer[digest] ?? older[digest] }

        mutating func keep(_ known: Known, for digest: [UInt8], limit: Int) {
            if newer.count >= limit / 2 {
                older = newer
                newer = [:]
            }
            older[digest] = nil
            newer[digest] = known
        }

        mutating func forget(_ digest: [UInt8]) {
            newer[digest] = nil
            older[digest] = nil
        }
    }

    private struct State {
        /// Of tokens that count.
        var active = Answers()
        /// Of all others, so that what somebody makes up drives out no answer about a token that counts.
        var refused = Answers()
        var running: [[UInt8]: Task<Void, Never>] = [:]
        /// Those under way about tokens that were not active lately.
        var strange: Set<[UInt8]> = []
    }

    private let keptSeconds: Int64
    /// For each kind of answer.
    private let limit: Int
    private let ask: @Sendable (String) async throws -> JSONValue
    private let state = Mutex(State())

    /// The most questions under way at a time; a token beyond them is refused for the moment.
    private static let mostRunning = 64
    /// The most of them about tokens that were not active lately: anybody can make up any number of such, and those
    /// that count have to be asked about again meanwhile.
    private static let mostStrange = 32

    /// - Parameters:
    ///   - keptSeconds: how long an answer counts; never beyond the token's end.
    ///   - limit: how many answers are kept at most.
    ///   - ask: puts the question for one token; it throws when there is no answer.
    public init(
        keptSeconds: Int64 = 10, limit: Int = 20_000, ask: @escaping @Sendable (String) async throws -> JSONValue
    ) {
        self.keptSeconds = max(0, keptSeconds)
        self.limit = max(2, limit / 2)
        self.ask = ask
    }

    /// What is known of a token now; nil when it has to be asked about.
    func known(_ digest: [UInt8], at now: Int64) -> Result<GrantedAccess, TokenRefusal>? {
        state.withLock { state in
            guard let known = state.active[digest] ?? state.refused[digest], now <= known.until else { return nil }
            return known.result
        }
    }

    /// Asks about a token, or waits for the answer to the same question.
    func learn(_ token: String, _ digest: [UInt8], _ mapping: ClaimMapping, at now: Int64) async {
        let task = state.withLock { state -> Task<Void, Never>? in
            if let running = state.running[digest] { return running }
            let isStrange = state.active[digest] == nil
            guard state.running.count < Self.mostRunning, !isStrange || state.strange.count < Self.mostStrange else {
                return nil
            }
            let task = Task { await self.askOnce(token, digest, mapping, at: now) }
            state.running[digest] = task
            if isStrange { state.strange.insert(digest) }
            return task
        }
        await task?.value
    }

    private func askOnce(_ token: String, _ digest: [UInt8], _ mapping: ClaimMapping, at now: Int64) async {
        var known: Known?
        if let answer = try? await ask(token) {
            let result = Self.read(answer, digest, mapping, at: now)
            var until = now + keptSeconds
            if case .success(let access) = result { until = min(until, access.expiresAt - 1) }
            known = Known(result: result, until: until)
        }
        state.withLock { state in
            state.running[digest] = nil
            state.strange.remove(digest)
            // No answer is remembered as none: the next request asks again, and this one is refused.
            guard let known else { return }
            switch known.result {
            case .success:
                state.refused.forget(digest)
                state.active.keep(known, for: digest, limit: limit)
            case .failure:
                state.active.forget(digest)
                state.refused.keep(known, for: digest, limit: limit)
            }
        }
    }

    private static func read(_ answer: JSONValue, _ digest: [UInt8], _ mapping: ClaimMapping, at now: Int64)
        -> Result<GrantedAccess, TokenRefusal>
    {
        do throws(JOSEError) {
            guard let access = try mapping.access(introspected: answer, digest: digest, now: now) else {
                return .failure(.revoked)
            }
            return .success(access)
        } catch {
            return .failure(TokenRefusal(error))
        }
    }
}
