/// The identifier of an OAuth client.
public struct ClientID: Hashable, Sendable, CustomStringConvertible {
    /// The identifier as registered.
    public let text: String
    /// Makes an identifier from its text.
    public init(_ text: String) { self.text = text }
    /// The text.
    public var description: String { text }
}

/// The identifier of a grant: what was authorized, and what revocation revokes.
public struct GrantID: Hashable, Sendable, CustomStringConvertible {
    /// The identifier as issued.
    public let text: String
    /// Makes an identifier from its text.
    public init(_ text: String) { self.text = text }
    /// The text.
    public var description: String { text }
}

/// The identifier of one decision, which ties its audit records to its answer.
public struct DecisionID: Hashable, Sendable, CustomStringConvertible {
    /// The identifier.
    public let text: String
    /// Makes an identifier from its text.
    public init(_ text: String) { self.text = text }
    /// The text.
    public var description: String { text }
}

/// The identifier of one access token (`jti`).
public struct TokenID: Hashable, Sendable, CustomStringConvertible {
    /// The identifier as issued.
    public let text: String
    /// Makes an identifier from its text.
    public init(_ text: String) { self.text = text }
    /// The text.
    public var description: String { text }
}

/// The subject of a token (`sub`): a login, or the client itself.
public struct SubjectID: Hashable, Sendable, CustomStringConvertible {
    /// The subject as issued.
    public let text: String
    /// Makes a subject from its text.
    public init(_ text: String) { self.text = text }
    /// The text.
    public var description: String { text }
}
