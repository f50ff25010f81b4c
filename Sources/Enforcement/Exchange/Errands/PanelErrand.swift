internal import AccessPolicy
internal import FHIRCore

/// A request of a user whose panel has to be asked for first; then the request's own errand.
struct PanelErrand: Errand {
    private let rules: ExchangeRules
    private let incoming: IncomingRequest
    private let question: PanelQuestion
    private var draft: RecordDraft
    private var inner: (any Errand)?
    private var patients: Set<ResourceID> = []
    private var pages = 0

    /// The most pages that one panel may take, and the most patients that it may have.
    private static let maxPages = 16
    private static let maxPatients = 5_000

    init(_ question: PanelQuestion, of incoming: IncomingRequest, record: RecordDraft, rules: ExchangeRules) {
        self.question = question
        self.incoming = incoming
        self.rules = rules
        draft = record
    }

    var record: RecordDraft { inner?.record ?? draft }

    mutating func start() -> ErrandStep { .look(question.upstreamRequest) }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        if var errand = inner {
            let step = errand.heard(reply)
            inner = errand
            return step
        }
        // b.10: a look-up that fails is no empty panel, and no full one either.
        guard case .answer(let head, let body) = reply,
            let rows = PanelRows(
                UpstreamAnswer(head, body), to: question, policy: rules.policy, now: incoming.now)
        else {
            if mutated(.failedPanelIsEveryone) { return begin(.everyone) }
            return .conclude(.refusal(.panelUnavailable))
        }
        patients.formUnion(rows.patients)
        pages += 1
        guard let next = rows.next else { return begin(.patients(patients)) }
        guard pages < Self.maxPages, patients.count <= Self.maxPatients,
            let target = rules.pageLinks.server.requestTarget(ofLink: next)
        else { return .conclude(.refusal(.panelUnavailable)) }
        return .look(UpstreamRequest(panelPage: target))
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        inner?.stopped(refusal, after: reply) ?? .refusal(refusal)
    }

    mutating func stopping(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> ErrandStep {
        inner?.stopping(refusal, after: reply) ?? .conclude(.refusal(refusal))
    }

    mutating func changed(_ outcome: ExportJobChange.Outcome) -> ErrandStep {
        inner?.changed(outcome) ?? .conclude(.refusal(.jobsUnavailable))
    }

    func streamed(_ head: UpstreamHead) -> (any StreamedAdmission)? { inner?.streamed(head) }

    /// The request itself, now that it is known whom the user may see.
    private mutating func begin(_ panel: PatientPanel) -> ErrandStep {
        question.remember(panel, now: incoming.now)
        switch rules.judge(incoming.knowing(panel)) {
        case .refuse(let refusal, let record):
            draft = record
            return .conclude(.refusal(refusal))
        case .begin(var errand):
            let step = errand.start()
            inner = errand
            return step
        }
    }
}
