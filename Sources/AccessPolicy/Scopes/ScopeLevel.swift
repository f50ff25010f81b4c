/// Whose authority a resource scope delegates: one patient's record, what the user may see, or the client's own.
public enum ScopeLevel: String, Hashable, Sendable, CaseIterable, Comparable {
    /// The record of the one patient in context.
    case patient
    /// Everything the user may see.
    case user
    /// What the client itself is allowed, without a user.
    case system

    /// Orders levels as `patient`, `user`, `system`, for canonical text.
    public static func < (first: ScopeLevel, second: ScopeLevel) -> Bool { first.rank < second.rank }

    private var rank: Int {
        switch self {
        case .patient: 0
        case .user: 1
        case .system: 2
        }
    }
}
