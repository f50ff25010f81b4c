extension JOSEError {
    /// The reason in words, for the log.
    public var detail: String {
        switch self {
        case .malformed: "not a compact JWS within the size limits"
        case .malformedJSON: "not JSON objects, or a member stands twice"
        case .algorithmRefused: "the `alg` is not accepted here or not by this key"
        case .typeRefused: "the `typ` is not the one expected here"
        case .criticalHeader: "`crit` or `b64` is present"
        case .embeddedKey: "the header brings its own key or key set"
        case .keyIDMissing: "`kid` is missing or not usable"
        case .keyNotFound: "not exactly one key has this `kid`"
        case .signatureInvalid: "the signature does not verify"
        case .keyRefused: "a key is of a kind, size or form that is not accepted"
        case .privateKeyMaterial: "a public key set holds private key material"
        case .claimMalformed(let name): "claim `\(name)` is missing or malformed"
        case .claimRefused(let name): "claim `\(name)` has a value that is not accepted"
        case .expired: "expired"
        case .signingFailed: "the key could not sign"
        }
    }
}
