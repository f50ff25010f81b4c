public import Audit
internal import Synchronization

/// How much people and programs that have proved nothing may make this server write (decision 15).
///
/// A bucket for launches begun by one source, each of which is a row for half an hour, and a ledger of refusals, each of
/// which is an audit row for ever. What is beyond is answered as too much, and summed up for a record of its own. In
/// memory, because a count in the database would be the very write that is to be saved; a restart fills the buckets. A
/// class because all endpoints share it; the lock is `sources`.
final class StepBudget: Sendable {
    private let limits: BudgetLimits
    private let sources = Mutex(SourceBuckets())
    /// The refusals of requests that proved nothing.
    let refusals: RefusalLedger

    init(_ limits: BudgetLimits) {
        self.limits = limits
        refusals = RefusalLedger(limits.refusals)
    }

    /// Whether a source may begin a launch.
    func mayBegin(from address: String, at now: Int64) -> Bool {
        sources.withLock { $0.take(from: address, limits.launches, at: now) }
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
