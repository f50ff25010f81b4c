internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// One step of a bulk export: its start, a look at it, its end, or one of its files.
struct BulkErrand: Errand {
    enum Step: Sendable {
        /// What the job will be, without its place at the protected server.
        case start(job: ExportJob)
        case look(ExportJob)
        case delete(ExportJob)
        case fetch(BulkFilePlace)
    }

    /// How far the start of a job is. The job is kept before the protected server hears of it: whenever this process dies,
    /// what may run there is known here.
    private enum Beginning: Sendable {
        /// It is being kept, without its place.
        case noting
        /// The protected server is asked.
        case asking
        /// The place that it has said is being kept.
        case locating(String)
        /// It is told to nobody, and is being deleted at the protected server.
        case givingUp(GatewayRefusal)
        /// Nothing came of it, or nothing that can be reached; it is being forgotten.
        case forgetting(Conclusion)
    }

    private let rules: ExchangeRules
    private let permit: BulkPermit
    private let step: Step
    private(set) var record: RecordDraft
    private var beginning = Beginning.noting

    init(_ step: Step, _ permit: BulkPermit, record: RecordDraft, rules: ExchangeRules) {
        self.step = step
        self.permit = permit
        self.record = record
        self.rules = rules
    }

    mutating func start() -> ErrandStep {
        switch step {
        case .start(let job): .keep(.insert(job))
        case .look(let job):
            .look(UpstreamRequest(permit, method: .get, target: job.target).accepting("application/json"))
        // It is over for us first: whatever comes of the call, the deletion is then not lost.
        case .delete(let job): .keep(.end(job.id))
        case .fetch(let place):
            .look(
                UpstreamRequest(permit, method: .get, target: place.target).accepting("application/fhir+ndjson")
                    .at(storage: place.storage))
        }
    }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch (step, reply) {
        case (.start(let job), _): return heard(reply, starting: job)
        // What the protected server has not deleted now is deleted later (``ExportJobUpkeep``).
        case (.delete, _): return .conclude(release(permit.deleted))
        case (.look, .failed(let failure)), (.fetch, .failed(let failure)):
            return .conclude(.refusal(GatewayRefusal(failure, changesUpstream: changesUpstream)))
        case (.look(let job), .answer(let head, let body)): return .conclude(looked(head, body, job))
        case (.fetch(let place), .answer(let head, let body)): return .conclude(fetched(head, body, place))
        }
    }

    mutating func changed(_ outcome: ExportJobChange.Outcome) -> ErrandStep {
        switch (step, outcome) {
        case (.start(let job), _): return changed(outcome, starting: job)
        case (.delete(let job), .done):
            return .change(UpstreamRequest(permit, method: .delete, target: job.target))
        case (.delete, .refused): return .conclude(.refusal(.notFound("bulk-job")))
        case (.delete, .failed), (.look, _), (.fetch, _): return .conclude(.refusal(.jobsUnavailable))
        }
    }

    func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        if case .givingUp(let told) = beginning { return .refusal(told.deleted(reply?.status)) }
        guard changesUpstream, let reply else { return .refusal(refusal) }
        return .refusal(refusal.afterWrite(status: reply.status ?? 0))
    }

    /// A job that was begun for a token which ended meanwhile is nobody's: the protected server is told to delete it.
    mutating func stopping(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> ErrandStep {
        let conclusion = stopped(refusal, after: reply)
        guard case .start(let job) = step else { return .conclude(conclusion) }
        switch beginning {
        case .noting, .locating, .forgetting: return .conclude(conclusion)
        case .givingUp(let told): return gaveUp(job, told, status: reply?.status)
        case .asking:
            guard case .answer(let head, _)? = reply, head.status == 202, let target = target(of: head),
                case .refusal(let told) = conclusion
            else { return forget(job, conclusion) }
            return giveUp(target, told.recorded(as: .interrupted(reason: "export-not-kept")))
        }
    }

    // MARK: - the start of a job

    private mutating func heard(_ reply: UpstreamReply, starting job: ExportJob) -> ErrandStep {
        switch (beginning, reply) {
        case (.givingUp(let told), _): return gaveUp(job, told, status: reply.status)
        case (_, .failed(let failure)):
            return forget(job, .refusal(GatewayRefusal(failure, changesUpstream: true)))
        case (_, .answer(let head, _)):
            guard head.status == 202 else { return forget(job, refused(head.status).after(head.status)) }
            guard let target = target(of: head) else {
                let refusal = GatewayRefusal.uncheckable("bulk-job-elsewhere").afterWrite(status: head.status)
                return forget(job, .refusal(refusal))
            }
            beginning = .locating(target)
            return .keep(.locate(job.id, at: target))
        }
    }

    private mutating func changed(_ outcome: ExportJobChange.Outcome, starting job: ExportJob) -> ErrandStep {
        switch (beginning, outcome) {
        case (.noting, .done):
            beginning = .asking
            return .change(UpstreamRequest(permit))
        // It is kept as ended, because its client or grant is; the protected server has heard nothing of it.
        case (.noting, .refused): return forget(job, .refusal(.jobsUnavailable))
        case (.noting, .failed), (.asking, _), (.givingUp, _): return .conclude(.refusal(.jobsUnavailable))
        case (.locating, .done):
            return .conclude(release(permit.started(at: rules.pageLinks.address(ofJob: job.id))))
        // Nobody could ever look at it, or at its files.
        case (.locating(let target), .refused), (.locating(let target), .failed):
            return giveUp(
                target, GatewayRefusal.jobsUnavailable.recorded(as: .interrupted(reason: "export-not-kept")))
        // What is not forgotten now is reported at the next start.
        case (.forgetting(let conclusion), _): return .conclude(conclusion)
        }
    }

    /// Deletes at the protected server what was begun there and is told to nobody.
    private mutating func giveUp(_ target: String, _ refusal: GatewayRefusal) -> ErrandStep {
        beginning = .givingUp(refusal)
        return .change(UpstreamRequest(permit, method: .delete, target: target))
    }

    /// Forgets a job that the protected server has deleted. One that it has not stays: with its place it is asked for
    /// again, without it is reported at the next start.
    private mutating func gaveUp(_ job: ExportJob, _ told: GatewayRefusal, status: Int?) -> ErrandStep {
        let refusal = told.deleted(status)
        guard refusal.outcome == told.outcome else { return .conclude(.refusal(refusal)) }
        return forget(job, .refusal(refusal))
    }

    private mutating func forget(_ job: ExportJob, _ conclusion: Conclusion) -> ErrandStep {
        beginning = .forgetting(conclusion)
        return .keep(.forget(job.id))
    }

    private var changesUpstream: Bool {
        switch step {
        case .start, .delete: true
        case .look, .fetch: false
        }
    }

    // MARK: - answers

    /// Where the protected server keeps a job that it has begun; nil where that is not ours to ask.
    private func target(of head: UpstreamHead) -> String? {
        head.contentLocation.flatMap { rules.pageLinks.server.requestTarget(ofLink: $0) }
    }

    private mutating func looked(_ head: UpstreamHead, _ body: [UInt8], _ job: ExportJob) -> Conclusion {
        if head.status == 202 { return release(permit.waiting(seconds: Self.secondsBetweenLooks)) }
        guard head.status == 200 else { return refused(head.status) }
        guard let manifest = BulkManifest(UpstreamAnswer(head, body), under: permit) else {
            return .refusal(.uncheckable("bulk-manifest-unreadable"))
        }
        let pageLinks = rules.pageLinks
        let request = pageLinks.publicBase + job.path + (job.query.isEmpty ? "" : "?\(job.query)")
        let answer = manifest.admitted(request: request) { file in
            pageLinks.address(of: file, inJob: job.id)
        }
        guard let answer else { return .refusal(.uncheckable("bulk-file-elsewhere")) }
        return release(answer)
    }

    private mutating func fetched(_ head: UpstreamHead, _ body: [UInt8], _ place: BulkFilePlace) -> Conclusion {
        guard head.status == 200 else { return refused(head.status) }
        guard Self.isFile(head, place) else { return .refusal(.uncheckable("bulk-file-type")) }
        var lines = BulkLines(of: place.type, under: permit)
        for line in body.split(separator: UInt8(ascii: "\n")) { lines.take(line) }
        return release(lines.finished())
    }

    func streamed(_ head: UpstreamHead) -> (any StreamedAdmission)? {
        guard case .fetch(let place) = step, head.status == 200, Self.isFile(head, place) else { return nil }
        return StreamedLines(of: place.type, under: permit, mostBytesALine: rules.limits.streamedPieceBytes)
    }

    private static func isFile(_ head: UpstreamHead, _ place: BulkFilePlace) -> Bool {
        let essence = (head.contentType ?? "").prefix { $0 != ";" }.lowercased()
        if ["application/fhir+ndjson", "application/ndjson", "application/x-ndjson"].contains(essence) { return true }
        // A host for files of all kinds may not know what this one is; its lines are judged all the same.
        return place.storage != nil && ["", "application/octet-stream", "binary/octet-stream"].contains(essence)
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

extension GatewayRefusal {
    /// The refusal of a job that was given up, when the protected server has said what became of it there.
    fileprivate func deleted(_ status: Int?) -> GatewayRefusal {
        switch status {
        case .some(200..<300), 404, 410: self
        default: recorded(as: .interrupted(reason: "export-not-kept: not deleted, status-\(status ?? 0)"))
        }
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
        // Without a store of jobs nobody could look at what was started.
        guard !asker.newJobID.isEmpty else { return .refuse(.jobsUnavailable, record) }
        switch decideExport(asker.question(request, policy)) {
        case .deny(let denial): return .refuse(GatewayRefusal(denial, realm: policy.publicBase), record)
        case .permit(let permit):
            record.describe(permit.kickOff)
            // With the types that come out: a token of another day has to be good for all of them.
            let job = ExportJob(
                id: asker.newJobID, base: policy.publicBase, client: asker.access.clientID,
                grant: asker.access.grantID, path: asker.received.path,
                query: permit.kickOff.upstreamQuery?.encoded ?? "", target: "", startedAt: asker.now,
                expiresAt: asker.now + ExportJob.lifetime)
            return .begin(BulkErrand(.start(job: job), permit, record: record, rules: self))
        }
    }

    /// A look at an export, its end, or one of its files: for the client that started it, and as far as its token of
    /// today could start it again. For everybody else there is no such job (ATK-241, ATK-242).
    func judge(_ place: BulkPlace, of asker: Asker, record: RecordDraft) -> Judgement {
        var record = record
        let unknown = GatewayRefusal.notFound("bulk-job")
        guard let job = asker.exportJob,
            pageLinks.isOpen(job, under: place.job, for: asker.access.clientID, now: asker.now),
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
        case .look: step = .look(job)
        case .delete: step = .delete(job)
        case .fetch(let name):
            guard let file = pageLinks.file(name, inJob: place.job), permit.types.contains(file.type) else {
                return .refuse(unknown, record)
            }
            step = .fetch(file)
        }
        return .begin(BulkErrand(step, permit, record: record, rules: self))
    }
}
