internal import Audit
internal import Synchronization

/// What becomes of refusals of requests without a valid token, so that nobody can fill the disk (decision 15): the first
/// ones are recorded one by one; what is beyond is answered all the same and summed up; a flood is answered 429.
///
/// A class because all connections of a site share it; the lock is `state`.
final class AnonymousBudget: Sendable {
    private struct State {
        var tokens: Double
        var filledAt: Int64 = .min
    }

    enum Verdict: Hashable, Sendable {
        /// Answered with a record of its own.
        case recorded(unrecordedBefore: Int)
        /// Answered, and in a sum. The answer holds no data and says what is wrong with the token, as without a flood.
        case summed
        /// In a sum, and not worth an answer of its own.
        case throttled
    }

    let ledger: RefusalLedger
    private let burst: Double
    private let perSecond: Double
    private let state: Mutex<State>

    init(ledger: RefusalLedger, answersPerSecond: Double, answersBurst: Double) {
        self.ledger = ledger
        burst = answersBurst
        perSecond = answersPerSecond
        state = Mutex(State(tokens: answersBurst))
    }

    /// Takes one from the budget at a moment in milliseconds.
    func take(_ reason: String, from address: String?, at now: Int64) -> Verdict {
        switch ledger.enter(reason, from: address, at: now) {
        case .recorded(let before): .recorded(unrecordedBefore: before)
        case .summed: mayAnswer(at: now) ? .summed : .throttled
        }
    }

    private func mayAnswer(at now: Int64) -> Bool {
        state.withLock { state in
            if state.filledAt != .min, now > state.filledAt {
                state.tokens = min(burst, state.tokens + Double(now - state.filledAt) / 1000 * perSecond)
            }
            state.filledAt = max(now, state.filledAt)
            guard state.tokens >= 1 else { return false }
            state.tokens -= 1
            return true
        }
    }
}
