public import FHIRCore

/// The key ring of the issuer: what signs, and every key that verifiers should know.
public struct TokenSigner: Sendable {
    /// Signs access tokens with ES256.
    public let accessTokenKey: PrivateJWK
    /// Signs ID tokens with RS256.
    public let idTokenKey: PrivateJWK
    /// The keys that are published: the active ones, then those announced or retiring.
    public let verificationKeys: JWKSet

    /// Makes a ring. Throws when a key is for another algorithm, or two keys share a name.
    public init(
        accessTokenKey: PrivateJWK, idTokenKey: PrivateJWK, announced: [PublicJWK] = []
    ) throws(JOSEError) {
        guard accessTokenKey.algorithm == .es256, idTokenKey.algorithm == .rs256 else { throw .algorithmRefused }
        let keys = [accessTokenKey.publicKey, idTokenKey.publicKey] + announced
        // A key without a name or an algorithm of its own could be used for what it was not made for.
        guard keys.allSatisfy({ $0.keyID != nil && $0.algorithm != nil }), Set(keys.map(\.keyID)).count == keys.count
        else { throw .keyRefused }
        self.accessTokenKey = accessTokenKey
        self.idTokenKey = idTokenKey
        verificationKeys = JWKSet(keys)
    }

    /// Signs an access token (RFC 9068).
    public func sign(_ claims: AccessTokenClaims) throws(JOSEError) -> Secret {
        Secret(try JWS.sign(claims.json, type: "at+jwt", with: accessTokenKey))
    }

    /// Signs an ID token.
    public func sign(_ claims: IDTokenClaims) throws(JOSEError) -> Secret {
        Secret(try JWS.sign(claims.json, type: "JWT", with: idTokenKey))
    }

    /// The published key set document.
    public var jwks: JSONValue { verificationKeys.json }
}
