internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// The judgements of an exchange: policy's decisions joined with what the protected server said. All of it is pure.
///
/// A class so that every exchange of a base shares one; nothing in it changes.
final class ExchangeRules: Sendable {
    let policy: ServerPolicy
    let pageLinks: PageLinks
    let limits: Enforcer.Limits
    let crossOrigin: CrossOriginPolicy
    var answerBytes: Int { limits.answerBytes }

    init(policy: ServerPolicy, pageLinks: PageLinks, limits: Enforcer.Limits, crossOrigin: CrossOriginPolicy) {
        self.policy = policy
        self.pageLinks = pageLinks
        self.limits = limits
        self.crossOrigin = crossOrigin
    }

    /// The same rules under what is known of the protected server now.
    func under(_ policy: ServerPolicy) -> ExchangeRules {
        ExchangeRules(policy: policy, pageLinks: pageLinks, limits: limits, crossOrigin: crossOrigin)
    }

    /// How many resources that a body refers to are looked up before it is written.
    static let provingReads = 16

    enum Judgement {
        case begin(any Errand)
        case refuse(GatewayRefusal, RecordDraft)
    }

    /// What a look at something stored came to.
    enum StoredJudgement {
        case proceed(PermittedRequest)
        case refuse(GatewayRefusal)
    }

    /// A body on its way upstream.
    private enum BodyJudgement {
        case passes(Released?, proving: [ProvingRead])
        case refuse(GatewayRefusal)
    }
}

// MARK: - before anything is asked of the protected server

extension ExchangeRules {
    func judge(_ incoming: IncomingRequest) -> Judgement {
        let record = RecordDraft(incoming, policy)
        switch incoming.standing {
        case .summed(let refusal): return .refuse(refusal, record)
        case .refused(let refusal, _): return .refuse(refusal, record)
        case .verified(let access, let userPanel, let systemPanel):
            if let question = incoming.panelQuestion {
                return .begin(PanelErrand(question, of: incoming, record: record, rules: self))
            }
            let asker = Asker(
                access: access, userPanel: userPanel, systemPanel: systemPanel, received: incoming.request,
                now: incoming.now, exportJob: incoming.exportJob, newJobID: incoming.newJobID, seed: incoming.seed)
            if let place = BulkPlace(incoming.request) { return judge(place, of: asker, record: record) }
            do throws(RequestRefusal) {
                let asked = try CanonicalRequest(incoming.request)
                if asked.interaction.isBulkExport { return startExport(asked, of: asker, record: record) }
                guard case .page(let opaque) = asked.interaction else {
                    return judge(asked, of: asker, page: nil, record: record)
                }
                guard let page = pageLinks.open(opaque, for: access, now: incoming.now) else {
                    return .refuse(.notFound("page-link"), record)
                }
                let original = try page.originalRequest(asHead: asked.isHead)
                return judge(original, of: asker, page: page, record: record)
            } catch {
                return .refuse(GatewayRefusal(error), record)
            }
        }
    }

    /// Judges one request of an asker: the whole of what came in, or one entry of it.
    func judge(
        _ request: CanonicalRequest, of asker: Asker, page: OpenedPage?, record: RecordDraft,
        setting: WriteSetting = .alone
    ) -> Judgement {
        var record = record
        record.describe(request)
        let question = asker.question(request, policy)
        switch decide(question) {
        case .deny(let denial): return .refuse(GatewayRefusal(denial, realm: policy.publicBase), record)
        case .permit(let permit):
            record.describe(permit)
            if let judgement = judgeCompound(request, under: permit, of: asker, record: record) { return judgement }
            if permit.isOperation, !permit.isGathered { return call(permit, page: page, record: record) }
            if permit.isGathered { return gather(permit, asker: asker, page: page, record: record) }
            do throws(RequestRefusal) {
                let finished = try finish(
                    permit, of: question, asker: asker, page: page, record: record, setting: setting)
                switch finished {
                case .refuse(let refusal, let record): return .refuse(refusal, record)
                case .permit(let permitted): return .begin(SingleErrand(permitted, rules: self))
                }
            } catch {
                return .refuse(GatewayRefusal(error), record)
            }
        }
    }

    private enum Finished {
        case permit(PermittedRequest)
        case refuse(GatewayRefusal, RecordDraft)
    }

    private func finish(
        _ permit: Permit, of question: AccessRequest, asker: Asker, page: OpenedPage?, record: RecordDraft,
        setting: WriteSetting
    ) throws(RequestRefusal) -> Finished {
        var permit = permit
        if let page {
            // The page belongs to the query that was asked then; under narrower rights it would be another answer.
            guard
                page.origin.narrowed == PageOrigin.digest(of: permit.upstreamQuery?.encoded ?? "")
                    || mutated(.pageLinksOfOtherQueries),
                page.place == nil,
                let continued = permit.continuing(at: pageLinks.server.origin + page.target)
            else { return .refuse(.notFound("page-link"), record) }
            permit = continued
        }
        var body: ResourceView?
        if case .resource(let resource) = permit.request.body { body = resource }
        var permitted = PermittedRequest(
            permit: permit, body: body, isBounded: question.isBounded(permit),
            openedOrigin: page?.origin, received: asker.received,
            pageTarget: page?.target, now: asker.now, record: record)
        permitted.setting = setting
        if let body {
            permitted.record.add(policy.patients(of: body))
            switch try judgeBody(body, under: permit, of: question, setting) {
            case .refuse(let refusal): return .refuse(refusal, permitted.record)
            case .passes(let released, let reads):
                permitted.submitted = released
                permitted.unproven = reads
            }
        }
        return .permit(permitted)
    }

    /// Judges a body before anything stored is looked at: its refusal tells nothing about stored data.
    private func judgeBody(
        _ body: ResourceView, under permit: Permit, of question: AccessRequest, _ setting: WriteSetting
    ) throws(RequestRefusal) -> BodyJudgement {
        let needed = permit.referencesToProve(in: body)
        // As if all of it could be seen: what fails now needs no look-up.
        let admission = admit(
            body, as: .submitted, under: permit, visible: Set(needed), siblings: setting.siblings)
        guard let released = admission.released else {
            return .refuse(bodyRefusal(admission.withholdReason, under: permit))
        }
        guard !needed.isEmpty else { return .passes(released, proving: []) }
        guard needed.count <= Self.provingReads else {
            return .refuse(
                bodyRefusal(.referenceNotVisible, under: permit).recorded(as: .refused(reason: "body-references")))
        }
        var reads: [ProvingRead] = []
        for key in needed {
            let read = AccessRequest(
                request: try CanonicalRequest(FHIRRequest(method: .get, path: "/\(key)")), access: question.access,
                userPanel: question.userPanel, systemPanel: question.systemPanel, policy: policy)
            guard case .permit(let permit) = decide(read) else {
                return .refuse(bodyRefusal(.referenceNotVisible, under: permit))
            }
            reads.append(ProvingRead(key: key, permit: permit))
        }
        // Not to be forwarded as it is: it passes for good when everything has been read.
        return .passes(nil, proving: reads)
    }

    /// The refusal of a body.
    func bodyRefusal(_ reason: WithholdReason, under permit: Permit) -> GatewayRefusal {
        GatewayRefusal(permit.denial(for: reason, as: .submitted), realm: policy.publicBase)
            .recorded(as: .refused(reason: "body-\(reason.rawValue)"))
    }
}

extension Admission {
    var withholdReason: WithholdReason {
        switch self {
        case .withhold(let reason): reason
        case .release, .redact: .unreadable
        }
    }
}

extension AccessRequest {
    /// Whether something of the type lies outside what this permit can reach.
    func isBounded(_ permit: Permit) -> Bool {
        !permit.determining.contains { held in
            guard held.scope.constraint == nil else { return false }
            return switch held.scope.level {
            case .patient: false
            case .user: userPanel == .everyone
            case .system: systemPanel == .everyone
            }
        }
    }
}
