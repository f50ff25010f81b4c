/// A `WWW-Authenticate` header in the DPoP scheme, for a proof that is missing, does not fit or lacks our nonce
/// (RFC 9449 §7.1, §9).
public struct ProofChallenge: Hashable, Sendable {
    /// The protection space, usually the FHIR base.
    public let realm: String
    /// What was wrong with the proof.
    public let code: OAuthError.Code

    /// Makes a challenge.
    public init(realm: String, code: OAuthError.Code) {
        self.realm = realm
        self.code = code
    }

    /// The challenge for an error about a proof; nil for an error about anything else.
    public init?(realm: String, error: OAuthError?) {
        guard let code = error?.code, code == .invalidDPoPProof || code == .useDPoPNonce else { return nil }
        self.init(realm: realm, code: code)
    }

    /// The header value; no parameter can break out of its quotes.
    public var headerValue: String {
        let algorithms = DPoPProof.algorithms.map(\.rawValue).joined(separator: " ")
        return "DPoP realm=\"\(HeaderText.quoted(realm))\", error=\"\(code.rawValue)\", algs=\"\(algorithms)\""
    }
}
