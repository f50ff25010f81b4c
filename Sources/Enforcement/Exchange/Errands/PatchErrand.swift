internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// A JSON Patch of an instance: the stored version is read and judged, the patch applied to it here, and what comes of it
/// judged and sent as an update tied to that version (enforcer.md b.4 row 17).
struct PatchErrand: Errand {
    private enum Phase {
        case reading
        /// The update, and what was read for the patch; the update's own look at the same version is answered with it.
        case writing(any Errand, known: UpstreamReply)
    }

    private let rules: ExchangeRules
    private let asker: Asker
    private let patch: JSONPatch
    private let key: InstanceKey
    /// The permit of a read, where the patch tells what it reads.
    private let reading: Permit?
    private var permitted: PermittedRequest
    private var phase = Phase.reading

    init(
        _ patch: JSONPatch, of key: InstanceKey, _ permitted: PermittedRequest, reading: Permit?, asker: Asker,
        rules: ExchangeRules
    ) {
        self.patch = patch
        self.key = key
        self.permitted = permitted
        self.reading = reading
        self.asker = asker
        self.rules = rules
        self.permitted.record.settle()
    }

    var record: RecordDraft {
        switch phase {
        case .reading: permitted.record
        case .writing(let errand, _): errand.record
        }
    }

    private var look: UpstreamRequest {
        UpstreamRequest(readingFirst: .currentVersion(key), for: permitted.permit)
    }

    mutating func start() -> ErrandStep { .look(look) }

    mutating func heard(_ reply: UpstreamReply) -> ErrandStep {
        switch (phase, reply) {
        case (.reading, .failed(let failure)):
            return .conclude(.refusal(rules.refusal(for: failure, of: permitted, mayHaveChanged: false)))
        case (.reading, .answer(let head, let body)):
            switch rules.judgeStored(head, body, for: permitted) {
            case .refuse(let refusal): return .conclude(.refusal(refusal))
            case .proceed(let judged):
                permitted = judged
                return apply(to: body, reply)
            }
        case (.writing(var errand, let known), _):
            return follow(errand.heard(reply), errand, known)
        }
    }

    mutating func stopped(_ refusal: GatewayRefusal, after reply: UpstreamReply?) -> Conclusion {
        guard case .writing(var errand, let known) = phase else { return .refusal(refusal) }
        let conclusion = errand.stopped(refusal, after: reply)
        phase = .writing(errand, known: known)
        return conclusion
    }

    private mutating func apply(to body: [UInt8], _ reply: UpstreamReply) -> ErrandStep {
        guard let stored = ExchangeRules.resource(body), let version = permitted.judged?.version else {
            return .conclude(.refusal(.uncheckable("stored-unreadable")))
        }
        // What it tells of the stored version has to be what the token may read of it: all of it, for the patch is
        // applied to the whole and not to what a redaction would leave.
        if let reading, !mutated(.patchTestsUnread) {
            switch admit(stored, as: .match, under: reading) {
            case .release: break
            // It can be read in part, so that it is there is no secret.
            case .redact:
                return .conclude(
                    .refusal(
                        GatewayRefusal(Denial(.bodyOutsideBoundary)).recorded(
                            as: .refused(reason: "stored-cut-for-token"))))
            case .withhold: return .conclude(.refusal(.notFound("stored-unreadable-for-token")))
            }
        }
        switch patched(stored, by: patch, under: permitted.permit) {
        case .refuse(let denial): return .conclude(.refusal(GatewayRefusal(denial)))
        case .body(let bytes):
            guard let update = try? permitted.permit.request.updating(key, to: bytes, from: version) else {
                return .conclude(.refusal(GatewayRefusal(Denial(.patchFailed))))
            }
            switch rules.judge(update, of: asker, page: nil, record: permitted.record) {
            case .refuse(let refusal, let record):
                permitted.record = record
                return .conclude(.refusal(refusal))
            case .begin(var errand): return follow(errand.start(), errand, reply)
            }
        }
    }

    private mutating func follow(_ step: ErrandStep, _ errand: any Errand, _ known: UpstreamReply) -> ErrandStep {
        var (step, errand) = (step, errand)
        // The version is judged under the update's permit too; it need not be fetched twice for that.
        while case .look(let request) = step, request == look { step = errand.heard(known) }
        phase = .writing(errand, known: known)
        return step
    }
}
