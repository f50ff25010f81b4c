public import FHIRCore

/// A JWT whose signature was checked against one key; its claims are that key's owner's word.
public struct VerifiedJWT: Sendable, CustomStringConvertible, CustomReflectable {
    /// The JOSE header.
    public let header: JSONValue
    /// The claims set, an object.
    public let claims: JSONValue
    /// The key that verified it.
    public let key: PublicJWK
    /// The algorithm of the signature.
    public let algorithm: SignatureAlgorithm

    // INVARIANT: only UnverifiedJWT.verified makes one.
    init(header: JSONValue, claims: JSONValue, key: PublicJWK, algorithm: SignatureAlgorithm) {
        self.header = header
        self.claims = claims
        self.key = key
        self.algorithm = algorithm
    }

    public var description: String { "<verified JWT, \(algorithm.rawValue)>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Signed JSON tokens in compact form (RFC 7515, RFC 7519).
public enum JWS {
    /// Signs claims; the header has `alg`, `kid` and the given `typ`, nothing else.
    public static func sign(_ claims: JSONValue, type: String, with key: PrivateJWK) throws(JOSEError) -> String {
        let header: JSONValue = [
            "alg": .string(key.algorithm.rawValue), "kid": .string(key.keyID), "typ": .string(type),
        ]
        let input = Base64URL.encode(header.serialized) + "." + Base64URL.encode(claims.serialized)
        return input + "." + Base64URL.encode(try key.signature(over: Array(input.utf8)))
    }

    /// Reads a compact token and checks it by the rules, against the keys.
    public static func verify(
        _ compact: String, keys: JWKSet, rules: JWSRules
    ) throws(JOSEError) -> VerifiedJWT {
        try UnverifiedJWT(parsing: compact).verified(by: keys, rules: rules)
    }
}

/// Typed access to the claims of a verified token.
struct Claims {
    let json: JSONValue

    init(_ token: VerifiedJWT) { json = token.claims }

    /// Claims that come from a place that vouches for them itself: our own store, or an introspection answer.
    init(kept json: JSONValue) { self.json = json }

    func text(_ name: String, maxBytes: Int = 2048) throws(JOSEError) -> String {
        guard let text = try optionalText(name, maxBytes: maxBytes) else { throw .claimMalformed(name) }
        return text
    }

    func optionalText(_ name: String, maxBytes: Int = 2048) throws(JOSEError) -> String? {
        guard let value = json[name] else { return nil }
        guard let text = value.string, (1...maxBytes).contains(text.utf8.count) else { throw .claimMalformed(name) }
        return text
    }

    /// A text that names something: visible ASCII and blanks only, because Swift compares texts by Unicode equivalence
    /// and some characters above ASCII are equivalent to one below (U+212A and K).
    func identifier(_ name: String, maxBytes: Int = 2048) throws(JOSEError) -> String {
        let text = try text(name, maxBytes: maxBytes)
        guard text.isVisibleASCII else { throw .claimMalformed(name) }
        return text
    }

    /// A time in whole seconds. Fractions, exponents and texts are refused, as are times before 1970 and after 9999.
    func time(_ name: String) throws(JOSEError) -> Int64 {
        guard let time = try optionalTime(name) else { throw .claimMalformed(name) }
        return time
    }

    func optionalTime(_ name: String) throws(JOSEError) -> Int64? {
        guard let value = json[name] else { return nil }
        guard case .int(let seconds) = value, (0...253_402_300_799).contains(seconds) else {
            throw .claimMalformed(name)
        }
        return seconds
    }

    /// The audience: a text, or an array of texts, never empty.
    func audience() throws(JOSEError) -> [String] {
        let audiences = json["aud"]?.string.map { [$0] } ?? json["aud"]?.stringArray ?? []
        guard !audiences.isEmpty, audiences.allSatisfy({ !$0.isEmpty && $0.isVisibleASCII }) else {
            throw .claimMalformed("aud")
        }
        return audiences
    }
}
