public import FHIRCore

/// A set of public keys (RFC 7517 §5).
public struct JWKSet: Hashable, Sendable {
    /// The keys, in the order of the document.
    public let keys: [PublicJWK]

    /// How a document is read.
    public enum Source: Hashable, Sendable {
        /// Given to us at registration: every key must be one that we can use, with a `kid` of its own.
        case registered
        /// Fetched from where a party publishes its keys: what we cannot use is passed over (RFC 7517 §5), private
        /// material still refuses the whole document.
        case fetched
    }

    /// The most keys that a document may hold.
    public static let maxKeys = 32
    /// The longest document.
    public static let maxBytes = 256 << 10

    /// Makes a set of keys.
    public init(_ keys: [PublicJWK]) { self.keys = keys }

    /// Reads a document.
    public init(parsing json: JSONValue, from source: Source) throws(JOSEError) {
        guard json.isObject, let members = json["keys"]?.array else { throw .malformedJSON }
        guard members.count <= Self.maxKeys else { throw .keyRefused }
        var keys: [PublicJWK] = []
        for member in members {
            do throws(JOSEError) {
                let key = try PublicJWK(parsing: member)
                if source == .registered, key.keyID == nil { throw JOSEError.keyIDMissing }
                keys.append(key)
            } catch {
                // A private key in a public place is compromised, and its owner must hear of it.
                guard source == .fetched, error != .privateKeyMaterial else { throw error }
            }
        }
        if source == .registered {
            guard !keys.isEmpty, Set(keys.map(\.keyID)).count == keys.count else { throw .keyRefused }
        }
        self.keys = keys
    }

    /// Reads the bytes of a document.
    public init(parsing bytes: [UInt8], from source: Source) throws(JOSEError) {
        let json: JSONValue
        do { json = try JSONValue(parsing: bytes, limits: .controlPlane(maxBytes: Self.maxBytes)) } catch {
            throw .malformedJSON
        }
        try self.init(parsing: json, from: source)
    }

    /// The one key that has the `kid` and fits the algorithm; throws when there is none or more than one
    /// (SMART 2.2 client-confidential-asymmetric).
    func key(_ keyID: String, for algorithm: SignatureAlgorithm) throws(JOSEError) -> PublicJWK {
        let named = keys.filter { $0.keyID == keyID && $0.keyType.family == algorithm.keyType.family }
        guard named.count == 1, let key = named.first else { throw .keyNotFound }
        // INVARIANT: the key says which algorithm may be used with it, not the token.
        guard key.fits(algorithm) else { throw .algorithmRefused }
        return key
    }

    /// The document.
    public var json: JSONValue { ["keys": .array(keys.map(\.json))] }
}
