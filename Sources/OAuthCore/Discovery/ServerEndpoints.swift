public import FHIRCore

/// The absolute addresses of the authorization server, shared by every discovery document. What is nil is not built
/// or not offered, and no document names it.
public struct ServerEndpoints: Hashable, Sendable {
    /// The issuer identifier.
    public var issuer: String
    /// The authorization endpoint.
    public var authorization: String
    /// The token endpoint.
    public var token: String
    /// The key set.
    public var jwks: String
    /// Introspection (RFC 7662).
    public var introspection: String?
    /// Revocation (RFC 7009).
    public var revocation: String?
    /// Registration (RFC 7591).
    public var registration: String?
    /// Pushed authorization requests (RFC 9126).
    public var pushedRequests: String?
    /// UserInfo (OpenID Connect Core §5.3).
    public var userInfo: String?
    /// RP-initiated logout.
    public var endSession: String?
    /// The user-access brands Bundle (SMART 2.2).
    public var brandBundle: String?
    /// The identifier of this server's brand in it.
    public var brandIdentifier: JSONValue?
    /// The page where users see and revoke what they granted (SMART 2.2).
    public var management: String?

    /// Makes the addresses; the optional ones are set by whoever builds those endpoints.
    public init(issuer: String, authorization: String, token: String, jwks: String) {
        self.issuer = issuer
        self.authorization = authorization
        self.token = token
        self.jwks = jwks
    }
}

/// What the authorization server can do, as far as discovery documents say it.
public struct ServerCapabilities: Hashable, Sendable {
    /// The grant types, in the order to be shown.
    public var grantTypes: [GrantType]
    /// The client authentication methods, in the order to be shown.
    public var authenticationMethods: [ClientAuthenticationMethod]
    /// The algorithms of client assertions.
    public var assertionAlgorithms: [SignatureAlgorithm]
    /// Scopes to show; need not be all.
    public var scopes: [String]
    /// The classes that the authentication of a person can have, the weaker first.
    public var authenticationClasses: [String]
    /// The origin at which clients show certificates (RFC 8705 §5); nil where none are read.
    public var certificateOrigin: String?

    /// Makes a description.
    public init(
        grantTypes: [GrantType], authenticationMethods: [ClientAuthenticationMethod],
        assertionAlgorithms: [SignatureAlgorithm], scopes: [String], authenticationClasses: [String] = []
    ) {
        self.grantTypes = grantTypes
        self.authenticationMethods = authenticationMethods
        self.assertionAlgorithms = assertionAlgorithms
        self.scopes = scopes
        self.authenticationClasses = authenticationClasses
    }
}
