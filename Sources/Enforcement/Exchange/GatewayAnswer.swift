internal import AccessPolicy
internal import Audit

/// The answer to one FHIR request. It cannot be copied, and making one costs the receipt of its closing record.
///
/// The body is either bytes that `AccessPolicy` released or an OperationOutcome of ours; there is no initialiser that
/// takes other bytes (decision 1).
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
            if let type = answer.rawContentType {
                // Row 28: content that somebody has uploaded is kept, never shown as a page of ours.
                fields = [("content-type", type), ("content-disposition", "attachment")] + AnswerFields.guarded
            }
            if let type = answer.plainContentType { fields = [("content-type", type)] + AnswerFields.guarded }
            if let place = answer.contentLocation { fields.append(("content-location", place)) }
            if let seconds = answer.retryAfter { fields.append(("retry-after", String(seconds))) }
            if let etag = answer.etag { fields.append(("etag", etag)) }
            if let lastModified = answer.lastModified { fields.append(("last-modified", lastModified)) }
            if let location = answer.location { fields.append(("location", location)) }
            self.fields = fields + identifying
        }
    }
}

/// What an exchange has come to, before it is recorded.
enum Conclusion: Sendable {
    case released(ReleasedAnswer)
    case refusal(GatewayRefusal)

    var status: Int {
        switch self {
        case .released(let answer): answer.status
        case .refusal(let refusal): refusal.status
        }
    }

    var outcome: AccessOutcome {
        switch self {
        case .released: .permitted
        case .refusal(let refusal): refusal.outcome
        }
    }
}
