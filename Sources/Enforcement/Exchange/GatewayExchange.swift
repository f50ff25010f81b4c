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
        /// What came of a change among the export jobs.
        case kept(ExportJobChange.Outcome)
        /// A part of the patient index of a streamed answer is durable.
        case indexed(ClosingReceipt)
        /// The answer that was to stream cannot: others are under way.
        case noRoom(StreamRefusal)
        /// A part of the patient index is durable, but what it names is not sent; see `isGivingUp`.
        case indexDropped
        /// The part of a streamed answer has been handed to the connection.
        case sent
        /// What of a streamed answer is held back has been so for long enough; see `holdsBack`.
        case heldLongEnough
        case auditFailed(AuditFailure)
        case clientGone
        /// What has become of the token while an answer streams.
        case standing(AccessStanding)
    }

    /// What is to be done next. Any action but `wait` and those of a streamed answer means that an upstream call under way
    /// is to be given up.
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
        /// Change the store of export jobs; then `kept`.
        case keep(ExportJobChange)
        /// Nothing until the next event.
        case wait
        /// Send this; the exchange is over.
        case answer(GatewayAnswer)
        /// The client went away while the record of its answer was being written: have that record say that it was not
        /// given. The exchange is over.
        case withdraw(ClosingReceipt)
        /// Write the opening record of an answer that streams; then `opened` or `auditFailed`. The upstream call goes on.
        case openStream(AccessRecord)
        /// Send this part, then `sent`. The upstream call goes on.
        case send(StreamedPart)
        /// Write a part of the patient index; then `indexed` or `auditFailed`. The upstream call goes on.
        case index(AccessRecord)
        /// Send this last part; the exchange is over.
        case end(StreamedPart)
        /// Cut the client's connection, so that what it has cannot be taken for the whole; the exchange is over.
        case cut

        /// Whether there is nothing to do until the next event.
        public var isWait: Bool {
            switch self {
            case .wait: true
            case .open: false
            case .record: false
            case .close: false
            case .forward: false
            case .keep: false
            case .answer: false
            case .withdraw: false
            case .openStream: false
            case .send: false
            case .index: false
            case .end: false
            case .cut: false
            }
        }
    }

    enum State {
        case new
        /// An upstream call of the errand is under way.
        case asking
        /// The opening record is being written, before the errand's first change.
        case opening(Change)
        /// The store of export jobs is being changed.
        case keeping
        case closing(WrittenAnswer, DecisionID)
        /// The answer goes on piece by piece; `flow` says how far it is.
        case streaming
        case over
    }

    /// What may be done once there is an opening record.
    enum Change {
        case upstream(UpstreamRequest)
        case jobs(ExportJobChange)
    }

    let rules: ExchangeRules
    var state = State.new
    /// Whether the client has closed its connection: nothing can be given to it any more.
    var isClientGone = false
    var errand: (any Errand)?
    /// Of the opening record, from the moment that it is durable until it is closed.
    var receipt: OpeningReceipt?
    /// What has come of the upstream call under way.
    var buffer: AnswerBuffer
    var decisionID: DecisionID?
    /// In which the client wants its answer.
    var format = AnswerFormat.json
    /// Whether the client would notice the sudden end of an answer that comes in pieces.
    var mayStream = false
    /// The answer that goes on piece by piece.
    var flow: AnswerFlow?
    /// Of a streamed answer, from the moment that its opening record is durable.
    var pass: StreamPass?
    /// What is true of a streamed answer whose closing record says that its last part goes as well, if that does not go.
    package internal(set) var cutShort: AccessRecord?
    /// The types on which the protected server was seen to pass over what a narrowed search said.
    /// Whoever drives the exchange tells `CapabilitySource`.
    var disobeyed: Set<ResourceType> = []

    /// Whether the answer was given, or given up: what still comes changes nothing.
    var isOver: Bool { if case .over = state { true } else { false } }

    init(rules: ExchangeRules) {
        self.rules = rules
        buffer = AnswerBuffer(limit: rules.answerBytes)
    }

    /// Takes an event and says what to do next. After the end nothing is done any more, whatever still comes.
    public mutating func handle(_ event: consuming Event) -> Action {
        switch (consume event) {
        case .request(let incoming): begin(incoming)
        case .opened(let receipt, let standing): opened(receipt, standing)
        case .upstreamHead(let head): received { $0.begin(head) }
        case .upstreamBody(let bytes): bodyReceived(bytes)
        case .upstreamEnd(let standing): upstreamEnded(standing)
        case .upstreamFailed(let failure): upstreamFailed(failure)
        case .closed(let receipt): closed(receipt)
        case .kept(let outcome): kept(outcome)
        case .indexed(let receipt): indexed(receipt)
        case .auditFailed: auditFailed()
        case .clientGone: clientGone()
        case .standing(let standing): looked(standing)
        case .indexDropped: indexDropped()
        case .noRoom(let refusal): noRoom(refusal)
        case .sent: flowMore(false)
        case .heldLongEnough: flowMore(true)
        }
    }
}

// MARK: - one function for each event

extension GatewayExchange {
    private mutating func begin(_ incoming: IncomingRequest) -> Action {
        guard case .new = state else { return unexpected() }
        decisionID = incoming.decisionID
        format = incoming.format
        mayStream = incoming.mayStream
        if case .summed(let refusal) = incoming.standing {
            state = .over
            return .answer(
                GatewayAnswer(
                    unrecorded: refusal, of: incoming.decisionID, in: format, crossOrigin: rules.crossOrigin))
        }
        switch rules.judge(incoming) {
        case .refuse(let refusal, let record):
            return conclude(.refusal(refusal), draft: record)
        case .begin(var errand):
            let step = errand.start()
            self.errand = errand
            // It went away while something was fetched before its request could be looked at.
            if isClientGone { return stop(GatewayRefusal(.abandoned, changesUpstream: false), after: nil) }
            return perform(step)
        }
    }

    private mutating func opened(_ receipt: consuming OpeningReceipt, _ standing: AccessStanding) -> Action {
        if case .streaming = state { return streamOpened(receipt, standing) }
        guard case .opening(let change) = state, let errand, receipt.decisionID == errand.record.decisionID else {
            return unexpected()
        }
        self.receipt = consume receipt
        if let end = standing.end { return stop(end, after: nil) }
        // Nothing has been changed yet, and nobody is there any more who wants it.
        if isClientGone { return stop(GatewayRefusal(.abandoned, changesUpstream: false), after: nil) }
        return make(change)
    }

    private mutating func received(_ change: (inout AnswerBuffer) -> UpstreamFailure?) -> Action {
        switch state {
        case .asking:
            guard let failure = change(&buffer) else { return .wait }
            return heard(.failed(failure))
        // Bytes that were on their way when the call was given up.
        case .closing, .keeping, .over: return .wait
        case .new, .opening, .streaming: return unexpected()
        }
    }

    private mutating func bodyReceived(_ bytes: [UInt8]) -> Action {
        if case .streaming = state { return flowed(bytes) }
        var overflow: [UInt8]?
        let action = received { buffer in
            switch buffer.take(bytes) {
            case .held: return nil
            case .failed(let failure): return failure
            case .overflow(let plain):
                overflow = plain
                return nil
            }
        }
        guard let overflow else { return action }
        return beginStream(overflow) ?? heard(.failed(.tooLarge))
    }

    private mutating func upstreamEnded(_ standing: AccessStanding) -> Action {
        switch state {
        case .asking:
            guard let reply = buffer.reply else { return heard(.failed(.malformed)) }
            // What would be released now is not any more, and the record must not say so.
            if let end = standing.end { return stop(end, after: reply) }
            return heard(reply)
        case .streaming:
            let end: AnswerFlow.End = buffer.isWhole ? .whole : .failed(.malformed)
            return flowEnded(standing.end.map { .stopped($0) } ?? end)
        case .closing, .keeping, .over: return .wait
        case .new, .opening: return unexpected()
        }
    }

    private mutating func upstreamFailed(_ failure: UpstreamFailure) -> Action {
        switch state {
        case .asking: heard(.failed(failure))
        case .streaming: flowEnded(.failed(failure))
        case .closing, .keeping, .over: .wait
        case .new, .opening: unexpected()
        }
    }

    private mutating func closed(_ receipt: consuming ClosingReceipt) -> Action {
        if case .streaming = state { return streamClosed(receipt) }
        if isClientGone, case .closing(let written, _) = state, case .permitted = written.conclusion.outcome {
            return withdraw(receipt)
        }
        guard case .closing(let written, let decisionID) = state,
            let answer = GatewayAnswer(
                written, of: decisionID, receipt: receipt, crossOrigin: rules.crossOrigin)
        else { return unexpected() }
        state = .over
        return .answer(answer)
    }

    /// The record says that something was given, and it was not.
    mutating func withdraw(_ receipt: consuming ClosingReceipt) -> Action {
        state = .over
        flow = nil
        return .withdraw(receipt)
    }

    /// What could not be recorded is not answered with data, and what could not be opened is not forwarded.
    private mutating func auditFailed() -> Action {
        // An answer that streams has an opening record, which is closed all the same; nothing more of it goes.
        if case .streaming = state, case .indexing? = flow?.phase, receipt != nil {
            return give(up: .stopped(.notRecorded))
        }
        return unexpected()
    }

    private mutating func clientGone() -> Action {
        isClientGone = true
        switch state {
        case .asking where receipt == nil:
            return stop(GatewayRefusal(.abandoned, changesUpstream: false), after: nil)
        // What may change something is followed to its end, so that the record can say what became of it.
        case .new, .asking, .opening, .closing, .keeping, .over: return .wait
        case .streaming: return flowEnded(.failed(.abandoned))
        }
    }

    private mutating func kept(_ outcome: ExportJobChange.Outcome) -> Action {
        guard case .keeping = state, let step = errand?.changed(outcome) else { return unexpected() }
        return perform(step)
    }

    /// Only an answer that streams is told; every other one asks when it is whole.
    private mutating func looked(_ standing: AccessStanding) -> Action {
        guard case .streaming = state, let end = standing.end else { return .wait }
        return flowEnded(.stopped(end))
    }
}
