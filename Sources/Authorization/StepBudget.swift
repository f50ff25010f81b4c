public import Audit
internal import Synchronization

/// How much people and programs that have proved nothing may make this server write (decision 15).
///
/// A bucket for launches begun by one source, each of which is a row for half an hour, and a ledger of refusals, each of
/// which is an audit row for ever. What is beyond is answered as too much, and summed up for a record of its own. In
/// memory, because a count in the database would be the very write that is to be saved; a restart fills the buckets. A
/// class because all endpoints share it; the lock is `state`.
final class StepBudget: Sendable {
    /// What a bucket holds, and how fast it fills.
    struct Bucket: Hashable {
        var tokens: Double
        var filledAt: Int64

        /// Takes one, if there is one.
        mutating func take(_ limit: BudgetLimits.Rate, at now: Int64) -> Bool {
            if now > filledAt {
                tokens = min(limit.burst, tokens + Double(now - filledAt) * limit.perSecond)
                filledAt = now
            }
            guard tokens >= 1 else { return false }
            tokens -= 1
            return true
        }
    }

    private struct State {
        var sources: [String: Bucket] = [:]
    }

    /// The most sources that are told apart; the others share one bucket.
    static let capacity = 10_000

    private let limits: BudgetLimits
    private let state = Mutex(State())
    /// The refusals of requests that proved nothing.
    let refusals: RefusalLedger

    init(_ limits: BudgetLimits) {
        self.limits = limits
        refusals = RefusalLedger(limits.refusals)
    }

    /// Whether a source may begin a launch.
    func mayBegin(from address: String, at now: Int64) -> Bool {
        let address = SourceNetwork.key(of: address)
        return state.withLock { state in
            let limit = limits.launches
            if state.sources[address] == nil, state.sources.count >= Self.capacity {
                // A bucket that has had time to fill is as good as a new one.
                let age = Int64(limit.burst / limit.perSecond)
                state.sources = state.sources.filter { now - $0.value.filledAt < age }
            }
            let key = state.sources[address] == nil && state.sources.count >= Self.capacity ? "" : address
            return state.sources[key, default: Bucket(tokens: limit.burst, filledAt: now)].take(limit, at: now)
        }
    }
}

/// The sizes of a budget.
public struct BudgetLimits: Hashable, Sendable {
    /// So many at once, and so many a second in the long run.
    public struct Rate: Hashable, Sendable {
        public let burst: Double
        public let perSecond: Double
        public init(burst: Double, perSecond: Double) {
            self.burst = max(burst, 1)
            self.perSecond = max(perSecond, 0.001)
        }
    }

    /// Launches begun from one network address.
    public var launches = Rate(burst: 300, perSecond: 10)
    /// Proofs from one network address that turned out to be none: assertions and certificates.
    public var verifications = Rate(burst: 200, perSecond: 20)
    /// Which refusals of requests that proved nothing are recorded one by one. Larger than where FHIR data is asked for:
    /// a hospital's people mistype their passwords behind one address, and each of that is worth a record.
    public var refusals = RefusalLedger.Limits(burst: 500, perSecond: 2, perSource: 200)

    public init() {}
}
