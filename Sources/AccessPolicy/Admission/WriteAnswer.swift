internal import FHIRCore

/// The answer to a write: where it went, and what was stored if the token may also read it.
struct WriteAnswer {
    private let permit: Permit

    init(_ permit: Permit) { self.permit = permit }

    func admit(_ answer: UpstreamAnswer) -> AnswerAdmission {
        if case .delete = permit.request.interaction {
            return .release(ReleasedAnswer(status: 204))
        }
        let echo = resource(of: answer)
        var builder = ReleaseBuilder(permit, document: echo?.node.document)
        guard let place = location(answer, echo) else { return .refuse(Denial(.upstreamUnverifiable)) }
        var bytes: [UInt8] = []
        var isWhole = true
        if let echo, wantsBody {
            if !Expectation(permit).allows(echo, as: .answer) {
                builder.withhold(.unexpected)
                if echo.type != .operationOutcome { builder.note("the echo of a write is not what was written") }
            } else {
                // Writing does not include reading (ATK-137): the echo needs a grant of its own.
                switch permit.judgement(of: echo, as: .answer) {
                case .fails(let reason): builder.withhold(reason)
                case .passes(let redaction, let scopes):
                    isWhole = redaction.isEmpty
                    bytes = builder.release(echo, redaction, by: scopes, isProjected: false)
                }
            }
        }
        return .release(
            builder.answer(
                status: answer.status, bytes: bytes, etag: isWhole ? AnswerHeaders.etag(echo, answer.etag) : nil,
                lastModified: isWhole ? AnswerHeaders.date(answer.lastModified) : nil, location: place.text))
    }

    private var wantsBody: Bool {
        switch permit.request.prefer.answer {
        case nil, .representation: true
        case .minimal, .operationOutcome: false
        }
    }

    private struct Place { let text: String? }

    /// The `Location` on our base; nil when the upstream names a place that cannot be one of ours.
    private func location(_ answer: UpstreamAnswer, _ echo: ResourceView?) -> Place? {
        let base = permit.rule.policy.publicBase
        switch permit.request.interaction {
        case .create(let type):
            guard let header = answer.location else {
                guard let key = echo?.key, key.type == type else { return Place(text: nil) }
                return Place(text: "\(base)/\(key)")
            }
            let literal = LiteralReference(header)
            guard let key = permit.rule.forms.read(literal), key.type == type else {
                return mutated(.placesPassedOn) ? Place(text: header) : nil
            }
            return Place(text: "\(base)/\(key)" + version(literal))
        default:
            return Place(text: nil)
        }
    }

    private func version(_ literal: LiteralReference) -> String {
        switch literal {
        case .relative(_, let version?), .absolute(_, _, let version?): "/_history/\(version.text)"
        case .relative, .absolute, .fragment, .urn, .conditional, .other: ""
        }
    }
}
