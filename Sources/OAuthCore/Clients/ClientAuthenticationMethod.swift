/// How a client proves who it is at the token endpoint (RFC 7591 §2, `token_endpoint_auth_method`).
public enum ClientAuthenticationMethod: String, CaseIterable, Hashable, Sendable {
    /// A public client: it proves nothing, and PKCE binds its codes.
    case none
    /// A secret in the `Authorization` header.
    case clientSecretBasic = "client_secret_basic"
    /// A secret in the form; off unless a client is registered for it.
    case clientSecretPost = "client_secret_post"
    /// A signed assertion (RFC 7523, SMART 2.2 client-confidential-asymmetric).
    case privateKeyJWT = "private_key_jwt"

    /// Whether the client can keep a secret.
    public var isConfidential: Bool { self != .none }
}

/// The grant types that exist here (RFC 6749 §1.3).
public enum GrantType: String, CaseIterable, Hashable, Sendable {
    case authorizationCode = "authorization_code"
    case refreshToken = "refresh_token"
    case clientCredentials = "client_credentials"
}
