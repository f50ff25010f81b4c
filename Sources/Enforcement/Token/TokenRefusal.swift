internal import Audit
internal import OAuthCore

/// Why a request has no access. The client sees three faces; the rest is for the record.
public enum TokenRefusal: String, Error, Sendable, Hashable, CaseIterable {
    case missing
    case ambiguous
    case malformed
    case badSignature
    case wrongIssuer
    case wrongAudience
    case expired
    case badClaims
    /// The token is bound to a key and was sent as if it were not.
    case senderConstrained
    /// The certificate to which the token is bound was withdrawn.
    case certificateWithdrawn
    /// The proof of the token's key is missing, wrong, old or was seen before, or the token is bound to none.
    case badProof
    /// The proof does not carry the nonce that is demanded.
    case staleProof
    case revoked
    /// Whether it is revoked cannot be told (decision 19: refuse without a lease).
    case revocationUnknown
    /// The person's sign-in proved less than is demanded by now.
    case signInTooWeak
    /// What the person's sign-in proved cannot be told.
    case signInUnknown
    /// The token's issuer, somebody else, cannot be asked whether it is good.
    case issuerUnavailable
}

extension TokenRefusal {
    /// What a token that did not verify is called in the record.
    init(_ error: JOSEError) {
        self =
            switch error {
            case .expired: .expired
            case .claimRefused("iss"): .wrongIssuer
            case .claimRefused("aud"): .wrongAudience
            case .claimRefused("cnf"): .senderConstrained
            case .claimMalformed, .claimRefused: .badClaims
            case .malformed, .malformedJSON: .malformed
            case .algorithmRefused, .typeRefused, .criticalHeader, .embeddedKey, .keyIDMissing, .keyNotFound,
                .signatureInvalid, .keyRefused, .privateKeyMaterial, .signingFailed:
                .badSignature
            }
    }
}

extension GatewayRefusal {
    /// RFC 6750 §3.1: no error code when no token was sent; one code and one text for everything wrong with a token.
    init(_ refusal: TokenRefusal, realm: String) {
        let outcome = AccessOutcome.refused(reason: "token-\(refusal.rawValue)")
        switch refusal {
        case .ambiguous:
            self.init(
                status: 400, issueCode: "invalid",
                diagnostics: "the access token is sent once, in the `Authorization` header",
                challenge: BearerChallenge(realm: realm, error: OAuthError(.invalidRequest)).headerValue,
                outcome: outcome)
        case .missing:
            self.init(
                status: 401, issueCode: "login", diagnostics: Self.loginText,
                challenge: BearerChallenge(realm: realm).headerValue, outcome: outcome)
        case .issuerUnavailable:
            self.init(
                status: 503, issueCode: "transient", diagnostics: "the request cannot be served at the moment",
                retryAfter: 5, outcome: outcome)
        case .badProof:
            self.init(
                status: 401, issueCode: "login", diagnostics: Self.loginText,
                challenge: ProofChallenge(realm: realm, code: .invalidDPoPProof).headerValue,
                outcome: outcome)
        case .staleProof:
            self.init(
                status: 401, issueCode: "login", diagnostics: Self.loginText,
                challenge: ProofChallenge(realm: realm, code: .useDPoPNonce).headerValue,
                outcome: outcome)
        case .malformed, .badSignature, .wrongIssuer, .wrongAudience, .expired, .badClaims, .senderConstrained,
            .certificateWithdrawn, .revoked, .revocationUnknown, .signInTooWeak, .signInUnknown:
            self.init(
                status: 401, issueCode: "login", diagnostics: Self.loginText,
                challenge: BearerChallenge(realm: realm, error: OAuthError(.invalidToken)).headerValue,
                outcome: outcome)
        }
    }

    private static let loginText = "a valid access token is needed"
}
