internal import AccessPolicy
internal import FHIRCore

/// A request whose answer is put together from several upstream answers: searches that no one query can say, pages that
/// have to be filled, histories of many resources. Nothing in it changes anything.
struct GatheringErrand: Errand {
    private let rules: ExchangeRules
    private let permit: Permit
    private let origin: PageOrigin
    private let now: Int64
    private var gathering: any AnswerGathering
    private var isProven: Bool
    private(set) var record: RecordDraft

    init(
        _ permit: Permit, _ gathering: any AnswerGathering, origin: PageOrigin, now: Int64, record: RecordDraft,
        rules: ExchangeRules
    ) {
        self.permit = permit
        self.gathering = gathering
        self.origin = origin
        self.now = now
        self.record = record
        self.rules = rules
        isProven = permit.proof == nil
    }

    mutating func start() -> ErrandStep {
        guard !isProven, let proof = permit.proof else { return advance() }
        return .look(UpstreamRequest(proof, judged: nil, submitted: nil, pageTarget: nil))
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch reply {
        case .failed(let failure):
            let refusal = GatewayRefusal(failure, changesUpstream: false)
            return .conclude(.refusal(failure == .tooLarge && hidesSize ? refusal.asNotFound : refusal))
        case .answer(let head, let body):
            let answer = UpstreamAnswer(head, body)
            guard isProven else { return prove(answer) }
            let denial = gathering.take(answer)
            record.distrust(gathering.disobeyed)
            if let denial {
                return .conclude(.refusal(GatewayRefusal(denial, realm: rules.policy.publicBase)))
            }
            return advance()
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion { .refusal(refusal) }

    /// Whether what is asked now is one resource that may be anybody's: the one that the request hangs on, or a Binary.
    private var hidesSize: Bool {
        guard isProven, case .read? = gathering.next?.upstreamInteraction else { return !isProven }
        return true
    }

    /// What the request hangs on must pass as if it had been read; if not, the answer is that of a read that found
    /// nothing.
    private mutating func prove(_ answer: UpstreamAnswer) -> ErrandStep {
        guard let proof = permit.proof else { return advance() }
        guard answer.status < 500 else {
            return .conclude(.refusal(.uncheckable("proof-status-\(answer.status)")))
        }
        guard permit.isProven(by: answer, to: proof) || mutated(.proofsUnjudged) else {
            return .conclude(.refusal(.notFound("proof-withheld")))
        }
        self.isProven = true
        return advance()
    }

    private mutating func advance() -> ErrandStep {
        guard let next = gathering.next else { return conclude() }
        guard let page = next.continuation else {
            return .look(UpstreamRequest(next, judged: nil, submitted: nil, pageTarget: nil))
        }
        guard let target = rules.pageLinks.server.requestTarget(ofLink: page) else {
            return .conclude(.refusal(.uncheckable("next-page-unlinkable")))
        }
        return .look(UpstreamRequest(next, judged: nil, submitted: nil, pageTarget: target))
    }

    private mutating func conclude() -> ErrandStep {
        var hasLostPage = false
        let admission = gathering.finished { position in
            let ours = rules.pageLinks.link(to: position, of: origin, now: now)
            if ours == nil { hasLostPage = true }
            return ours
        }
        switch admission {
        case .refuse(let denial):
            return .conclude(
                .refusal(
                    hasLostPage
                        ? .uncheckable("next-page-unlinkable")
                        : GatewayRefusal(denial, realm: rules.policy.publicBase)))
        case .release(let released):
            record.describe(released)
            return .conclude(.released(released))
        }
    }
}

extension ExchangeRules {
    /// Begins a request whose answer is gathered, at its first page or at one that a link of ours stands for.
    func gather(
        _ permit: Permit, asker: Asker, page: OpenedPage?, record: RecordDraft
    ) -> Judgement {
        let narrowed = PageOrigin.digest(of: permit.recordedQuery ?? "")
        var position: GatheringPosition?
        if let page {
            // As for any page: under other rights it would be another answer.
            guard page.origin.narrowed == narrowed, let opened = page.position(in: pageLinks.server) else {
                return .refuse(.notFound("page-link"), record)
            }
            position = opened
        }
        guard let gathering = permit.gathering(from: position) else {
            return .refuse(.notFound("page-link"), record)
        }
        let origin =
            page?.origin
            ?? PageOrigin(asker.received, permit.request, narrowed: narrowed, holder: PageHolder(permit.access))
        return .begin(
            GatheringErrand(permit, gathering, origin: origin, now: asker.now, record: record, rules: self))
    }
}
