internal import Synchronization

/// How many proofs that turn out to be none one source may have verified: a signature costs a hundred times what it costs
/// to send one, and a client's published keys may have to be fetched for it.
///
/// One is taken before anything is verified and given back when the proof was good, so that clients that prove who they
/// are never wait. In memory, because a count in the database would cost more than what it saves. A class because all
/// endpoints share it; the lock is `sources`.
final class VerificationBudget: Sendable {
    private let limit: BudgetLimits.Rate
    private let sources = Mutex(SourceBuckets())

    init(_ limit: BudgetLimits.Rate) { self.limit = limit }

    /// Whether a proof from an address may be verified.
    func take(from address: String, at now: Int64) -> Bool {
        sources.withLock { $0.take(from: address, limit, at: now) }
    }

    /// Gives one back: the proof was good.
    func giveBack(to address: String) { sources.withLock { $0.giveBack(to: address, limit) } }
}
