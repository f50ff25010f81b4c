internal import AccessPolicy
internal import Audit
internal import FHIRCore

// What the protected server's answers come to.

extension ExchangeRules {
    /// Judges one resource that the body refers to: it counts as visible if this token could have read it.
    func judgeReference(
        _ head: UpstreamHead, _ body: [UInt8], for permitted: PermittedRequest
    ) -> StoredJudgement {
        guard let read = permitted.unproven.first else { return .refuse(.uncheckable("reference-unreadable")) }
        let invisible = bodyRefusal(.referenceNotVisible, under: permitted.permit)
        // Absent, deleted, foreign and unreadable have one face.
        guard head.status < 500 else { return .refuse(.uncheckable("reference-status-\(head.status)")) }
        guard head.status == 200, let resource = Self.resource(body), resource.key == read.key,
            admit(resource, as: .match, under: read.permit).released != nil || mutated(.referenceReadsUnjudged)
        else { return .refuse(invisible) }
        var proven = permitted
        proven.unproven.removeFirst()
        proven.visible.insert(read.key)
        guard proven.unproven.isEmpty, let body = proven.body else { return .proceed(proven) }
        let admission = admit(
            body, as: .submitted, under: proven.permit, visible: proven.visible, siblings: proven.setting.siblings)
        guard let released = admission.released else {
            return .refuse(bodyRefusal(admission.withholdReason, under: proven.permit))
        }
        proven.submitted = released
        return .proceed(proven)
    }

    /// Judges the stored version that a write, a vread or a history is about.
    func judgeStored(_ head: UpstreamHead, _ body: [UInt8], for permitted: PermittedRequest) -> StoredJudgement {
        guard let key = permitted.permit.precondition?.instance else {
            return .refuse(.uncheckable("stored-unreadable"))
        }
        // A deleted resource and one that never was look alike; so does one that may not be seen (decision 10).
        if head.status == 404 || head.status == 410 { return .refuse(.notFound("stored-absent")) }
        guard head.status == 200 else { return .refuse(.uncheckable("stored-status-\(head.status)")) }
        guard let stored = Self.resource(body), stored.key == key else {
            return .refuse(hidingStored(.uncheckable("stored-unreadable"), for: permitted))
        }
        if case .withhold(let reason) = admit(stored, as: .stored, under: permitted.permit) {
            let denial = permitted.permit.denial(for: reason, as: .stored)
            return .refuse(GatewayRefusal(denial).recorded(as: .refused(reason: "stored-\(reason.rawValue)")))
        }
        var judged = permitted
        judged.isStoredUnjudged = false
        guard permitted.changesUpstream else { return .proceed(judged) }
        // Without a version a write could meet another state than the one that was judged.
        guard let version = stored.versionID ?? head.etag.flatMap(EntityTag.version) else {
            return .refuse(.uncheckable("stored-without-version"))
        }
        if let wanted = permitted.permit.request.ifMatch, wanted != version, !mutated(.staleIfMatchTaken) {
            return .refuse(.versionConflict)
        }
        judged.judged = JudgedVersion(key: key, version: version)
        judged.record.add(policy.patients(of: stored))
        if let body = permitted.body {
            // Two resources that pass on their own can still differ in whose they are (row 14, ATK-123, ATK-124).
            let admission = admitReplacement(
                body, of: stored, under: permitted.permit, visible: permitted.visible,
                siblings: permitted.setting.siblings)
            guard let released = admission.released else {
                return .refuse(bodyRefusal(admission.withholdReason, under: permitted.permit))
            }
            judged.submitted = released
        }
        return .proceed(judged)
    }

    /// A body as a resource, if it is one.
    static func resource(_ body: [UInt8]) -> ResourceView? {
        guard let document = try? JSONDocument(body) else { return nil }
        return try? ResourceView(document.root)
    }

    /// Judges the whole answer to the request itself, whose record is filled in; in place, for it is not small.
    func judgeAnswer(
        _ head: UpstreamHead, _ body: [UInt8], for permitted: inout PermittedRequest
    ) -> Conclusion {
        let answer = UpstreamAnswer(
            status: head.status, contentType: head.contentType, etag: head.etag, lastModified: head.lastModified,
            location: head.location, body: body)
        var hasLostPage = false
        let admission = admitAnswer(answer, under: permitted.permit) { link in
            let ours = pageLinks.link(to: link, of: permitted.origin, now: permitted.now)
            if ours == nil { hasLostPage = true }
            return ours
        }
        switch admission {
        case .refuse(let denial):
            let refusal = GatewayRefusal(denial, realm: policy.publicBase)
            guard permitted.changesUpstream else {
                let isOfContent = denial.reason == .upstreamUnverifiable && head.status == 200
                return .refusal(
                    isOfContent && permitted.isAboutOneInstance ? hidingStored(refusal, for: permitted) : refusal)
            }
            return .refusal(refusal.afterWrite(status: head.status))
        case .release(let released):
            // A page that seems to be the last one and is not would be believed.
            guard !hasLostPage else { return .refusal(.uncheckable("next-page-unlinkable")) }
            permitted.record.describe(released)
            return .released(released)
        }
    }

    /// The refusal of an answer that has grown too large, or did not come.
    func refusal(
        for failure: UpstreamFailure, of permitted: PermittedRequest, mayHaveChanged: Bool
    ) -> GatewayRefusal {
        let refusal = GatewayRefusal(failure, changesUpstream: mayHaveChanged)
        guard failure == .tooLarge, !mayHaveChanged else { return refusal }
        if !permitted.unproven.isEmpty {
            return bodyRefusal(.referenceNotVisible, under: permitted.permit).recorded(as: refusal.outcome)
        }
        // Whatever is not forwarded for good was a look at one stored resource.
        let isLook = permitted.isAboutOneInstance || permitted.changesUpstream
        return isLook ? hidingStored(refusal, for: permitted) : refusal
    }

    /// What cannot be judged may be anybody's: inside a boundary it looks like what is not there (decision 5), and
    /// only the record says why.
    private func hidingStored(_ refusal: GatewayRefusal, for permitted: PermittedRequest) -> GatewayRefusal {
        permitted.isBounded && !mutated(.uncheckableShown)
            ? GatewayRefusal(Denial(.notFound)).recorded(as: refusal.outcome) : refusal
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
