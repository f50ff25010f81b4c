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
    /// A certificate in TLS that an authority vouches for, known by a name in it (RFC 8705 §2.1).
    case tlsClientAuth = "tls_client_auth"
    /// A certificate in TLS that is itself registered or published with the client's keys (RFC 8705 §2.2).
    case selfSignedTLSClientAuth = "self_signed_tls_client_auth"

    /// Whether the client can keep a secret.
    public var isConfidential: Bool { self != .none }

    /// Whether the proof is the certificate of the connection, so that the request itself carries only a name.
    public var isByCertificate: Bool { self == .tlsClientAuth || self == .selfSignedTLSClientAuth }
}

/// The grant types that exist here (RFC 6749 §1.3).
public enum GrantType: String, CaseIterable, Hashable, Sendable {
    case authorizationCode = "authorization_code"
    case refreshToken = "refresh_token"
    case clientCredentials = "client_credentials"
}
