public import AccessPolicy
public import FHIRCore
public import OAuthCore

/// The facts behind an access token that is only a reference to them.
public struct ReferenceToken: Hashable, Sendable {
    /// The hash of the token.
    public let hash: SecretHash
    public let grantID: GrantID
    /// What the token would say if it were a JWT.
    public let claims: JSONValue
    public let expiresAt: Int64

    public init(hash: SecretHash, grantID: GrantID, claims: JSONValue, expiresAt: Int64) {
        self.hash = hash
        self.grantID = grantID
        self.claims = claims
        self.expiresAt = expiresAt
    }
}

/// Keeps reference tokens by their hashes.
///
/// Contract: goes with its grant. Reading does not suspend, because the enforcer reads on its event loop; it happens once
/// for each token, whose facts are then remembered until it ends.
public protocol ReferenceTokenStore: Sendable {
    func insert(_ token: ReferenceToken) async throws
    func referenceToken(_ hash: SecretHash) throws -> ReferenceToken?
}
