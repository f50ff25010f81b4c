internal import Synchronization

/// Decides which refusals of requests that proved nothing are recorded one by one, and sums up the others, so that
/// nobody can fill the disk (decision 15).
///
/// The first ones of every network are recorded, as far as the budget over all networks reaches; the others become one
/// record for each network and interval, and networks beyond the few that are told apart share one. So what a flood can
/// write is bounded by `Limits.recordsPerDay`, whatever it sends and from wherever. What is not written yet is in memory:
/// a crash loses at most one interval of counts of answers that held no data.
///
/// A class because all connections share it; the lock is `state`.
public final class RefusalLedger: Sendable {
    /// The sizes of a ledger.
    public struct Limits: Hashable, Sendable {
        /// Refusals recorded one by one over all networks: so many at once …
        public var burst: Double
        /// … and so many a second in the long run.
        public var perSecond: Double
        /// Of those, the most that one network has in one interval.
        public var perSource: Int
        /// Networks that are told apart in one interval.
        public var sources: Int
        /// Seconds of an interval.
        public var interval: Int64

        /// Limits; the defaults are the house's.
        public init(
            burst: Double = 200, perSecond: Double = 0.5, perSource: Int = 20, sources: Int = 16, interval: Int64 = 60
        ) {
            self.burst = burst
            self.perSecond = perSecond
            self.perSource = perSource
            self.sources = sources
            self.interval = max(interval, 1)
        }

        /// The most records that a flood can make in a day, one by one and in sums.
        public var recordsPerDay: Double { burst + (perSecond + Double(sources + 1) / Double(interval)) * 86_400 }
    }

    /// What is to be done with a refusal.
    public enum Verdict: Hashable, Sendable {
        /// Record it, with the number of those since the last recorded one that were not.
        case recorded(unrecordedBefore: Int)
        /// It is in a sum; no record of its own.
        case summed
    }

    private struct State {
        var tokens: Double
        var filledAt: Int64 = .min
        var unrecorded = 0
        var windowBegan: Int64 = .min
        var recorded: [SourceClass: Int] = [:]
        var sums: [SourceClass: RefusalSummary] = [:]
        var total = 0
    }

    /// The ledger's sizes.
    public let limits: Limits
    private let state: Mutex<State>

    /// An empty ledger.
    public init(_ limits: Limits = Limits()) {
        self.limits = limits
        state = Mutex(State(tokens: limits.burst))
    }

    /// Enters a refusal of a request from an address, at a moment in milliseconds.
    public func enter(_ reason: String, from address: String?, at now: Int64) -> Verdict {
        let source = SourceClass(of: address)
        return state.withLock { state in
            fill(&state, at: now)
            if state.tokens >= 1, state.recorded[source, default: 0] < limits.perSource {
                state.tokens -= 1
                state.recorded[source, default: 0] += 1
                defer { state.unrecorded = 0 }
                return .recorded(unrecordedBefore: state.unrecorded)
            }
            state.unrecorded += 1
            state.total += 1
            sum(RefusalSummary(source: source, reasons: [reason: 1], first: now, last: now), into: &state)
            return .summed
        }
    }

    /// Counts a refusal that is not to be recorded one by one for a reason of its own, such as a closed account.
    public func count(_ reason: String, from address: String?, at now: Int64) {
        let source = SourceClass(of: address)
        state.withLock { state in
            state.unrecorded += 1
            state.total += 1
            sum(RefusalSummary(source: source, reasons: [reason: 1], first: now, last: now), into: &state)
        }
    }

    /// Takes out the sums so far, the largest first.
    public func close() -> [RefusalSummary] {
        state.withLock { state in
            defer { state.sums = [:] }
            return state.sums.values.sorted { ($0.count, $1.source.text) > ($1.count, $0.source.text) }
        }
    }

    /// Puts back sums that could not be written.
    public func putBack(_ summaries: [RefusalSummary]) {
        state.withLock { state in for summary in summaries { sum(summary, into: &state) } }
    }

    /// Refusals without a record of their own since the start.
    public var total: Int { state.withLock { $0.total } }

    private func fill(_ state: inout State, at now: Int64) {
        if state.filledAt != .min, now > state.filledAt {
            state.tokens = min(limits.burst, state.tokens + Double(now - state.filledAt) / 1000 * limits.perSecond)
        }
        state.filledAt = max(now, state.filledAt)
        guard state.windowBegan == .min || now - state.windowBegan >= limits.interval * 1000 else { return }
        state.windowBegan = now
        // INVARIANT: at most `burst` and what an interval fills in have entries here.
        state.recorded = [:]
    }

    private func sum(_ part: RefusalSummary, into state: inout State) {
        let isKnown = state.sums[part.source] != nil
        let source = isKnown || state.sums.count < limits.sources ? part.source : .others
        var whole = RefusalSummary(source: source, reasons: part.reasons, first: part.first, last: part.last)
        if let before = state.sums[source] { whole.add(before) }
        state.sums[source] = whole
    }
}
