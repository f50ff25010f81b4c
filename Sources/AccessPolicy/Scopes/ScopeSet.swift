/// The scopes of one `scope` parameter, in the order written and without repeats.
public struct ScopeSet: Hashable, Sendable {
    /// How much scope text is read at all.
    public enum Limits {
        /// Bytes in the whole parameter.
        public static let maximumBytes = 16_384
        /// Bytes in one scope.
        public static let maximumScopeBytes = 2_048
        /// Scopes in the parameter.
        public static let maximumCount = 1_024
    }

    /// The scopes.
    public let scopes: [Scope]

    /// Makes a set; a scope whose text already stands in it is dropped.
    public init(_ scopes: [Scope]) {
        var seen: Set<String> = []
        self.scopes = scopes.filter { seen.insert($0.text).inserted }
    }

    /// Reads the value of a `scope` parameter: tokens separated by one or more spaces.
    ///
    /// Scopes that are malformed or unknown are kept as such; see ``malformed``.
    public init(parsing text: String) throws(ScopeSetError) {
        guard text.utf8.count <= Limits.maximumBytes else { throw .tooLong }
        guard text.utf8.allSatisfy({ $0 == 0x20 || ScopeText.isScopeByte($0) }) else { throw .invalidCharacter }
        let tokens = text.split(separator: " ")
        guard tokens.count <= Limits.maximumCount else { throw .tooMany }
        guard tokens.allSatisfy({ $0.utf8.count <= Limits.maximumScopeBytes }) else { throw .scopeTooLong }
        self.init(tokens.map { Scope(parsing: String($0)) })
    }

    /// The value of a `scope` parameter that says this set.
    public var text: String { scopes.map(\.text).joined(separator: " ") }

    /// Whether its text would be read: a set that was made by multiplying others may be longer than any that was sent.
    public var isWithinLimits: Bool {
        guard scopes.count <= Limits.maximumCount else { return false }
        var bytes = max(scopes.count - 1, 0)
        for scope in scopes {
            let length = scope.text.utf8.count
            bytes += length
            guard length <= Limits.maximumScopeBytes, bytes <= Limits.maximumBytes else { return false }
        }
        return true
    }

    /// Whether nothing is in it.
    public var isEmpty: Bool { scopes.isEmpty }

    /// The scopes for FHIR resources.
    public var resourceScopes: [ResourceScope] { scopes.compactMap(\.resourceScope) }

    /// The scopes that look like resource scopes and are none; a request with one is refused.
    public var malformed: [String] {
        scopes.compactMap {
            guard case .malformed(let text) = $0 else { return nil }
            return text
        }
    }

    /// The scopes that nobody here defines; they are dropped from a grant.
    public var unrecognised: [String] {
        scopes.compactMap {
            guard case .unrecognised(let text) = $0 else { return nil }
            return text
        }
    }

    /// Whether exactly this scope stands in the set.
    public func contains(_ scope: Scope) -> Bool { scopes.contains(scope) }
}
