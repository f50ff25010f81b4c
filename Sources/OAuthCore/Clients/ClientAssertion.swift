public import AccessPolicy

/// A client assertion that passed every check but one: whether its `jti` was seen before, which the caller must ask
/// a store in one conditional write (RFC 7523 §3, SMART 2.2 client-confidential-asymmetric).
public struct ClientAssertion: Hashable, Sendable {
    /// The client that signed it.
    public let clientID: ClientID
    /// The `jti`, to be remembered together with the client.
    public let tokenID: String
    /// Until when the `jti` must be remembered: after that the assertion is refused as expired. Unix seconds.
    public let rememberUntil: Int64
    /// The audience that the client wrote, for the finding "still on the token endpoint's address".
    public let audience: String
    /// The algorithm of the signature.
    public let algorithm: SignatureAlgorithm
    /// The thumbprint of the key that signed it.
    public let keyThumbprint: String

    /// What is expected of an assertion.
    public struct Rules: Hashable, Sendable {
        /// The audiences that mean us: token endpoint, issuer, or both, by the client's profile.
        public let audiences: Set<String>
        /// The algorithms that the client may use.
        public let algorithms: Set<SignatureAlgorithm>
        /// The client's registered key set URL, which a `jku` header may repeat.
        public let registeredKeySetURL: String?
        /// How far ahead `exp` may lie, in seconds.
        public let longestLife: Int64
        /// How far apart the two clocks may be, in seconds.
        public let skew: Int64

        /// Makes rules; the defaults are SMART's algorithms and five minutes, and the house's skew.
        public init(
            audiences: Set<String>, algorithms: Set<SignatureAlgorithm> = [.rs384, .es384],
            registeredKeySetURL: String? = nil, longestLife: Int64 = 300, skew: Int64 = ClockSkew.tolerated
        ) {
            self.audiences = audiences
            self.algorithms = algorithms
            self.registeredKeySetURL = registeredKeySetURL
            self.longestLife = longestLife
            self.skew = skew
        }
    }

    /// Checks an assertion against the keys of the client that it claims to be from; every failure is
    /// `invalid_client` with one public text.
    public init(
        _ jwt: UnverifiedJWT, from client: ClientID, keys: JWKSet, rules: Rules, now: Int64
    ) throws(OAuthError) {
        do throws(JOSEError) {
            let token = try jwt.verified(
                by: keys,
                rules: JWSRules(
                    algorithms: rules.algorithms, types: ["jwt", "client-authentication+jwt"], typeIsOptional: true,
                    registeredKeySetURL: rules.registeredKeySetURL))
            try self.init(Claims(token), token, from: client, rules: rules, now: now)
        } catch {
            throw OAuthError(.invalidClient, detail: "client assertion: \(error.detail)")
        }
    }

    private init(
        _ claims: Claims, _ token: VerifiedJWT, from client: ClientID, rules: Rules, now: Int64
    ) throws(JOSEError) {
        guard try claims.identifier("iss") == client.text else { throw .claimRefused("iss") }
        guard try claims.identifier("sub") == client.text else { throw .claimRefused("sub") }
        // One audience, and it is us: an array with others could be replayed by them.
        let audiences = try claims.audience()
        guard audiences.count == 1, rules.audiences.contains(audiences[0]) else { throw .claimRefused("aud") }
        let expiry = try claims.time("exp")
        guard expiry > now - rules.skew else { throw .expired }
        guard expiry <= now + rules.longestLife + rules.skew else { throw .claimRefused("exp") }
        for name in ["iat", "nbf"] {
            if let time = try claims.optionalTime(name), time > now + rules.skew { throw .claimRefused(name) }
        }
        clientID = client
        tokenID = try claims.identifier("jti", maxBytes: 255)
        rememberUntil = expiry + rules.skew
        audience = audiences[0]
        algorithm = token.algorithm
        keyThumbprint = token.key.thumbprint
    }
}
