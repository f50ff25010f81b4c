internal import FHIRCore

/// How we prove who we are at a provider's token endpoint (OpenID Connect Core §9).
public enum ProviderAuthentication: Sendable {
    case secretBasic(Secret)
    case secretPost(Secret)
    case privateKey(PrivateJWK)

    /// What a token request carries for it.
    public struct Proof: Sendable {
        /// The `Authorization` header.
        public let header: String?
        /// Parameters of the body.
        public let parameters: [(String, String)]
    }

    /// The longest life of an assertion, in seconds.
    static let assertionLife: Int64 = 60

    /// - Parameters:
    ///   - endpoint: the token endpoint, which is an assertion's audience.
    ///   - tokenID: a fresh `jti`.
    public func proof(
        clientID: String, endpoint: String, tokenID: String, now: Int64
    ) throws(JOSEError) -> Proof {
        switch self {
        case .secretBasic(let secret):
            // RFC 6749 §2.3.1: both are form-encoded first.
            let pair = FormParameters.encode(clientID) + ":" + FormParameters.encode(secret.reveal())
            return Proof(header: "Basic " + Base64.encode(Array(pair.utf8)), parameters: [])
        case .secretPost(let secret):
            return Proof(header: nil, parameters: [("client_id", clientID), ("client_secret", secret.reveal())])
        case .privateKey(let key):
            let claims: JSONValue = .members([
                ("iss", .string(clientID)), ("sub", .string(clientID)), ("aud", .string(endpoint)),
                ("jti", .string(tokenID)), ("iat", .int(now)), ("exp", .int(now + Self.assertionLife)),
            ])
            return Proof(
                header: nil,
                parameters: [
                    ("client_id", clientID),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", try JWS.sign(claims, type: "JWT", with: key)),
                ])
        }
    }
}
