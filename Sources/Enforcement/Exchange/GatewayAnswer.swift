internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// The answer to one FHIR request. It cannot be copied, and making one costs the receipt of its closing record.
///
/// The body is bytes that `AccessPolicy` released or an OperationOutcome of ours, or a Bundle of ours around such bodies,
/// as `WrittenAnswer` has written them; there is no initialiser that takes other bytes (decision 1).
public struct GatewayAnswer: ~Copyable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// The header fields, in order.
    public let fields: [(name: String, value: String)]
    let crossOrigin: CrossOriginPolicy?
    /// Where its record stands; nil where it has none.
    let handed: HandedAnswer?
    private let body: [UInt8]

    /// The bytes, by giving the answer up.
    public consuming func takeBody() -> [UInt8] { body }

    /// What was judged, written and recorded. Nil when the receipt is for another decision: then nothing may leave.
    init?(
        _ written: WrittenAnswer, of decisionID: DecisionID, receipt: consuming ClosingReceipt,
        crossOrigin: CrossOriginPolicy?
    ) {
        guard receipt.decisionID == decisionID else { return nil }
        self.init(written, requestID: decisionID, handed: HandedAnswer(receipt), crossOrigin: crossOrigin)
    }

    /// A refusal that could not be recorded; it holds no data. Its id is in no record, but tells one report of a client
    /// from another.
    init(
        unrecorded refusal: GatewayRefusal, of decisionID: DecisionID?, in format: AnswerFormat,
        crossOrigin: CrossOriginPolicy?
    ) {
        self.init(
            WrittenAnswer(.refusal(refusal), in: format), requestID: decisionID, handed: nil, crossOrigin: crossOrigin)
    }

    /// The request id is the id under which the record can be found.
    private init(
        _ written: WrittenAnswer, requestID: DecisionID?, handed: HandedAnswer?, crossOrigin: CrossOriginPolicy?
    ) {
        self.crossOrigin = crossOrigin
        self.handed = handed
        status = written.conclusion.status
        fields = written.fields + (requestID.map { [("x-request-id", $0.text)] } ?? [])
        body = written.body
    }
}

/// What an exchange has come to, before it is recorded.
enum Conclusion: Sendable {
    case released(ReleasedAnswer)
    case refusal(GatewayRefusal)
    /// The answers to the entries of a batch or transaction, each of which is one of the other two.
    case bundle(BundleResponse)

    var status: Int {
        switch self {
        case .released(let answer): answer.status
        case .refusal(let refusal): refusal.status
        case .bundle(let response): response.status
        }
    }

    var outcome: AccessOutcome {
        switch self {
        case .released, .bundle: .permitted
        case .refusal(let refusal): refusal.outcome
        }
    }

    /// What it comes to when there is nobody any more to give it to. What was done at the protected server stays done, and
    /// the record says so; nothing of the answer counts as released.
    var notGiven: Conclusion {
        switch self {
        case .refusal: self
        case .released, .bundle:
            .refusal(
                GatewayRefusal(.abandoned, changesUpstream: false)
                    .recorded(as: .interrupted(reason: "done-not-answered: status-\(status), the client had gone")))
        }
    }

    /// The types on which the protected server was seen to pass over what a narrowed search said.
    var disobeyed: Set<ResourceType> {
        switch self {
        case .released(let answer): answer.disobeyed
        case .bundle(let response): response.disobeyed
        case .refusal: []
        }
    }
}
