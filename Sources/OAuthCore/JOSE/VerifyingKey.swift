internal import Crypto
internal import CryptoExtras
internal import FoundationEssentials

/// A public key as the engine holds it, with its numbers for printing.
enum VerifyingKey: Sendable {
    case p256(P256.Signing.PublicKey)
    case p384(P384.Signing.PublicKey)
    case rsa(_RSA.Signing.PublicKey, RSAPublicNumbers)

    var keyType: KeyType {
        switch self {
        case .p256: .p256
        case .p384: .p384
        case .rsa: .rsa
        }
    }

    /// The key with its algorithm in DER, as certificates hold it (RFC 5280 §4.1.2.7).
    var subjectPublicKeyInfo: [UInt8] {
        switch self {
        case .p256(let key): Array(key.derRepresentation)
        case .p384(let key): Array(key.derRepresentation)
        case .rsa(let key, _): Array(key.derRepresentation)
        }
    }

    /// Makes a curve key from coordinates of full length; throws when the point is not on the curve.
    init(curve: KeyType, x: [UInt8], y: [UInt8]) throws(JOSEError) {
        let length = curve == .p256 ? 32 : 48
        // RFC 7518 §6.2.1.2: the coordinates have the full size of the field.
        guard curve != .rsa, x.count == length, y.count == length else { throw .keyRefused }
        do {
            let point = [4] + x + y
            self =
                curve == .p256
                ? .p256(try P256.Signing.PublicKey(x963Representation: point))
                : .p384(try P384.Signing.PublicKey(x963Representation: point))
        } catch { throw .keyRefused }
    }

    init(rsa numbers: RSAPublicNumbers) throws(JOSEError) {
        do { self = .rsa(try _RSA.Signing.PublicKey(n: numbers.modulus, e: numbers.exponent), numbers) } catch {
            throw .keyRefused
        }
    }

    /// Whether the signature, in the form of RFC 7518 §3.3–3.5, is this key's over the bytes. False when the key
    /// cannot carry the algorithm.
    func isValid(_ signature: [UInt8], over bytes: [UInt8], algorithm: SignatureAlgorithm) -> Bool {
        switch (self, algorithm) {
        case (.p256(let key), .es256):
            // RFC 7518 §3.4: two numbers of fixed length, never DER.
            guard signature.count == 64, let value = try? P256.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(value, for: SHA256.hash(data: bytes))
        case (.p384(let key), .es384):
            guard signature.count == 96, let value = try? P384.Signing.ECDSASignature(rawRepresentation: signature)
            else { return false }
            return key.isValidSignature(value, for: SHA384.hash(data: bytes))
        case (.rsa(let key, let numbers), .rs256), (.rsa(let key, let numbers), .rs384),
            (.rsa(let key, let numbers), .ps256), (.rsa(let key, let numbers), .ps384):
            guard signature.count == numbers.modulus.count else { return false }
            let value = _RSA.Signing.RSASignature(rawRepresentation: signature)
            switch algorithm {
            case .rs256:
                return key.isValidSignature(value, for: SHA256.hash(data: bytes), padding: .insecurePKCS1v1_5)
            case .rs384:
                return key.isValidSignature(value, for: SHA384.hash(data: bytes), padding: .insecurePKCS1v1_5)
            case .ps256: return key.isValidSignature(value, for: SHA256.hash(data: bytes), padding: .PSS)
            case .ps384: return key.isValidSignature(value, for: SHA384.hash(data: bytes), padding: .PSS)
            case .es256, .es384: return false
            }
        case (.p256, _), (.p384, _), (.rsa, _): return false
        }
    }
}
