internal import Crypto
internal import CryptoExtras
internal import FHIRCore
internal import FoundationEssentials

/// A private key as the engine holds it.
enum SigningKey: Sendable {
    case p256(P256.Signing.PrivateKey)
    case p384(P384.Signing.PrivateKey)
    case rsa(_RSA.Signing.PrivateKey)

    /// Reads the private numbers of a JWK (RFC 7518 §6.2.2, §6.3.2).
    init(parsing json: JSONValue, type: KeyType) throws(JOSEError) {
        do {
            switch type {
            case .p256:
                self = .p256(try P256.Signing.PrivateKey(rawRepresentation: PublicJWK.number("d", of: json)))
            case .p384:
                self = .p384(try P384.Signing.PrivateKey(rawRepresentation: PublicJWK.number("d", of: json)))
            case .rsa:
                self = .rsa(
                    try _RSA.Signing.PrivateKey(
                        n: PublicJWK.number("n", of: json), e: PublicJWK.number("e", of: json),
                        d: PublicJWK.number("d", of: json), p: PublicJWK.number("p", of: json),
                        q: PublicJWK.number("q", of: json)))
            }
        } catch { throw .keyRefused }
    }

    func publicMaterial() throws(JOSEError) -> VerifyingKey {
        switch self {
        case .p256(let key): return .p256(key.publicKey)
        case .p384(let key): return .p384(key.publicKey)
        case .rsa(let key):
            guard let primitives = try? key.publicKey.getKeyPrimitives() else { throw .keyRefused }
            return .rsa(
                key.publicKey,
                try RSAPublicNumbers(
                    modulus: Array(primitives.modulus), exponent: Array(primitives.publicExponent)))
        }
    }

    func signature(over bytes: [UInt8], algorithm: SignatureAlgorithm) throws -> [UInt8] {
        switch (self, algorithm) {
        case (.p256(let key), .es256): return Array(try key.signature(for: SHA256.hash(data: bytes)).rawRepresentation)
        case (.p384(let key), .es384): return Array(try key.signature(for: SHA384.hash(data: bytes)).rawRepresentation)
        case (.rsa(let key), .rs256):
            return Array(
                try key.signature(for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5).rawRepresentation)
        case (.rsa(let key), .rs384):
            return Array(
                try key.signature(for: SHA384.hash(data: bytes), padding: .insecurePKCS1v1_5).rawRepresentation)
        case (.rsa(let key), .ps256):
            return Array(try key.signature(for: SHA256.hash(data: bytes), padding: .PSS).rawRepresentation)
        case (.rsa(let key), .ps384):
            return Array(try key.signature(for: SHA384.hash(data: bytes), padding: .PSS).rawRepresentation)
        case (.p256, _), (.p384, _), (.rsa, _): throw JOSEError.algorithmRefused
        }
    }

    var pem: String {
        switch self {
        case .p256(let key): key.pemRepresentation
        case .p384(let key): key.pemRepresentation
        case .rsa(let key): key.pkcs8PEMRepresentation
        }
    }

    /// The private members of a JWK, by name.
    func privateNumbers() throws(JOSEError) -> [(String, [UInt8])] {
        switch self {
        case .p256(let key): return [("d", Array(key.rawRepresentation))]
        case .p384(let key): return [("d", Array(key.rawRepresentation))]
        case .rsa(let key):
            // RFC 8017 A.1.2: version, n, e, d, p, q, dP, dQ, qInv.
            guard let numbers = DERIntegers.sequence(Array(key.derRepresentation)), numbers.count == 9 else {
                throw .keyRefused
            }
            return Array(zip(["d", "p", "q", "dp", "dq", "qi"], numbers[3...]))
        }
    }
}

/// A reader of the one DER structure that we need: a SEQUENCE of non-negative INTEGERs.
enum DERIntegers {
    /// The numbers without leading zeros, or nil when the bytes are anything else.
    static func sequence(_ bytes: [UInt8]) -> [[UInt8]]? {
        var input = bytes[...]
        guard let content = element(0x30, of: &input), input.isEmpty else { return nil }
        var rest = content
        var numbers: [[UInt8]] = []
        while !rest.isEmpty {
            guard let number = element(0x02, of: &rest) else { return nil }
            numbers.append(Array(number.drop { $0 == 0 }))
        }
        return numbers
    }

    private static func element(_ tag: UInt8, of input: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard input.popFirst() == tag, let first = input.popFirst() else { return nil }
        var length = Int(first)
        if first & 0x80 != 0 {
            let count = Int(first & 0x7F)
            guard (1...3).contains(count), input.count >= count else { return nil }
            length = input.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            input = input.dropFirst(count)
        }
        guard input.count >= length else { return nil }
        defer { input = input.dropFirst(length) }
        return input.prefix(length)
    }
}
