internal import Synchronization

/// How many refusals of requests without a valid token are recorded one by one, so that nobody can fill the disk
/// (decision 15). What is beyond is answered 429, counted, and the count goes into the next record.
///
/// A class because all connections of a site share it; the lock is `state`.
final class AnonymousBudget: Sendable {
    private struct State {
        var tokens: Double
        var filledAt: Int64
        var unrecorded = 0
    }

    enum Verdict: Hashable, Sendable {
        case recorded(unrecordedBefore: Int)
        case throttled
    }

    private let burst: Double
    private let perSecond: Double
    private let state: Mutex<State>

    init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
        state = Mutex(State(tokens: burst, filledAt: .min))
    }

    /// Takes one from the budget at a moment in milliseconds.
    func take(at now: Int64) -> Verdict {
        state.withLock { state in
            if state.filledAt != .min, now > state.filledAt {
                state.tokens = min(burst, state.tokens + Double(now - state.filledAt) / 1000 * perSecond)
            }
            state.filledAt = max(now, state.filledAt)
            guard state.tokens >= 1 else {
                state.unrecorded += 1
                return .throttled
            }
            state.tokens -= 1
            let before = state.unrecorded
            state.unrecorded = 0
            return .recorded(unrecordedBefore: before)
        }
    }
}
