internal import AccessPolicy
internal import Audit
internal import FHIRCore

/// The proof that the opening record of one decision is durable, for all parts of its answer.
struct StreamPass: Sendable {
    let decisionID: DecisionID

    init(_ receipt: borrowing OpeningReceipt) { decisionID = receipt.decisionID }
}

/// Status and header fields of an answer that is sent in pieces.
public struct StreamedHead: Sendable {
    /// The HTTP status.
    public let status: Int
    /// The header fields, in order.
    public let fields: [(name: String, value: String)]
    let crossOrigin: CrossOriginPolicy?

    init(_ answer: ReleasedAnswer, of decisionID: DecisionID, crossOrigin: CrossOriginPolicy?) {
        status = answer.status
        self.crossOrigin = crossOrigin
        let fields =
            answer.plainContentType.map { [("content-type", $0)] + AnswerFields.guarded }
            ?? AnswerFields.document(in: .json)
        self.fields = fields + [("x-request-id", decisionID.text)]
    }
}

/// A part of an answer that is sent in pieces. It cannot be copied.
///
/// Its body is bytes that `AccessPolicy` released; a part costs the pass that the opening record gives, the last one the
/// receipt of the closing record (decisions 1 and 2).
public struct StreamedPart: ~Copyable, Sendable {
    /// Only with the first part.
    public let head: StreamedHead?
    /// Of the last part, where the record of the answer stands.
    let handed: HandedAnswer?
    private let body: [UInt8]

    /// The bytes, by giving the part up.
    public consuming func takeBody() -> [UInt8] { body }

    /// A part that others follow.
    init(_ released: Released, head: StreamedHead?, pass: StreamPass) {
        self.head = head
        handed = nil
        body = released.bytes
    }

    /// The last part. Nil when the receipt is for another decision: then the answer must not seem whole.
    init?(last released: Released, head: StreamedHead?, pass: StreamPass, receipt: consuming ClosingReceipt) {
        guard receipt.decisionID == pass.decisionID else { return nil }
        self.head = head
        handed = HandedAnswer(receipt)
        body = released.bytes
    }
}
