internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// What one batch or transaction may cost: a single request can ask for hundreds.
struct BundleBudget: Sendable {
    /// Most upstream calls of one Bundle.
    static let maxCalls = 2_000

    private let answerBytes: Int
    private var calls = 0
    private var heardBytes = 0
    private var releasedBytes = 0

    /// - Parameter answerBytes: the largest single answer that is judged whole.
    init(_ answerBytes: Int) { self.answerBytes = answerBytes }

    /// Counts the answer to a call.
    mutating func heard(_ reply: UpstreamReply) {
        calls += 1
        if case .answer(_, let body) = reply { heardBytes += body.count }
    }

    /// Whether anything further may be looked at.
    var allowsLooking: Bool { calls < Self.maxCalls && heardBytes <= 4 * answerBytes }

    /// The conclusion of an entry as there is still room for it; what was changed is told in any case.
    mutating func fitted(_ conclusion: Conclusion, isWrite: Bool) -> Conclusion {
        guard case .released(let answer) = conclusion else { return conclusion }
        // Content that is no resource cannot stand in a Bundle.
        guard answer.rawContentType == nil, answer.plainContentType == nil else {
            return .refusal(GatewayRefusal(Denial(.formatNotSupported)))
        }
        guard releasedBytes + answer.body.bytes.count > answerBytes else {
            releasedBytes += answer.body.bytes.count
            return conclusion
        }
        return isWrite ? .released(answer.withoutBody) : .refusal(.bundleTooCostly)
    }
}

extension GatewayRefusal {
    /// A batch or transaction asks for more than one request may.
    static let bundleTooCostly = GatewayRefusal(
        status: 413, issueCode: "too-costly", diagnostics: "the Bundle asks for more than one request may",
        outcome: .refused(reason: "bundle-too-costly"))
}
