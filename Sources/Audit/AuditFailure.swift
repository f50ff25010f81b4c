/// Why something could not be recorded; whoever waited for the record must answer 503 and no data.
public enum AuditFailure: Error, Hashable, Sendable {
    /// The queue is full: records come faster than they become durable.
    case busy
    /// The recorder has been shut down.
    case closed
    /// A receipt was offered for another decision than its own.
    case receiptOfAnotherDecision
    /// The store did not take the record.
    case notWritten(detail: String)
    /// The stored chain is not what this node wrote last.
    case chainBroken(detail: String)
    /// Another process writes this log.
    case heldElsewhere(detail: String)

    /// What the client may be told.
    public var summary: String { "the access could not be recorded" }

    /// What the log is told.
    public var detail: String {
        switch self {
        case .busy: "audit queue full"
        case .closed: "audit recorder shut down"
        case .receiptOfAnotherDecision: "receipt offered for another decision"
        case .notWritten(let detail): "audit record not written: \(detail)"
        case .chainBroken(let detail): "audit chain broken: \(detail)"
        case .heldElsewhere(let detail): "audit log held by another process: \(detail)"
        }
    }
}
