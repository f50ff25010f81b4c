/// Why the text of a `scope` parameter is not a list of scopes at all; the OAuth answer is `invalid_scope`.
public enum ScopeSetError: Error, Hashable, Sendable {
    /// The text is longer than ``ScopeSet/Limits/maximumBytes``.
    case tooLong
    /// One scope is longer than ``ScopeSet/Limits/maximumScopeBytes``.
    case scopeTooLong
    /// There are more scopes than ``ScopeSet/Limits/maximumCount``.
    case tooMany
    /// A byte stands there that RFC 6749 §3.3 does not allow.
    case invalidCharacter

    /// What may be told to a client.
    public var summary: String {
        switch self {
        case .tooLong: "`scope` is too long"
        case .scopeTooLong: "`scope` contains a scope that is too long"
        case .tooMany: "`scope` contains too many scopes"
        case .invalidCharacter: "`scope` contains a character that is not allowed"
        }
    }
}
