/// How an access ended, in the words of the record.
public enum AccessOutcome: Hashable, Sendable {
    /// Not over yet; only opening records say so.
    case pending
    /// Data or the confirmation of a write left for the client.
    case permitted
    /// Policy said yes to a gateway that is not ours: what it then did and what left is not known here.
    case decisionGiven
    /// Policy said no; nothing left but the refusal.
    case refused(reason: String)
    /// Allowed, but the upstream or we could not do it; no data left.
    case failed(reason: String)
    /// It began and what became of it is not known, or it was cut while streaming.
    case interrupted(reason: String)

    /// The word that is stored and searched for.
    public var code: String {
        switch self {
        case .pending: "pending"
        case .permitted: "permitted"
        case .decisionGiven: "decision-given"
        case .refused: "refused"
        case .failed: "failed"
        case .interrupted: "interrupted"
        }
    }

    /// The reason, where the outcome has one.
    public var reason: String? {
        switch self {
        case .pending, .permitted, .decisionGiven: nil
        case .refused(let reason), .failed(let reason), .interrupted(let reason): reason
        }
    }

    /// The outcome with that code and reason; nil for a word that is none of ours.
    public init?(code: String, reason: String?) {
        switch code {
        case "pending": self = .pending
        case "permitted": self = .permitted
        case "decision-given": self = .decisionGiven
        case "refused": self = .refused(reason: reason ?? "")
        case "failed": self = .failed(reason: reason ?? "")
        case "interrupted": self = .interrupted(reason: reason ?? "")
        default: return nil
        }
    }
}
