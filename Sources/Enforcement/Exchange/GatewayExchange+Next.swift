internal import AccessPolicy
internal import Audit

// What an exchange does next.

extension GatewayExchange {
    mutating func heard(_ reply: UpstreamReply) -> Action {
        guard let step = errand?.heard(reply) else { return unexpected() }
        return perform(step)
    }

    /// Does what the errand wants next: nothing that may change anything leaves before there is an opening record.
    mutating func perform(_ step: consuming ErrandStep) -> Action {
        switch consume step {
        case .look(let request): return ask(request)
        case .change(let request):
            return change(.upstream(request))
        case .keep(let change):
            return self.change(.jobs(change))
        case .conclude(let conclusion):
            guard let errand else { return unexpected() }
            return conclude(conclusion, draft: errand.record)
        }
    }

    private mutating func change(_ change: consuming Change) -> Action {
        guard receipt == nil else { return make(change) }
        guard let errand else { return unexpected() }
        state = .opening(change)
        return .open(errand.record.opening())
    }

    mutating func make(_ change: consuming Change) -> Action {
        switch consume change {
        case .upstream(let request): return ask(request)
        case .jobs(let change):
            state = .keeping
            return .keep(change)
        }
    }

    /// The request is taken over on all the way here, never lent: of one that is lent the optimiser of Swift 6.3.1 makes the
    /// action first and copies that instead of the request, and what cannot be copied traps (ADR 0091).
    /// `.ci/noncopyable_check.py` looks for that.
    @inline(never)
    mutating func ask(_ request: consuming UpstreamRequest) -> Action {
        buffer = AnswerBuffer(limit: rules.answerBytes)
        state = .asking
        return .forward(request)
    }

    mutating func stop(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Action {
        guard let step = errand?.stopping(refusal, after: reply) else { return unexpected() }
        return perform(step)
    }

    /// Writes the answer and asks for the closing record; the answer follows it and nothing else.
    mutating func conclude(_ conclusion: Conclusion, draft: RecordDraft) -> Action {
        disobeyed = conclusion.disobeyed.union(draft.disobeyed)
        let given = isClientGone ? conclusion.notGiven : conclusion
        let written = WrittenAnswer(given, in: format, changesUpstream: receipt != nil)
        let record = draft.closing(written.conclusion)
        state = .closing(written, record.decisionID)
        var opened: OpeningReceipt?
        swap(&opened, &receipt)
        switch consume opened {
        case .some(let receipt): return .close(receipt, record)
        case .none: return .record(record)
        }
    }

    /// The end without data, or without more of it: what was opened is closed as interrupted by the recorder's recovery.
    mutating func unexpected() -> Action {
        if case .over = state { return .wait }
        state = .over
        if flow?.hasBegun == true { return .cut }
        return .answer(
            GatewayAnswer(unrecorded: .notRecorded, of: decisionID, in: format, crossOrigin: rules.crossOrigin))
    }
}
