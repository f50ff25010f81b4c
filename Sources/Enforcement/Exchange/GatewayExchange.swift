internal import AccessPolicy
public import Audit
internal import FHIRCore

/// One FHIR request from its arrival to its answer, as a machine that performs nothing (house.md §4).
///
/// It is fed events and returns the one thing to do next. Whoever drives it, the SwiftNIO handlers or a test, performs
/// that and comes back with what happened. Three rules stand in its types: an `UpstreamRequest` for data is made from a
/// `Permit`, an answer's bytes are `Released`, and an answer costs a `ClosingReceipt`.
///
/// An event that cannot come in the state at hand ends the exchange without data.
public struct GatewayExchange: ~Copyable {
    /// What has happened.
    public enum Event: ~Copyable, Sendable {
        case request(IncomingRequest)
        /// The opening record is durable; and what has become of the token meanwhile.
        case opened(OpeningReceipt, AccessStanding)
        case upstreamHead(UpstreamHead)
        case upstreamBody([UInt8])
        /// The answer is whole; and what has become of the token meanwhile.
        case upstreamEnd(AccessStanding)
        case upstreamFailed(UpstreamFailure)
        case closed(ClosingReceipt)
        case auditFailed(AuditFailure)
        case clientGone
    }

    /// What is to be done next. Any action but `wait` means that an upstream call under way is to be given up.
    public enum Action: ~Copyable, Sendable {
        /// Write the opening record; then `opened` or `auditFailed`.
        case open(AccessRecord)
        /// Write the whole record; then `closed` or `auditFailed`.
        case record(AccessRecord)
        /// Close what was opened; then `closed` or `auditFailed`.
        case close(OpeningReceipt, AccessRecord)
        /// Ask the protected server; then `upstreamHead`, `upstreamBody` any number of times, `upstreamEnd`, or
        /// `upstreamFailed` at any point.
        case forward(UpstreamRequest)
        /// Nothing until the next event.
        case wait
        /// Send this; the exchange is over.
        case answer(GatewayAnswer)

        /// Whether there is nothing to do until the next event.
        public var isWait: Bool {
            switch self {
            case .wait: true
            case .open: false
            case .record: false
            case .close: false
            case .forward: false
            case .answer: false
            }
        }
    }

    private enum State: ~Copyable {
        case new
        /// A resource that the body refers to is being read.
        case proving(PermittedRequest, AnswerBuffer)
        /// The stored version that a Permit wants judged first is being read.
        case reading(PermittedRequest, AnswerBuffer)
        case opening(PermittedRequest)
        case forwarding(PermittedRequest, OpeningReceipt?, AnswerBuffer)
        case closing(Conclusion, DecisionID)
        case over
    }

    private let rules: ExchangeRules
    private var state = State.new
    private var isOver = false
    private var decisionID: DecisionID?

    init(rules: ExchangeRules) { self.rules = rules }

    /// Takes an event and says what to do next.
    public mutating func handle(_ event: consuming Event) -> Action {
        // After the end nothing is done any more, whatever still comes.
        guard !isOver else { return .wait }
        let current = take()
        switch (consume event) {
        case .request(let incoming): return begin(incoming, from: current)
        case .opened(let receipt, let standing): return opened(receipt, standing, in: current)
        case .upstreamHead(let head): return received(in: current) { $0.begin(head) }
        case .upstreamBody(let bytes): return received(in: current) { $0.append(bytes) }
        case .upstreamEnd(let standing): return upstreamEnded(standing, in: current)
        case .upstreamFailed(let failure): return upstreamFailed(failure, in: current)
        case .closed(let receipt): return closed(receipt, in: current)
        case .auditFailed: return auditFailed(in: current)
        case .clientGone: return clientGone(in: current)
        }
    }

    private mutating func take() -> State {
        var taken = State.over
        swap(&taken, &state)
        return taken
    }
}

// MARK: - one function for each event

extension GatewayExchange {
    private mutating func begin(_ incoming: IncomingRequest, from current: consuming State) -> Action {
        guard case .new = current else { return impossible() }
        decisionID = incoming.decisionID
        if case .throttled = incoming.standing {
            isOver = true
            return .answer(
                GatewayAnswer(unrecorded: .throttled, of: incoming.decisionID, crossOrigin: rules.crossOrigin))
        }
        switch rules.judge(incoming) {
        case .refuse(let refusal, let record):
            return conclude(.refusal(refusal), draft: record, receipt: nil)
        case .permit(let permitted):
            return advance(permitted)
        }
    }

    /// The next thing to look at, and when there is none left, the request itself: a write after its opening record.
    private mutating func advance(_ permitted: PermittedRequest) -> Action {
        let buffer = AnswerBuffer(limit: rules.answerBytes)
        if let read = permitted.unproven.first {
            state = .proving(permitted, buffer)
            return .forward(read.upstreamRequest)
        }
        if let precondition = permitted.permit.precondition, permitted.isStoredUnjudged {
            state = .reading(permitted, buffer)
            return .forward(UpstreamRequest(readingFirst: precondition, for: permitted.permit))
        }
        guard permitted.changesUpstream else {
            state = .forwarding(permitted, nil, buffer)
            return .forward(permitted.upstreamRequest)
        }
        state = .opening(permitted)
        return .open(permitted.record.opening())
    }

    private mutating func opened(
        _ receipt: consuming OpeningReceipt, _ standing: AccessStanding, in current: consuming State
    ) -> Action {
        guard case .opening(let permitted) = consume current, receipt.decisionID == permitted.record.decisionID else {
            return impossible()
        }
        if let end = standing.end { return conclude(.refusal(end), draft: permitted.record, receipt: receipt) }
        state = .forwarding(permitted, receipt, AnswerBuffer(limit: rules.answerBytes))
        return .forward(permitted.upstreamRequest)
    }

    private mutating func received(
        in current: consuming State, _ change: (inout AnswerBuffer) -> UpstreamFailure?
    ) -> Action {
        switch consume current {
        case .proving(let permitted, var buffer):
            if let failure = change(&buffer) { return lookFailed(failure, permitted) }
            state = .proving(permitted, buffer)
            return .wait
        case .reading(let permitted, var buffer):
            if let failure = change(&buffer) { return lookFailed(failure, permitted) }
            state = .reading(permitted, buffer)
            return .wait
        case .forwarding(let permitted, let receipt, var buffer):
            if let failure = change(&buffer) { return forwardFailed(failure, permitted, receipt) }
            state = .forwarding(permitted, receipt, buffer)
            return .wait
        case .closing(let conclusion, let decisionID):
            // Bytes that were on their way when the call was given up.
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .opening: return impossible()
        case .over: return impossible()
        }
    }

    private mutating func upstreamEnded(_ standing: AccessStanding, in current: consuming State) -> Action {
        switch consume current {
        case .proving(let permitted, let buffer):
            return proceed(standing, rules.judgeReference(buffer, for: permitted), permitted)
        case .reading(let permitted, let buffer):
            return proceed(standing, rules.judgeStored(buffer, for: permitted), permitted)
        case .forwarding(let permitted, let receipt, let buffer):
            var record = permitted.record
            var conclusion = rules.judgeAnswer(buffer, for: permitted, record: &record)
            if let end = standing.end {
                // What was released a moment ago is not any more, and the record must not say so.
                record = permitted.record
                let status = buffer.head?.status ?? 0
                conclusion = .refusal(permitted.changesUpstream ? end.afterWrite(status: status) : end)
            }
            return conclude(conclusion, draft: record, receipt: receipt)
        case .closing(let conclusion, let decisionID):
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .opening: return impossible()
        case .over: return impossible()
        }
    }

    /// Goes on after a look at something stored, if the token still holds and the look allows it.
    private mutating func proceed(
        _ standing: AccessStanding, _ judgement: ExchangeRules.StoredJudgement, _ permitted: PermittedRequest
    ) -> Action {
        if let end = standing.end { return conclude(.refusal(end), draft: permitted.record, receipt: nil) }
        switch judgement {
        case .refuse(let refusal): return conclude(.refusal(refusal), draft: permitted.record, receipt: nil)
        case .proceed(let next): return advance(next)
        }
    }

    private mutating func upstreamFailed(_ failure: UpstreamFailure, in current: consuming State) -> Action {
        switch consume current {
        case .proving(let permitted, _): return lookFailed(failure, permitted)
        case .reading(let permitted, _): return lookFailed(failure, permitted)
        case .forwarding(let permitted, let receipt, _): return forwardFailed(failure, permitted, receipt)
        case .closing(let conclusion, let decisionID):
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .opening: return impossible()
        case .over: return impossible()
        }
    }

    /// Only a read was under way: nothing has been changed.
    private mutating func lookFailed(_ failure: UpstreamFailure, _ permitted: PermittedRequest) -> Action {
        conclude(
            .refusal(rules.refusal(for: failure, of: permitted, mayHaveChanged: false)), draft: permitted.record,
            receipt: nil)
    }

    private mutating func forwardFailed(
        _ failure: UpstreamFailure, _ permitted: PermittedRequest, _ receipt: consuming OpeningReceipt?
    ) -> Action {
        conclude(
            .refusal(rules.refusal(for: failure, of: permitted, mayHaveChanged: permitted.changesUpstream)),
            draft: permitted.record, receipt: receipt)
    }

    private mutating func closed(_ receipt: consuming ClosingReceipt, in current: consuming State) -> Action {
        guard case .closing(let conclusion, let decisionID) = consume current,
            let answer = GatewayAnswer(
                conclusion, of: decisionID, receipt: receipt, crossOrigin: rules.crossOrigin)
        else { return impossible() }
        isOver = true
        return .answer(answer)
    }

    /// What could not be recorded is not answered with data, and what could not be opened is not forwarded.
    private mutating func auditFailed(in current: consuming State) -> Action {
        impossible()
    }

    private mutating func clientGone(in current: consuming State) -> Action {
        switch consume current {
        case .proving(let permitted, _): return lookFailed(.abandoned, permitted)
        case .reading(let permitted, _): return lookFailed(.abandoned, permitted)
        case .forwarding(let permitted, let receipt, let buffer):
            guard permitted.changesUpstream else { return forwardFailed(.abandoned, permitted, receipt) }
            // A write is followed to its end, so that the record can say what became of it.
            state = .forwarding(permitted, receipt, buffer)
            return .wait
        case .opening(let permitted):
            state = .opening(permitted)
            return .wait
        case .closing(let conclusion, let decisionID):
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .over: return .wait
        }
    }

    /// Asks for the closing record; the answer follows it and nothing else.
    private mutating func conclude(
        _ conclusion: Conclusion, draft: RecordDraft, receipt: consuming OpeningReceipt?
    ) -> Action {
        let record = draft.closing(conclusion)
        state = .closing(conclusion, record.decisionID)
        switch consume receipt {
        case .some(let receipt): return .close(receipt, record)
        case .none: return .record(record)
        }
    }

    /// The end without data: what was opened is closed as interrupted by the recorder's recovery.
    private mutating func impossible() -> Action {
        state = .over
        isOver = true
        return .answer(GatewayAnswer(unrecorded: .notRecorded, of: decisionID, crossOrigin: rules.crossOrigin))
    }
}
