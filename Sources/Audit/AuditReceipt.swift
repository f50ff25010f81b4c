public import AccessPolicy

/// The proof that the opening record of one decision is durable.
///
/// Only `AuditRecorder` makes one. It cannot be copied, and `close` consumes it.
public struct OpeningReceipt: ~Copyable, Sendable {
    /// The decision that was recorded; the receipt answers no other.
    public let decisionID: DecisionID
    /// The place of the opening record in its node's chain.
    let sequence: Int64

    init(decisionID: DecisionID, sequence: Int64) {
        self.decisionID = decisionID
        self.sequence = sequence
    }
}

/// The proof that the whole record of one decision is durable, so that its answer may end.
///
/// Only `AuditRecorder` makes one. It cannot be copied: the answer that consumes it is the only one.
public struct ClosingReceipt: ~Copyable, Sendable {
    /// The decision that was recorded; the receipt answers no other.
    public let decisionID: DecisionID
    /// The place of the record in its node's chain; those of its parts stand directly before it.
    let sequence: Int64
    /// Whether the record was whole, or ended an opening one.
    let phase: AuditPhase

    init(decisionID: DecisionID, sequence: Int64, phase: AuditPhase = .whole) {
        self.decisionID = decisionID
        self.sequence = sequence
        self.phase = phase
    }
}

/// What is left of a receipt when its answer has been handed on: where the record stands, for the case that the answer did
/// not go out. It answers nothing any more.
public struct HandedAnswer: Sendable {
    let decisionID: DecisionID
    let sequence: Int64
    let phase: AuditPhase

    /// Gives the receipt up for the answer.
    public init(_ receipt: consuming ClosingReceipt) {
        decisionID = receipt.decisionID
        sequence = receipt.sequence
        phase = receipt.phase
    }
}
