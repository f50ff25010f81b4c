internal import FHIRCore

/// A JWT whose form is right and whose signature nobody has checked; it says only whom to ask for the key.
public struct UnverifiedJWT: Sendable, CustomStringConvertible, CustomReflectable {
    /// The signature algorithm that the header names.
    public let algorithm: SignatureAlgorithm
    /// The key that the header names.
    public let keyID: String?
    let header: JSONValue
    let claims: JSONValue
    private let signingInput: [UInt8]
    private let signature: [UInt8]

    /// The longest token that is read.
    public static let maxBytes = 16 << 10

    /// Takes a compact serialization apart (RFC 7515 §7.1) and refuses all that is not exactly one.
    public init(parsing compact: String, maxBytes: Int = UnverifiedJWT.maxBytes) throws(JOSEError) {
        let bytes = Array(compact.utf8.prefix(maxBytes + 1))
        guard bytes.count <= maxBytes else { throw .malformed }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let headerBytes = Base64URL.decode(utf8: parts[0]), headerBytes.count <= 4096,
            let claimBytes = Base64URL.decode(utf8: parts[1]), let signature = Base64URL.decode(utf8: parts[2])
        else { throw .malformed }
        let header = try Self.object(headerBytes)
        // RFC 8725 §3.1: nothing is looked at before the algorithm is one of ours; `none` and HMAC never are.
        guard let algorithm = header["alg"]?.string.flatMap(SignatureAlgorithm.init(rawValue:)) else {
            throw .algorithmRefused
        }
        // RFC 7515 §4.1.11, RFC 7797 §6: we understand no extension.
        guard header["crit"] == nil, header["b64"] == nil else { throw .criticalHeader }
        if let keyID = header["kid"] {
            guard let text = keyID.string, PublicJWK.isUsable(keyID: text) else { throw .keyIDMissing }
        }
        self.algorithm = algorithm
        self.header = header
        keyID = header["kid"]?.string
        claims = try Self.object(claimBytes)
        signingInput = Array(bytes[..<parts[2].startIndex.advanced(by: -1)])
        self.signature = signature
    }

    private static func object(_ bytes: [UInt8]) throws(JOSEError) -> JSONValue {
        let value: JSONValue
        do { value = try JSONValue(parsing: bytes, limits: .controlPlane(maxBytes: maxBytes)) } catch {
            throw .malformedJSON
        }
        guard value.isObject else { throw .malformedJSON }
        return value
    }

    /// Whom the token says it is from, which is not known to be true.
    public var claimedIssuer: String? { claims["iss"]?.string }
    /// Whom the token says it is about, which is not known to be true.
    public var claimedSubject: String? { claims["sub"]?.string }

    /// Checks algorithm, type, headers and signature. Does not look at any claim.
    public func verified(by keys: JWKSet, rules: JWSRules) throws(JOSEError) -> VerifiedJWT {
        guard rules.algorithms.contains(algorithm) else { throw .algorithmRefused }
        guard rules.accepts(type: header["typ"]) else { throw .typeRefused }
        // A key that comes with the signature proves nothing. `x5c` and `x5u` are never looked at.
        guard header["jwk"] == nil else { throw .embeddedKey }
        if let location = header["jku"] {
            guard let text = location.string, rules.registeredKeySetURL?.utf8.elementsEqual(text.utf8) == true else {
                throw .embeddedKey
            }
        }
        guard let keyID else { throw .keyIDMissing }
        let key = try keys.key(keyID, for: algorithm)
        guard key.material.isValid(signature, over: signingInput, algorithm: algorithm) else {
            throw .signatureInvalid
        }
        return VerifiedJWT(header: header, claims: claims, key: key, algorithm: algorithm)
    }

    /// Checks algorithm, type and signature against the key that comes in the header, which proves possession of that key
    /// and nothing else (RFC 9449 §4.3). A private key in the header refuses it.
    func verifiedByOwnKey(algorithms: Set<SignatureAlgorithm>, type: String) throws(JOSEError) -> VerifiedJWT {
        guard algorithms.contains(algorithm) else { throw .algorithmRefused }
        guard header["typ"]?.string == type else { throw .typeRefused }
        guard header["jku"] == nil, let json = header["jwk"] else { throw .embeddedKey }
        let key = try PublicJWK(parsing: json)
        guard key.fits(algorithm) else { throw .algorithmRefused }
        guard key.material.isValid(signature, over: signingInput, algorithm: algorithm) else {
            throw .signatureInvalid
        }
        return VerifiedJWT(header: header, claims: claims, key: key, algorithm: algorithm)
    }

    // A token is a secret until its client has used it up; it prints without its content.
    public var description: String { "<unverified JWT, \(algorithm.rawValue)>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// What a verifier of signed tokens expects.
public struct JWSRules: Hashable, Sendable {
    /// The algorithms that are accepted here.
    public let algorithms: Set<SignatureAlgorithm>
    /// The `typ` values that are accepted here, lower case, without `application/` (RFC 8725 §3.11).
    public let types: Set<String>
    /// Whether `typ` may be left out.
    public let typeIsOptional: Bool
    /// The key set URL that `jku` may repeat; with nil no `jku` is accepted.
    public let registeredKeySetURL: String?

    /// Makes rules.
    public init(
        algorithms: Set<SignatureAlgorithm>, types: Set<String>, typeIsOptional: Bool = false,
        registeredKeySetURL: String? = nil
    ) {
        self.algorithms = algorithms
        self.types = types
        self.typeIsOptional = typeIsOptional
        self.registeredKeySetURL = registeredKeySetURL
    }

    /// Our access tokens (RFC 9068 §2.1).
    public static let accessToken = JWSRules(algorithms: [.es256], types: ["at+jwt"])
    /// Our ID tokens (SMART 2.2: RS256).
    public static let idToken = JWSRules(algorithms: [.rs256], types: ["jwt"], typeIsOptional: true)

    func accepts(type: JSONValue?) -> Bool {
        guard let type else { return typeIsOptional }
        guard let text = type.string?.lowercased() else { return false }
        // RFC 7515 §4.1.9: the prefix may be left out when no other slash is there.
        let prefix = "application/"
        return types.contains(text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : text)
    }
}
