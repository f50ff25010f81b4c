/// The signature algorithms that we use (RFC 7518 §3.1). Neither `none` nor a symmetric one can be written.
public enum SignatureAlgorithm: String, CaseIterable, Hashable, Sendable {
    /// ECDSA with P-256 and SHA-256: our access tokens.
    case es256 = "ES256"
    /// ECDSA with P-384 and SHA-384: SMART client assertions.
    case es384 = "ES384"
    /// RSASSA-PKCS1-v1_5 with SHA-256: our ID tokens, as SMART demands.
    case rs256 = "RS256"
    /// RSASSA-PKCS1-v1_5 with SHA-384: SMART client assertions.
    case rs384 = "RS384"
    /// RSASSA-PSS with SHA-256: ID tokens of other providers.
    case ps256 = "PS256"
    /// RSASSA-PSS with SHA-384.
    case ps384 = "PS384"

    /// The family of keys that can carry the algorithm.
    public var keyType: KeyType {
        switch self {
        case .es256: .p256
        case .es384: .p384
        case .rs256, .rs384, .ps256, .ps384: .rsa
        }
    }
}

/// The kinds of public key that we use (RFC 7518 §6).
public enum KeyType: String, Hashable, Sendable {
    /// Elliptic curve P-256.
    case p256 = "P-256"
    /// Elliptic curve P-384.
    case p384 = "P-384"
    /// RSA with 2048 to 4096 bits.
    case rsa = "RSA"

    /// The value of `kty`.
    var family: String { self == .rsa ? "RSA" : "EC" }
    /// The algorithms that a key of this kind can carry.
    var algorithms: Set<SignatureAlgorithm> {
        Set(SignatureAlgorithm.allCases.filter { $0.keyType == self })
    }
}
