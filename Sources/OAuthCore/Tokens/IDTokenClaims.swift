public import AccessPolicy
public import FHIRCore

/// The claims of an ID token (OpenID Connect Core §2) with SMART's `fhirUser`.
public struct IDTokenClaims: Hashable, Sendable {
    /// Who issued it.
    public let issuer: String
    /// Who logged in.
    public let subject: SubjectID
    /// The client that it is for.
    public let clientID: ClientID
    /// When it was issued, in Unix seconds.
    public let issuedAt: Int64
    /// When it ends, in Unix seconds.
    public let expiresAt: Int64
    /// When the user logged in; nil where nobody knows, because a provider did not say. A request with `max_age` is not
    /// met by such a sign-in, so that no token that must say it (OpenID Connect Core §2) comes without.
    public let authenticatedAt: Int64?
    /// The value that the client sent.
    public let nonce: String?
    /// How strongly the user was authenticated.
    public let authenticationContext: String?
    /// The methods by which the user was authenticated (RFC 8176).
    public let authenticationMethods: [String]
    /// The user's own resource as an absolute URL below the FHIR base; only with the scope `fhirUser`.
    public let fhirUser: String?

    /// Makes claims; the FHIR base makes the user's reference absolute.
    public init(
        issuer: String, subject: SubjectID, clientID: ClientID, issuedAt: Int64, expiresAt: Int64,
        authenticatedAt: Int64?, nonce: String?, authenticationContext: String?,
        authenticationMethods: [String] = [], fhirUser: InstanceKey?, fhirBase: String
    ) {
        self.issuer = issuer
        self.subject = subject
        self.clientID = clientID
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
        self.authenticatedAt = authenticatedAt
        self.nonce = nonce
        self.authenticationContext = authenticationContext
        self.authenticationMethods = authenticationMethods
        self.fhirUser = fhirUser.map { "\(fhirBase)/\($0)" }
    }

    /// Reads an ID token that comes back as a hint (`id_token_hint`). An expired one is still a hint
    /// (OpenID Connect Core §3.1.2.1), one for another client is none.
    public init(hint token: VerifiedJWT, issuer expected: String, client: ClientID) throws(JOSEError) {
        let claims = Claims(token)
        guard try claims.identifier("iss") == expected else { throw .claimRefused("iss") }
        guard try claims.audience() == [client.text] else { throw .claimRefused("aud") }
        issuer = expected
        clientID = client
        subject = SubjectID(try claims.identifier("sub", maxBytes: 255))
        issuedAt = try claims.time("iat")
        expiresAt = try claims.time("exp")
        authenticatedAt = try claims.optionalTime("auth_time")
        nonce = try claims.optionalText("nonce")
        authenticationContext = try claims.optionalText("acr")
        // A hint is asked who it is about, not how they proved it.
        authenticationMethods = []
        fhirUser = try claims.optionalText("fhirUser")
    }

    /// The claims set.
    public var json: JSONValue {
        .members([
            ("iss", .string(issuer)), ("sub", .string(subject.text)), ("aud", .string(clientID.text)),
            ("iat", .int(issuedAt)), ("exp", .int(expiresAt)), ("auth_time", authenticatedAt.map { .int($0) }),
            ("nonce", nonce.map { .string($0) }), ("acr", authenticationContext.map { .string($0) }),
            ("amr", authenticationMethods.isEmpty ? nil : .array(authenticationMethods.map { .string($0) })),
            ("fhirUser", fhirUser.map { .string($0) }),
        ])
    }
}
