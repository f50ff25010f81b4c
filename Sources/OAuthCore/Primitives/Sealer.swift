internal import Crypto
internal import FoundationEssentials

/// A seal that hides bytes from whoever carries them and shows any change: page links, cookies.
///
/// AES-256-GCM under a key derived for each message (HKDF-SHA-256 with a random salt), so that the number of messages
/// under one configured key is not bounded by the 96-bit nonce. The context names the purpose: what was sealed for one
/// cannot be opened for another. The first key seals, every key opens, so keys can be exchanged while links live.
public struct Sealer: Sendable, CustomStringConvertible, CustomReflectable {
    private static let version: UInt8 = 1
    private static let saltLength = 16
    private let keys: [SymmetricKey]

    /// Takes keys of 32 random bytes each, the sealing one first; nil when there is none or one has another length.
    public init?(keys: [[UInt8]]) {
        guard !keys.isEmpty, keys.allSatisfy({ $0.count == 32 }) else { return nil }
        self.keys = keys.map { SymmetricKey(data: $0) }
    }

    /// The sealed bytes as base64url text.
    public func seal(_ bytes: [UInt8], context: String, random: RandomSource = .system) throws -> String {
        let salt = random.bytes(Self.saltLength)
        let key = Self.messageKey(keys[0], salt: salt, context: context)
        let box = try AES.GCM.seal(bytes, using: key, authenticating: [Self.version])
        guard let combined = box.combined else { throw JOSEError.signingFailed }
        return Base64URL.encode([Self.version] + salt + combined)
    }

    /// The bytes that were sealed for this context by one of the keys, or nil.
    public func open(_ text: String, context: String) -> [UInt8]? {
        guard let bytes = Base64URL.decode(text), bytes.first == Self.version, bytes.count > Self.saltLength + 28,
            let box = try? AES.GCM.SealedBox(combined: bytes[(1 + Self.saltLength)...])
        else { return nil }
        let salt = Array(bytes[1...Self.saltLength])
        for key in keys {
            let derived = Self.messageKey(key, salt: salt, context: context)
            if let opened = try? AES.GCM.open(box, using: derived, authenticating: [Self.version]) {
                return Array(opened)
            }
        }
        return nil
    }

    /// Whether the first key, under which everything new is sealed, opens it.
    public func opensWithFirst(_ text: String, context: String) -> Bool {
        Sealer(first: keys[0]).open(text, context: context) != nil
    }

    private init(first key: SymmetricKey) { keys = [key] }

    public var description: String { "<sealer with \(keys.count) keys>" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    private static func messageKey(_ key: SymmetricKey, salt: [UInt8], context: String) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: key, salt: salt, info: Array("chaperone seal: \(context)".utf8), outputByteCount: 32)
    }
}
