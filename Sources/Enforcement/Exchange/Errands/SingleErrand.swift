internal import AccessPolicy
internal import FHIRCore

/// A request that is one upstream request: before it what its body refers to and the stored version it is about.
struct SingleErrand: Errand {
    private enum Phase {
        /// Resources that the body refers to are being read.
        case proving
        /// The stored version that the permit wants judged first is being read.
        case reading
        /// The request itself is under way.
        case asking
    }

    private let rules: ExchangeRules
    private var permitted: PermittedRequest
    private var phase = Phase.proving

    var record: RecordDraft { permitted.record }

    init(_ permitted: PermittedRequest, rules: ExchangeRules) {
        self.permitted = permitted
        self.rules = rules
    }

    mutating func start() -> ErrandStep { advance() }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch (phase, reply) {
        case (.proving, .answer(let head, let body)):
            return proceed(rules.judgeReference(head, body, for: permitted))
        case (.reading, .answer(let head, let body)):
            return proceed(rules.judgeStored(head, body, for: permitted))
        case (.asking, .answer(let head, let body)):
            return .conclude(rules.judgeAnswer(head, body, for: &permitted))
        case (.proving, .failed(let failure)), (.reading, .failed(let failure)):
            // Only a read was under way: nothing has been changed.
            return .conclude(.refusal(rules.refusal(for: failure, of: permitted, mayHaveChanged: false)))
        case (.asking, .failed(let failure)):
            return .conclude(
                .refusal(rules.refusal(for: failure, of: permitted, mayHaveChanged: permitted.changesUpstream)))
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        guard case .asking = phase, permitted.changesUpstream, let reply else { return .refusal(refusal) }
        return .refusal(refusal.afterWrite(status: reply.status ?? 0))
    }

    func streamed(_ head: UpstreamHead) -> (any StreamedAdmission)? {
        guard case .asking = phase, !permitted.changesUpstream else { return nil }
        let (pageLinks, origin, now) = (rules.pageLinks, permitted.origin, permitted.now)
        return StreamedSearch(
            UpstreamAnswer(head, []), under: permitted.permit, mostBytesAnEntry: rules.limits.streamedPieceBytes,
            mostEntries: rules.limits.streamedEntries
        ) { pageLinks.link(to: $0, of: origin, now: now) }
    }

    /// The next thing to look at, and when there is none left, the request itself.
    private mutating func advance() -> ErrandStep {
        if let read = permitted.unproven.first {
            phase = .proving
            return .look(read.upstreamRequest)
        }
        if let precondition = permitted.permit.precondition, permitted.isStoredUnjudged {
            phase = .reading
            return .look(UpstreamRequest(readingFirst: precondition, for: permitted.permit))
        }
        phase = .asking
        return permitted.changesUpstream ? .change(permitted.upstreamRequest) : .look(permitted.upstreamRequest)
    }

    private mutating func proceed(_ judgement: ExchangeRules.StoredJudgement) -> ErrandStep {
        switch judgement {
        case .refuse(let refusal): return .conclude(.refusal(refusal))
        case .proceed(let next):
            permitted = next
            return advance()
        }
    }
}
