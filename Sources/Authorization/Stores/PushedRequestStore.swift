public import AccessPolicy
public import OAuthCore

/// An authorization request that its client pushed beforehand (RFC 9126), kept under the hash of its `request_uri`.
public struct PushedRequest: Hashable, Sendable {
    public let hash: SecretHash
    public let clientID: ClientID
    /// The parameters, form-encoded, without those of client authentication.
    public let form: String
    public let expiresAt: Int64

    public init(hash: SecretHash, clientID: ClientID, form: String, expiresAt: Int64) {
        self.hash = hash
        self.clientID = clientID
        self.form = form
        self.expiresAt = expiresAt
    }
}

/// Keeps pushed requests.
///
/// Contract: `take` is one conditional write; a request is taken once, by its own client, before its end.
public protocol PushedRequestStore: Sendable {
    func insert(_ request: PushedRequest) async throws
    func take(_ hash: SecretHash, by client: ClientID, at now: Int64) async throws -> PushedRequest?
}
