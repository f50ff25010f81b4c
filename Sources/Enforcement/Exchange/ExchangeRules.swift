internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// The judgements of an exchange: policy's decisions joined with what the protected server said. All of it is pure.
struct ExchangeRules: Sendable {
    let policy: ServerPolicy
    let pageLinks: PageLinks
    let answerBytes: Int
    let crossOrigin: CrossOriginPolicy

    enum Judgement {
        case permit(PermittedRequest)
        case refuse(GatewayRefusal, RecordDraft)
    }

    enum StoredJudgement {
        /// The stored version passed; a write that is forwarded now holds for this version only.
        case proceed(JudgedVersion?)
        case refuse(GatewayRefusal)
    }
}

/// A request that was permitted, with what its answer will need.
struct PermittedRequest: Sendable {
    let permit: Permit
    /// The body, if it has one and that passed.
    let submitted: Released?
    let record: RecordDraft
    let origin: PageOrigin
    /// The request target of a further page.
    let pageTarget: String?
    let now: Int64

    var changesUpstream: Bool { permit.request.interaction.isWrite }

    func upstreamRequest(judged: JudgedVersion?) -> UpstreamRequest {
        UpstreamRequest(permit, judged: judged, submitted: submitted, pageTarget: pageTarget)
    }
}

/// A stored version that was judged and found to be within the token's reach.
struct JudgedVersion: Sendable, Hashable {
    let key: InstanceKey
    let version: VersionID

    /// FHIR R4 http.html: the weak entity tag of a version.
    var entityTag: String { "W/\"\(version.text)\"" }
}

// MARK: - before anything is asked of the protected server

extension ExchangeRules {
    func judge(_ incoming: IncomingRequest) -> Judgement {
        var record = RecordDraft(incoming)
        switch incoming.standing {
        case .throttled: return .refuse(.throttled, record)
        case .refused(let refusal, _): return .refuse(refusal, record)
        case .verified(let access, let userPanel, let systemPanel):
            do throws(RequestRefusal) {
                let asked = try CanonicalRequest(incoming.request)
                var page: OpenedPage?
                var request = asked
                if case .page(let opaque) = asked.interaction {
                    page = pageLinks.open(opaque, for: access, now: incoming.now)
                    guard let page else { return .refuse(.notFound("page-link"), record) }
                    request = try page.originalRequest(asHead: asked.isHead)
                }
                record.describe(request)
                let decision = decide(
                    AccessRequest(
                        request: request, access: access, userPanel: userPanel, systemPanel: systemPanel,
                        policy: policy))
                switch decision {
                case .deny(let denial):
                    return .refuse(GatewayRefusal(denial, realm: policy.publicBase), record)
                case .permit(let permit):
                    return finish(permit, page: page, incoming: incoming, record: record)
                }
            } catch {
                return .refuse(GatewayRefusal(error), record)
            }
        }
    }

    private func finish(
        _ permit: Permit, page: OpenedPage?, incoming: IncomingRequest, record: RecordDraft
    ) -> Judgement {
        var record = record
        record.describe(permit)
        let narrowed = permit.upstreamQuery?.encoded ?? ""
        var permit = permit
        if let page {
            // The page belongs to the query that was asked then; under narrower rights it would be another answer.
            guard page.origin.narrowed == narrowed,
                let continued = permit.continuing(at: pageLinks.server.origin + page.target)
            else { return .refuse(.notFound("page-link"), record) }
            permit = continued
        }
        var submitted: Released?
        if case .resource(let body) = permit.request.body {
            // The body is judged before anything stored is looked at: its refusal tells nothing about stored data.
            let admission = admit(body, as: .submitted, under: permit)
            guard let released = admission.released else {
                let reason: WithholdReason = if case .withhold(let reason) = admission { reason } else { .unreadable }
                let denial = permit.denial(for: reason, as: .submitted)
                return .refuse(
                    GatewayRefusal(denial, realm: policy.publicBase)
                        .recorded(as: .refused(reason: "body-\(reason.rawValue)")), record)
            }
            submitted = released
        }
        let origin =
            page?.origin
            ?? PageOrigin(
                path: incoming.request.originPath, query: permit.request.query.encoded, narrowed: narrowed,
                holder: PageHolder(permit.access))
        return .permit(
            PermittedRequest(
                permit: permit, submitted: submitted, record: record, origin: origin, pageTarget: page?.target,
                now: incoming.now))
    }
}

extension FHIRRequest {
    /// The path of the same search as GET.
    var originPath: String {
        let form = "/_search"
        return method == .post && path.hasSuffix(form) ? String(path.dropLast(form.count)) : path
    }
}

extension OpenedPage {
    /// The request whose page this is, parsed anew.
    func originalRequest(asHead: Bool) throws(RequestRefusal) -> CanonicalRequest {
        let request = try CanonicalRequest(
            FHIRRequest(
                method: asHead ? .head : .get, path: origin.path,
                query: origin.query.isEmpty ? nil : origin.query))
        if case .page = request.interaction {
            throw RequestRefusal(status: 404, issueCode: "not-found", diagnostics: "the resource was not found")
        }
        return request
    }
}

// MARK: - after the protected server has answered

extension ExchangeRules {
    /// Judges the stored version that a write, a vread or a history is about.
    func judgeStored(_ buffer: AnswerBuffer, for permitted: PermittedRequest) -> StoredJudgement {
        guard let head = buffer.head, let key = permitted.permit.precondition?.instance else {
            return .refuse(.uncheckable("stored-unreadable"))
        }
        // A deleted resource and one that never was look alike; so does one that may not be seen (decision 10).
        if head.status == 404 || head.status == 410 { return .refuse(.notFound("stored-absent")) }
        guard head.status == 200 else { return .refuse(.uncheckable("stored-status-\(head.status)")) }
        guard let document = try? JSONDocument(buffer.body), let resource = try? ResourceView(document.root),
            resource.key == key
        else { return .refuse(.uncheckable("stored-unreadable")) }
        if case .withhold(let reason) = admit(resource, as: .stored, under: permitted.permit) {
            return .refuse(.notFound("stored-\(reason.rawValue)"))
        }
        guard permitted.changesUpstream else { return .proceed(nil) }
        // Without a version a write could meet another state than the one that was judged.
        guard let version = resource.versionID ?? head.etag.flatMap(Self.version(ofEntityTag:)) else {
            return .refuse(.uncheckable("stored-without-version"))
        }
        if let wanted = permitted.permit.request.ifMatch, wanted != version { return .refuse(.versionConflict) }
        return .proceed(JudgedVersion(key: key, version: version))
    }

    /// `W/"v"` (FHIR R4 http.html).
    private static func version(ofEntityTag tag: String) -> VersionID? {
        guard tag.hasPrefix("W/\""), tag.hasSuffix("\""), tag.utf8.count > 4 else { return nil }
        return VersionID(tag.dropFirst(3).dropLast())
    }

    /// Judges the whole answer to the request itself.
    func judgeAnswer(
        _ buffer: AnswerBuffer, for permitted: PermittedRequest, record: inout RecordDraft
    ) -> Conclusion {
        guard let head = buffer.head else { return .refusal(.uncheckable("answer-without-head")) }
        let answer = UpstreamAnswer(
            status: head.status, contentType: head.contentType, etag: head.etag, lastModified: head.lastModified,
            location: head.location, body: buffer.body)
        let admission = admitAnswer(answer, under: permitted.permit) { link in
            pageLinks.link(to: link, of: permitted.origin, now: permitted.now)
        }
        switch admission {
        case .refuse(let denial):
            let refusal = GatewayRefusal(denial, realm: policy.publicBase)
            guard permitted.changesUpstream else { return .refusal(refusal) }
            return .refusal(refusal.afterWrite(status: head.status))
        case .release(let released):
            record.describe(released)
            if let etag = released.etag, permitted.clientHas(etag) { return .notModified(etag: etag) }
            return .released(released)
        }
    }
}

extension PermittedRequest {
    /// Conditional reads are answered by us, after judging (enforcer.md b.4 row 1, ATK-006). `If-Modified-Since` is
    /// not evaluated, as RFC 9110 §13.1.3 allows: a whole answer is never wrong.
    fileprivate func clientHas(_ etag: String) -> Bool {
        let condition = permit.request.readCondition
        return condition.ifNoneMatchAny || condition.ifNoneMatch.contains { etag == "W/\"\($0.text)\"" }
    }
}

extension GatewayRefusal {
    /// The refusal of a write's answer. If the protected server says that it was done, or does not say that it was
    /// not, the record must not read as if nothing had happened.
    func afterWrite(status: Int) -> GatewayRefusal {
        switch status {
        case 200..<300: recorded(as: .interrupted(reason: "written-answer-withheld"))
        case 400..<500: self
        default: recorded(as: .interrupted(reason: "outcome-unknown: status-\(status)"))
        }
    }
}
