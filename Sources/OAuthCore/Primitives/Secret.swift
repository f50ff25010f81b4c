/// A text that must not be seen: a code, a token, a client secret. It prints as `<redacted>`.
public struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    private let text: String

    /// Wraps a text that came from, or goes to, the one party that may know it.
    public init(_ text: String) { self.text = text }

    /// The text itself, for the answer to its owner and for nothing else.
    public func reveal() -> String { text }

    /// The form in which the secret is kept at rest.
    public var hash: SecretHash { SecretHash(of: self) }

    /// Whether there is nothing to keep secret.
    public var isEmpty: Bool { text.isEmpty }

    /// Compares digests in constant time, so that not even the length shows.
    public static func == (left: Secret, right: Secret) -> Bool { left.hash == right.hash }

    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The SHA-256 digest of a secret, which is all that is stored of it.
///
/// A plain digest is enough because the secrets we make have 256 bits; passwords of people never come here.
public struct SecretHash: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes of the digest.
    public let bytes: [UInt8]

    /// Digests a secret.
    public init(of secret: Secret) { bytes = SHA256Hash.of(Array(secret.reveal().utf8)) }

    /// Reads the stored form back.
    public init?(text: String) {
        guard let bytes = Base64URL.decode(text), bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// The stored form: base64url, 43 characters.
    public var text: String { Base64URL.encode(bytes) }

    /// Whether this is the digest of the secret; constant time.
    public func matches(_ secret: Secret) -> Bool { self == secret.hash }

    public static func == (left: SecretHash, right: SecretHash) -> Bool {
        equalInConstantTime(left.bytes, right.bytes)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

    public var description: String { "<hash \(text.prefix(6))…>" }
}

/// A key from which secrets are derived that need not be stored, such as the successor of a refresh token.
public struct DerivationKey: Sendable, CustomStringConvertible, CustomReflectable {
    private let bytes: [UInt8]

    /// Takes a key of 32 random bytes; nil for any other length.
    public init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// The secret for a purpose and the parts that name it; different parts can never give the same input.
    public func secret(purpose: String, _ parts: String...) -> Secret {
        // Each part goes in with its length before it, so that no two lists of parts run together.
        let input = ([purpose] + parts).flatMap { part in
            withUnsafeBytes(of: UInt64(part.utf8.count).bigEndian, Array.init) + Array(part.utf8)
        }
        return Secret(Base64URL.encode(SHA256Hash.keyed(by: bytes, of: input)))
    }

    public var description: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
