internal import AccessPolicy
internal import Audit

/// The answer to one FHIR request. It cannot be copied, and making one costs the receipt of its closing record.
///
/// The body is either bytes that `AccessPolicy` released or an OperationOutcome of ours, or a Bundle of ours around such
/// bodies; there is no initialiser that takes other bytes (decision 1).
public struct GatewayAnswer: ~Copyable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// The header fields, in order.
    public let fields: [(name: String, value: String)]
    let crossOrigin: CrossOriginPolicy?
    private let body: [UInt8]

    /// The bytes, by giving the answer up.
    public consuming func takeBody() -> [UInt8] { body }

    /// What was judged and recorded. Nil when the receipt is for another decision: then nothing may leave.
    init?(
        _ conclusion: Conclusion, of decisionID: DecisionID, receipt: consuming ClosingReceipt,
        crossOrigin: CrossOriginPolicy?
    ) {
        guard receipt.decisionID == decisionID else { return nil }
        self.init(conclusion, requestID: decisionID, crossOrigin: crossOrigin)
    }

    /// A refusal that could not be recorded; it holds no data. Its id is in no record, but tells one report of a client
    /// from another.
    init(unrecorded refusal: GatewayRefusal, of decisionID: DecisionID?, crossOrigin: CrossOriginPolicy?) {
        self.init(.refusal(refusal), requestID: decisionID, crossOrigin: crossOrigin)
    }

    /// The request id is the id under which the record can be found.
    private init(_ conclusion: Conclusion, requestID: DecisionID?, crossOrigin: CrossOriginPolicy?) {
        self.crossOrigin = crossOrigin
        let identifying: [AnswerFields.Field] = requestID.map { [("x-request-id", $0.text)] } ?? []
        switch conclusion {
        case .refusal(let refusal):
            status = refusal.status
            fields = refusal.fields + identifying
            body = refusal.body
        case .released(let answer):
            status = answer.status
            body = answer.body.bytes
            var fields = answer.body.bytes.isEmpty ? AnswerFields.guarded : AnswerFields.document
            if let etag = answer.etag { fields.append(("etag", etag)) }
            if let lastModified = answer.lastModified { fields.append(("last-modified", lastModified)) }
            if let location = answer.location { fields.append(("location", location)) }
            self.fields = fields + identifying
        case .bundle(let response):
            status = response.status
            body = response.bytes
            fields = AnswerFields.document + identifying
        }
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
}
