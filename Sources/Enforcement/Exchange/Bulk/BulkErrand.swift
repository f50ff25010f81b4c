internal import AccessPolicy
internal import FHIRCore

/// One step of a bulk export: its start, a look at it, its end, or one of its files.
struct BulkErrand: Errand {
    enum Step: Sendable {
        case start(path: String, query: String)
        case look(BulkJob, name: String)
        case delete(BulkJob)
        case fetch(type: ResourceType, target: String)
    }

    private let rules: ExchangeRules
    private let permit: BulkPermit
    private let step: Step
    private let client: ClientID
    private let now: Int64
    private(set) var record: RecordDraft

    init(
        _ step: Step, _ permit: BulkPermit, client: ClientID, now: Int64, record: RecordDraft, rules: ExchangeRules
    ) {
        self.step = step
        self.permit = permit
        self.client = client
        self.now = now
        self.record = record
        self.rules = rules
    }

    mutating func start() -> ErrandStep {
        switch step {
        case .start: .change(UpstreamRequest(permit))
        case .look(let job, _):
            .look(UpstreamRequest(permit, method: .get, target: job.target).accepting("application/json"))
        case .delete(let job): .change(UpstreamRequest(permit, method: .delete, target: job.target))
        case .fetch(_, let target):
            .look(UpstreamRequest(permit, method: .get, target: target).accepting("application/fhir+ndjson"))
        }
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch reply {
        case .failed(let failure):
            return .conclude(.refusal(GatewayRefusal(failure, changesUpstream: changesUpstream)))
        case .answer(let head, let body):
            switch step {
            case .start(let path, let query): return .conclude(started(head, path, query))
            case .look(let job, let name): return .conclude(looked(head, body, job, name))
            case .delete: return .conclude(deleted(head))
            case .fetch(let type, _): return .conclude(fetched(head, body, type))
            }
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        guard changesUpstream, let reply else { return .refusal(refusal) }
        return .refusal(refusal.afterWrite(status: reply.status ?? 0))
    }

    private var changesUpstream: Bool {
        switch step {
        case .start, .delete: true
        case .look, .fetch: false
        }
    }

    // MARK: - answers

    private mutating func started(_ head: UpstreamHead, _ path: String, _ query: String) -> Conclusion {
        guard head.status == 202 else { return refused(head.status).after(head.status) }
        guard let location = head.contentLocation,
            let address = rules.pageLinks.address(
                ofJobAt: location, startedBy: client, path: path, query: query, now: now)
        else { return .refusal(GatewayRefusal.uncheckable("bulk-job-elsewhere").afterWrite(status: head.status)) }
        return release(permit.started(at: address))
    }

    private mutating func looked(_ head: UpstreamHead, _ body: [UInt8], _ job: BulkJob, _ name: String) -> Conclusion {
        if head.status == 202 { return release(permit.waiting(seconds: Self.secondsBetweenLooks)) }
        guard head.status == 200 else { return refused(head.status) }
        guard let manifest = BulkManifest(UpstreamAnswer(head, body), under: permit) else {
            return .refusal(.uncheckable("bulk-manifest-unreadable"))
        }
        let pageLinks = rules.pageLinks
        let request = pageLinks.publicBase + job.path + (job.query.isEmpty ? "" : "?\(job.query)")
        let answer = manifest.admitted(request: request) { file in
            pageLinks.address(of: file, inJob: name)
        }
        guard let answer else { return .refusal(.uncheckable("bulk-file-elsewhere")) }
        return release(answer)
    }

    private mutating func deleted(_ head: UpstreamHead) -> Conclusion {
        switch head.status {
        case 200..<300, 404, 410: release(permit.deleted)
        default: refused(head.status).after(head.status)
        }
    }

    private mutating func fetched(_ head: UpstreamHead, _ body: [UInt8], _ type: ResourceType) -> Conclusion {
        guard head.status == 200 else { return refused(head.status) }
        let essence = (head.contentType ?? "").prefix { $0 != ";" }.lowercased()
        guard ["application/fhir+ndjson", "application/ndjson", "application/x-ndjson"].contains(essence) else {
            return .refusal(.uncheckable("bulk-file-type"))
        }
        var lines = BulkLines(of: type, under: permit)
        for line in body.split(separator: UInt8(ascii: "\n")) { lines.take(line) }
        return release(lines.finished())
    }

    /// Seconds after which a client should look again.
    private static let secondsBetweenLooks = 10

    private mutating func release(_ answer: ReleasedAnswer) -> Conclusion {
        record.describe(answer)
        return .released(answer)
    }

    private func refused(_ status: Int) -> Conclusion {
        let reason: DenialReason =
            switch status {
            case 404, 410: .notFound
            case 400, 422: .upstreamRejected
            case 429, 503: .upstreamBusy
            default: .upstreamFailed
            }
        return .refusal(GatewayRefusal(Denial(reason)))
    }
}

extension Conclusion {
    /// The conclusion after something that may have been done.
    fileprivate func after(_ status: Int) -> Conclusion {
        switch self {
        case .released, .bundle: self
        case .refusal(let refusal): .refusal(refusal.afterWrite(status: status))
        }
    }
}

extension ExchangeRules {
    /// Starts an export.
    func startExport(_ request: CanonicalRequest, of asker: Asker, record: RecordDraft) -> Judgement {
        var record = record
        record.describe(request)
        switch decideExport(asker.question(request, policy)) {
        case .deny(let denial): return .refuse(GatewayRefusal(denial, realm: policy.publicBase), record)
        case .permit(let permit):
            record.describe(permit.kickOff)
            // With the types that come out: a token of another day has to be good for all of them.
            let step = BulkErrand.Step.start(
                path: asker.received.path, query: permit.kickOff.upstreamQuery?.encoded ?? "")
            return .begin(
                BulkErrand(
                    step, permit, client: asker.access.clientID, now: asker.now, record: record, rules: self))
        }
    }

    /// A look at an export, its end, or one of its files: for the client that started it, and as far as its token of
    /// today could start it again. For everybody else there is no such job (ATK-241, ATK-242).
    func judge(_ place: BulkPlace, of asker: Asker, record: RecordDraft) -> Judgement {
        var record = record
        let unknown = GatewayRefusal.notFound("bulk-job")
        guard let job = pageLinks.job(place.job, for: asker.access.clientID, now: asker.now),
            let request = try? CanonicalRequest(
                FHIRRequest(method: .get, path: job.path, query: job.query.isEmpty ? nil : job.query))
        else { return .refuse(unknown, record) }
        record.describe(request)
        guard case .permit(let permit) = decideExport(asker.question(request, policy)) else {
            return .refuse(unknown, record)
        }
        record.describe(permit.kickOff)
        let step: BulkErrand.Step
        switch place.action {
        case .look: step = .look(job, name: place.job)
        case .delete: step = .delete(job)
        case .fetch(let name):
            guard let file = pageLinks.file(name, inJob: place.job), permit.types.contains(file.type) else {
                return .refuse(unknown, record)
            }
            step = .fetch(type: file.type, target: file.target)
        }
        return .begin(
            BulkErrand(step, permit, client: asker.access.clientID, now: asker.now, record: record, rules: self))
    }
}
