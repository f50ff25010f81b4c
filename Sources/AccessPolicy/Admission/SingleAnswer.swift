internal import FHIRCore

/// The answer to a read or version read: one resource, exactly the one that was asked for.
struct SingleAnswer {
    private let permit: Permit

    init(_ permit: Permit) { self.permit = permit }

    func admit(_ answer: UpstreamAnswer) -> AnswerAdmission {
        guard let view = resource(of: answer), Expectation(permit).allows(view, as: role) else {
            return .refuse(Denial(.upstreamUnverifiable))
        }
        if mutated(.conditionsBeforeJudgement), isUnchanged(view, answer) {
            return .release(ReleaseBuilder(permit, document: nil).answer(status: 304, bytes: []))
        }
        switch permit.judgement(of: view, as: role) {
        case .fails(let reason):
            return .refuse(permit.denial(for: reason, as: role))
        case .passes(let redaction, let scopes):
            if view.type == .binary, redaction.isEmpty, !isUnchanged(view, answer) {
                return RawBinary.admission(of: view, by: scopes, under: permit, answer)
            }
            var builder = ReleaseBuilder(permit, document: view.node.document)
            let bytes = builder.release(view, redaction, by: scopes, isProjected: true)
            // A validator over what was cut would tell of changes that the client does not see (b.7).
            guard redaction.isEmpty else { return .release(builder.answer(bytes: bytes)) }
            let etag = AnswerHeaders.etag(view, answer.etag)
            let lastModified = AnswerHeaders.date(answer.lastModified)
            if isUnchanged(view, answer) {
                return .release(
                    builder.answer(status: 304, bytes: [], etag: etag, lastModified: lastModified))
            }
            return .release(builder.answer(bytes: bytes, etag: etag, lastModified: lastModified))
        }
    }

    private var role: ResourceRole {
        if case .vread = permit.request.interaction { .version } else { .match }
    }

    /// The client's own conditions, evaluated only now that the resource has been admitted (row 1).
    private func isUnchanged(_ view: ResourceView, _ answer: UpstreamAnswer) -> Bool {
        let condition = permit.request.readCondition
        if condition.ifNoneMatchAny { return true }
        guard let version = view.versionID ?? answer.etag.flatMap(EntityTag.version) else { return false }
        return condition.ifNoneMatch.contains(version)
    }
}
