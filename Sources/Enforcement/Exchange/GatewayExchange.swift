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
        case opened(OpeningReceipt)
        case upstreamHead(UpstreamHead)
        case upstreamBody([UInt8])
        case upstreamEnd
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
        case opening(PermittedRequest)
        /// The stored version that a Permit wants judged first is being read.
        case reading(PermittedRequest, OpeningReceipt?, AnswerBuffer)
        case forwarding(PermittedRequest, OpeningReceipt?, AnswerBuffer)
        case closing(Conclusion, DecisionID)
        case over
    }

    private let rules: ExchangeRules
    private var state = State.new
    private var isOver = false

    init(rules: ExchangeRules) { self.rules = rules }

    /// Takes an event and says what to do next.
    public mutating func handle(_ event: consuming Event) -> Action {
        // After the end nothing is done any more, whatever still comes.
        guard !isOver else { return .wait }
        let current = take()
        switch (consume event) {
        case .request(let incoming): return begin(incoming, from: current)
        case .opened(let receipt): return opened(receipt, in: current)
        case .upstreamHead(let head): return received(in: current) { $0.begin(head) }
        case .upstreamBody(let bytes): return received(in: current) { $0.append(bytes) }
        case .upstreamEnd: return upstreamEnded(in: current)
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
        if case .throttled = incoming.standing {
            isOver = true
            return .answer(GatewayAnswer(unrecorded: .throttled, crossOrigin: rules.crossOrigin))
        }
        switch rules.judge(incoming) {
        case .refuse(let refusal, let record):
            return conclude(.refusal(refusal), draft: record, receipt: nil)
        case .permit(let permitted):
            guard permitted.changesUpstream else { return forwardFirst(permitted, receipt: nil) }
            let opening = permitted.record.opening()
            state = .opening(permitted)
            return .open(opening)
        }
    }

    private mutating func opened(_ receipt: consuming OpeningReceipt, in current: consuming State) -> Action {
        guard case .opening(let permitted) = consume current, receipt.decisionID == permitted.record.decisionID else {
            return impossible()
        }
        return forwardFirst(permitted, receipt: receipt)
    }

    /// The stored version first when the Permit asks for it, otherwise the request itself.
    private mutating func forwardFirst(
        _ permitted: PermittedRequest, receipt: consuming OpeningReceipt?
    ) -> Action {
        let buffer = AnswerBuffer(limit: rules.answerBytes)
        guard let precondition = permitted.permit.precondition else {
            state = .forwarding(permitted, receipt, buffer)
            return .forward(permitted.upstreamRequest(judged: nil))
        }
        state = .reading(permitted, receipt, buffer)
        return .forward(UpstreamRequest(readingFirst: precondition, for: permitted.permit))
    }

    private mutating func received(
        in current: consuming State, _ change: (inout AnswerBuffer) -> UpstreamFailure?
    ) -> Action {
        switch consume current {
        case .reading(let permitted, let receipt, var buffer):
            if let failure = change(&buffer) {
                return conclude(
                    .refusal(GatewayRefusal(failure, changesUpstream: false)), draft: permitted.record,
                    receipt: receipt)
            }
            state = .reading(permitted, receipt, buffer)
            return .wait
        case .forwarding(let permitted, let receipt, var buffer):
            if let failure = change(&buffer) {
                return conclude(
                    .refusal(GatewayRefusal(failure, changesUpstream: permitted.changesUpstream)),
                    draft: permitted.record, receipt: receipt)
            }
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

    private mutating func upstreamEnded(in current: consuming State) -> Action {
        switch consume current {
        case .reading(let permitted, let receipt, let buffer):
            switch rules.judgeStored(buffer, for: permitted) {
            case .refuse(let refusal):
                return conclude(.refusal(refusal), draft: permitted.record, receipt: receipt)
            case .proceed(let judged):
                state = .forwarding(permitted, receipt, AnswerBuffer(limit: rules.answerBytes))
                return .forward(permitted.upstreamRequest(judged: judged))
            }
        case .forwarding(let permitted, let receipt, let buffer):
            var record = permitted.record
            let conclusion = rules.judgeAnswer(buffer, for: permitted, record: &record)
            return conclude(conclusion, draft: record, receipt: receipt)
        case .closing(let conclusion, let decisionID):
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .opening: return impossible()
        case .over: return impossible()
        }
    }

    private mutating func upstreamFailed(_ failure: UpstreamFailure, in current: consuming State) -> Action {
        switch consume current {
        case .reading(let permitted, let receipt, _):
            // Only a read was under way: nothing has been changed.
            return conclude(
                .refusal(GatewayRefusal(failure, changesUpstream: false)), draft: permitted.record, receipt: receipt)
        case .forwarding(let permitted, let receipt, _):
            return conclude(
                .refusal(GatewayRefusal(failure, changesUpstream: permitted.changesUpstream)),
                draft: permitted.record, receipt: receipt)
        case .closing(let conclusion, let decisionID):
            state = .closing(conclusion, decisionID)
            return .wait
        case .new: return impossible()
        case .opening: return impossible()
        case .over: return impossible()
        }
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
        case .reading(let permitted, let receipt, _):
            return conclude(
                .refusal(GatewayRefusal(.abandoned, changesUpstream: false)), draft: permitted.record,
                receipt: receipt)
        case .forwarding(let permitted, let receipt, let buffer):
            guard permitted.changesUpstream else {
                return conclude(
                    .refusal(GatewayRefusal(.abandoned, changesUpstream: false)), draft: permitted.record,
                    receipt: receipt)
            }
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
        return .answer(GatewayAnswer(unrecorded: .notRecorded, crossOrigin: rules.crossOrigin))
    }
}
