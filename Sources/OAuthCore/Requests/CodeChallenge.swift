/// The proof key of an authorization request (RFC 7636), always by S256: SMART forbids `plain`.
public struct CodeChallenge: Hashable, Sendable {
    /// The value of `code_challenge`: 43 characters of base64url.
    public let text: String
    private let digest: [UInt8]

    /// Reads a challenge; nil unless it is the one encoding of a SHA-256 digest (RFC 7636 §4.2).
    public init?(_ text: String) {
        guard text.utf8.count == 43, let digest = Base64URL.decode(text), digest.count == 32 else { return nil }
        self.text = text
        self.digest = digest
    }

    /// The challenge that belongs to a verifier.
    public init(of verifier: CodeVerifier) {
        digest = SHA256Hash.of(Array(verifier.secret.reveal().utf8))
        text = Base64URL.encode(digest)
    }

    /// Whether the verifier is the one whose digest was announced (RFC 7636 §4.6); constant time.
    public func isMet(by verifier: CodeVerifier) -> Bool {
        equalInConstantTime(digest, CodeChallenge(of: verifier).digest)
    }
}

/// The secret behind a code challenge, as sent to the token endpoint.
public struct CodeVerifier: Equatable, Sendable {
    /// The verifier's text.
    public let secret: Secret

    /// Reads a verifier; nil unless it has 43 to 128 unreserved characters (RFC 7636 §4.1).
    public init?(_ text: String) {
        let isUnreserved = text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                true
            default: false
            }
        }
        guard (43...128).contains(text.utf8.count), isUnreserved else { return nil }
        secret = Secret(text)
    }
}
