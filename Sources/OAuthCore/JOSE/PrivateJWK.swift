internal import Crypto
internal import CryptoExtras
public import FHIRCore
internal import FoundationEssentials

/// A private signature key with its name and the one algorithm it signs with.
public struct PrivateJWK: Sendable, CustomStringConvertible, CustomReflectable {
    /// The name that signatures carry.
    public let keyID: String
    /// The algorithm that the key signs with.
    public let algorithm: SignatureAlgorithm
    /// The public half, under the same name and pinned to the same algorithm.
    public let publicKey: PublicJWK
    let material: SigningKey

    init(material: SigningKey, keyID: String?, algorithm: SignatureAlgorithm) throws(JOSEError) {
        let publicMaterial = try material.publicMaterial()
        guard publicMaterial.keyType == algorithm.keyType else { throw .keyRefused }
        let thumbprint = PublicJWK(material: publicMaterial, keyID: nil, algorithm: nil).thumbprint
        let keyID = keyID ?? thumbprint
        guard PublicJWK.isUsable(keyID: keyID) else { throw .keyRefused }
        self.keyID = keyID
        self.algorithm = algorithm
        self.material = material
        publicKey = PublicJWK(material: publicMaterial, keyID: keyID, algorithm: algorithm)
    }

    /// Makes a fresh key; its name is its thumbprint unless one is given. RSA keys get 2048 bits unless told.
    public static func generate(
        _ algorithm: SignatureAlgorithm, keyID: String? = nil, rsaBits: Int = 2048
    ) throws(JOSEError) -> PrivateJWK {
        let material: SigningKey
        switch algorithm.keyType {
        case .p256: material = .p256(P256.Signing.PrivateKey())
        case .p384: material = .p384(P384.Signing.PrivateKey())
        case .rsa:
            guard (2048...4096).contains(rsaBits), rsaBits.isMultiple(of: 256),
                let key = try? _RSA.Signing.PrivateKey(keySize: .init(bitCount: rsaBits))
            else { throw .keyRefused }
            material = .rsa(key)
        }
        return try PrivateJWK(material: material, keyID: keyID, algorithm: algorithm)
    }

    /// Reads a PEM document (PKCS #8, SEC 1 or PKCS #1).
    public init(pem: String, algorithm: SignatureAlgorithm, keyID: String? = nil) throws(JOSEError) {
        let material: SigningKey
        do {
            switch algorithm.keyType {
            case .p256: material = .p256(try P256.Signing.PrivateKey(pemRepresentation: pem))
            case .p384: material = .p384(try P384.Signing.PrivateKey(pemRepresentation: pem))
            case .rsa: material = .rsa(try _RSA.Signing.PrivateKey(pemRepresentation: pem))
            }
        } catch { throw .keyRefused }
        try self.init(material: material, keyID: keyID, algorithm: algorithm)
    }

    /// Reads a private JWK. `alg` may be left out of a curve key, not of an RSA key; the numbers must belong together.
    public init(parsing json: JSONValue) throws(JOSEError) {
        let publicMaterial = try PublicJWK.material(of: json)
        let stated = json["alg"]?.string.flatMap(SignatureAlgorithm.init(rawValue:))
        let only = publicMaterial.keyType.algorithms.count == 1 ? publicMaterial.keyType.algorithms.first : nil
        guard let algorithm = json["alg"] == nil ? only : stated, algorithm.keyType == publicMaterial.keyType else {
            throw .algorithmRefused
        }
        let material = try SigningKey(parsing: json, type: publicMaterial.keyType)
        let claimed = PublicJWK(material: publicMaterial, keyID: nil, algorithm: nil).thumbprint
        try self.init(material: material, keyID: json["kid"]?.string, algorithm: algorithm)
        // A private half that belongs to another public half would sign what nobody can verify.
        guard claimed == publicKey.thumbprint else { throw .keyRefused }
    }

    /// The key as PKCS #8 PEM, for storage under the protection that the store gives.
    public var pem: Secret { Secret(material.pem) }

    /// The key as a private JWK, for key files.
    public func json() throws(JOSEError) -> JSONValue {
        guard let members = publicKey.json.object else { throw .malformedJSON }
        return .object(
            members + (try material.privateNumbers()).map { JSONMemberValue($0, .string(Base64URL.encode($1))) })
    }

    func signature(over bytes: [UInt8]) throws(JOSEError) -> [UInt8] {
        do { return try material.signature(over: bytes, algorithm: algorithm) } catch { throw .signingFailed }
    }

    public var description: String { "<private key \(keyID)>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
