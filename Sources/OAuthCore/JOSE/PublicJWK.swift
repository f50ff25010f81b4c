internal import Crypto
public import FHIRCore

/// A public signature key as a JSON Web Key (RFC 7517), of a kind and size that we use.
public struct PublicJWK: Hashable, Sendable {
    /// The name by which a signature refers to the key.
    public let keyID: String?
    /// The one algorithm that the key may be used with; nil leaves the choice among those its kind can carry.
    public let algorithm: SignatureAlgorithm?
    /// The SHA-256 thumbprint (RFC 7638), which identifies the key material whatever its name.
    public let thumbprint: String
    /// The certificate that came with the key (the first of `x5c`), in DER; it is about this very key.
    public let certificate: [UInt8]?
    let material: VerifyingKey

    /// The kind of key.
    public var keyType: KeyType { material.keyType }

    init(material: VerifyingKey, keyID: String?, algorithm: SignatureAlgorithm?, certificate: [UInt8]? = nil) {
        self.certificate = certificate
        self.material = material
        self.keyID = keyID
        self.algorithm = algorithm
        // RFC 7638 §3.2: the required members in lexical order.
        thumbprint = Base64URL.encode(SHA256Hash.of(JSONValue.members(Self.numbers(of: material)).serialized))
    }

    /// Reads a public key; throws `privateKeyMaterial` when private or symmetric members are there, `keyRefused` for
    /// kinds, curves, sizes, uses and algorithms that we do not accept.
    public init(parsing json: JSONValue) throws(JOSEError) {
        guard json.isObject else { throw .malformedJSON }
        guard !Self.privateMembers.contains(where: { json[$0] != nil }) else { throw .privateKeyMaterial }
        let material = try Self.material(of: json)
        // RFC 7517 §4.2–4.3: a key that says it is for something else is not for signatures.
        if let use = json["use"], use.string != "sig" { throw .keyRefused }
        if let operations = json["key_ops"] {
            guard let names = operations.stringArray, names.contains("verify") else { throw .keyRefused }
        }
        var algorithm: SignatureAlgorithm?
        if let stated = json["alg"] {
            guard let known = stated.string.flatMap(SignatureAlgorithm.init(rawValue:)),
                known.keyType == material.keyType
            else { throw .keyRefused }
            algorithm = known
        }
        var keyID: String?
        if let stated = json["kid"] {
            guard let text = stated.string, Self.isUsable(keyID: text) else { throw .keyRefused }
            keyID = text
        }
        self.init(
            material: material, keyID: keyID, algorithm: algorithm,
            certificate: try Self.certificate(of: json, material))
    }

    /// RFC 7517 §4.7: the first certificate is about the key; one about another key would let its owner in.
    private static func certificate(of json: JSONValue, _ material: VerifyingKey) throws(JOSEError) -> [UInt8]? {
        guard let member = json["x5c"] else { return nil }
        guard let text = member.stringArray?.first, let der = Base64.decode(text),
            let certificate = ClientCertificate(der: der), certificate.publicKey == material.subjectPublicKeyInfo
        else { throw .keyRefused }
        return der
    }

    /// The members that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
    static let privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]

    /// A `kid` is opaque, but neither endless nor made of characters that compare equal to others.
    static func isUsable(keyID: String) -> Bool { (1...256).contains(keyID.utf8.count) && keyID.isVisibleASCII }

    static func material(of json: JSONValue) throws(JOSEError) -> VerifyingKey {
        switch json["kty"]?.string {
        case "EC":
            guard let curve = json["crv"]?.string.flatMap(KeyType.init(rawValue:)), curve != .rsa else {
                throw .keyRefused
            }
            return try VerifyingKey(curve: curve, x: number("x", of: json), y: number("y", of: json))
        case "RSA":
            return try VerifyingKey(
                rsa: RSAPublicNumbers(modulus: number("n", of: json), exponent: number("e", of: json)))
        default: throw .keyRefused
        }
    }

    static func number(_ name: String, of json: JSONValue) throws(JOSEError) -> [UInt8] {
        guard let text = json[name]?.string, text.utf8.count <= 1024, let bytes = Base64URL.decode(text) else {
            throw .keyRefused
        }
        return bytes
    }

    /// The members that say which key it is, in lexical order.
    private static func numbers(of material: VerifyingKey) -> [(name: String, value: JSONValue?)] {
        switch material {
        case .p256(let key): point(Array(key.rawRepresentation), curve: .p256)
        case .p384(let key): point(Array(key.rawRepresentation), curve: .p384)
        case .rsa(_, let numbers):
            [
                ("e", .string(Base64URL.encode(numbers.exponent))), ("kty", "RSA"),
                ("n", .string(Base64URL.encode(numbers.modulus))),
            ]
        }
    }

    private static func point(_ raw: [UInt8], curve: KeyType) -> [(name: String, value: JSONValue?)] {
        [
            ("crv", .string(curve.rawValue)), ("kty", "EC"),
            ("x", .string(Base64URL.encode(raw.prefix(raw.count / 2)))),
            ("y", .string(Base64URL.encode(raw.suffix(raw.count / 2)))),
        ]
    }

    /// The key as JSON, for a public key set.
    public var json: JSONValue {
        .members(
            Self.numbers(of: material) + [
                ("use", "sig"), ("alg", algorithm.map { .string($0.rawValue) }), ("kid", keyID.map { .string($0) }),
                ("x5c", certificate.map { .array([.string(Base64.encode($0))]) }),
            ])
    }

    /// Whether a signature with this algorithm may be checked with this key.
    func fits(_ wanted: SignatureAlgorithm) -> Bool {
        wanted.keyType == keyType && (algorithm == nil || algorithm == wanted)
    }

    public static func == (left: PublicJWK, right: PublicJWK) -> Bool {
        left.thumbprint == right.thumbprint && left.keyID == right.keyID && left.algorithm == right.algorithm
            && left.certificate == right.certificate
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(thumbprint)
        hasher.combine(keyID)
    }
}
