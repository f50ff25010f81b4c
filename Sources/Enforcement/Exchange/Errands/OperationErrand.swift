internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// One call of an operation, after the reads that it hangs on.
struct OperationErrand: Errand {
    private enum Phase {
        case proving
        case calling
    }

    private let rules: ExchangeRules
    private let permit: Permit
    private var phase = Phase.proving
    /// The reads still to be made; the first one is under way.
    private var proofs: [Permit]
    private(set) var record: RecordDraft

    init(_ permit: Permit, record: RecordDraft, rules: ExchangeRules) {
        self.permit = permit
        self.record = record
        self.rules = rules
        proofs = permit.proofs
        // The opening record of a change has to name whom it may be about, and by then nothing has been answered.
        if permit.changesUpstream {
            self.record.add(permit.operationSubjects)
            self.record.add(targets: permit.operationTargets)
        } else {
            self.record.add(asked: permit.operationSubjects)
        }
    }

    mutating func start() -> ErrandStep {
        guard let proof = proofs.first else { return call() }
        return .look(UpstreamRequest(proof, judged: nil, submitted: nil, pageTarget: nil))
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch (phase, reply) {
        case (.proving, .answer(let head, let body)): return prove(UpstreamAnswer(head, body))
        case (.calling, .answer(let head, let body)): return .conclude(judge(UpstreamAnswer(head, body)))
        case (.proving, .failed(let failure)):
            let refusal = GatewayRefusal(failure, changesUpstream: false)
            // What is too large to be judged may be anybody's.
            return .conclude(.refusal(failure == .tooLarge ? unproven.recorded(as: refusal.outcome) : refusal))
        case (.calling, .failed(let failure)):
            return .conclude(.refusal(GatewayRefusal(failure, changesUpstream: permit.changesUpstream)))
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        guard case .calling = phase, permit.changesUpstream, let reply else { return .refusal(refusal) }
        return .refusal(refusal.afterWrite(status: reply.status ?? 0))
    }

    private mutating func prove(_ answer: UpstreamAnswer) -> ErrandStep {
        guard let proof = proofs.first else { return call() }
        guard answer.status < 500 else {
            return .conclude(.refusal(.uncheckable("proof-status-\(answer.status)")))
        }
        guard permit.isProven(by: answer, to: proof) else {
            return .conclude(.refusal(unproven.recorded(as: .refused(reason: "proof-withheld"))))
        }
        if let resource = ExchangeRules.resource(answer.body) { record.add(rules.policy.patients(of: resource)) }
        proofs.removeFirst()
        return start()
    }

    /// The refusal where a read that the call hangs on finds nothing that this token may see, whatever the cause.
    private var unproven: GatewayRefusal { GatewayRefusal(permit.unprovenDenial, realm: rules.policy.publicBase) }

    private mutating func call() -> ErrandStep {
        phase = .calling
        let request = UpstreamRequest(permit, judged: nil, submitted: nil, pageTarget: nil)
        return permit.changesUpstream ? .change(request) : .look(request)
    }

    private mutating func judge(_ answer: UpstreamAnswer) -> Conclusion {
        switch admitAnswer(answer, under: permit, pageLink: { _ in nil }) {
        case .refuse(let denial):
            let refusal = GatewayRefusal(denial, realm: rules.policy.publicBase)
            return .refusal(permit.changesUpstream ? refusal.afterWrite(status: answer.status) : refusal)
        case .release(let released):
            record.describe(released)
            return .released(released)
        }
    }
}

extension ExchangeRules {
    /// Begins a call whose answer is one answer.
    func call(_ permit: Permit, page: OpenedPage?, record: RecordDraft) -> Judgement {
        guard page == nil else { return .refuse(.notFound("page-link"), record) }
        return .begin(OperationErrand(permit, record: record, rules: self))
    }
}
