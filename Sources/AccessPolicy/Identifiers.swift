/// The identifier of a registered client (`client_id`).
public struct ClientID: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

/// The identifier of a grant: what was authorized, and what a revocation revokes.
public struct GrantID: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

/// The identifier of one decision about one request; permit, refusal, receipts and audit records all carry it.
public struct DecisionID: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

/// The identifier of one access token (`jti`, RFC 7519 §4.1.7); never the token itself.
public struct TokenID: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}

/// The identifier of a person or system that logged in (`sub`).
public struct SubjectID: Hashable, Sendable {
    public let text: String
    public init(_ text: String) { self.text = text }
}
