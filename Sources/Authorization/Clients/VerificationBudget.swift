internal import Synchronization

/// How many proofs that turn out to be none one source may have verified: a signature costs a hundred times what it costs
/// to send one, and a client's published keys may have to be fetched for it.
///
/// One is taken before anything is verified and given back when the proof was good, so that clients that prove who they
/// are never wait. In memory, because a count in the database would cost more than what it saves. A class because all
/// endpoints share it; the lock is `sources`.
final class VerificationBudget: Sendable {
    /// The most sources that are told apart; the others share one bucket.
    static let capacity = 10_000

    private let limit: BudgetLimits.Rate
    private let sources = Mutex<[String: StepBudget.Bucket]>([:])

    init(_ limit: BudgetLimits.Rate) { self.limit = limit }

    /// Whether a proof from an address may be verified.
    func take(from address: String, at now: Int64) -> Bool {
        sources.withLock { sources in
            if sources[address] == nil, sources.count >= Self.capacity {
                // A bucket that has had time to fill is as good as a new one.
                let age = Int64(limit.burst / limit.perSecond)
                sources = sources.filter { now - $0.value.filledAt < age }
            }
            return sources[key(address, sources), default: .init(tokens: limit.burst, filledAt: now)].take(
                limit, at: now)
        }
    }

    /// Gives one back: the proof was good.
    func giveBack(to address: String) {
        sources.withLock { sources in
            let key = key(address, sources)
            guard let bucket = sources[key] else { return }
            sources[key]?.tokens = min(limit.burst, bucket.tokens + 1)
        }
    }

    private func key(_ address: String, _ sources: [String: StepBudget.Bucket]) -> String {
        sources[address] == nil && sources.count >= Self.capacity ? "" : address
    }
}
