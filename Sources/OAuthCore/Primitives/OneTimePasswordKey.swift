internal import Crypto

/// The key that a person's authenticator app shares with us, and the codes that follow from it and the time
/// (RFC 4226, RFC 6238): SHA-1, six digits, a new code every thirty seconds, which is what every such app can do.
public struct OneTimePasswordKey: Sendable, CustomStringConvertible, CustomReflectable {
    /// The length of the keys that we make, in bytes (RFC 4226 §4 R6 recommends 160 bits).
    public static let length = 20
    /// How long one code is shown, in seconds (RFC 6238 §4.1).
    public static let stepSeconds: Int64 = 30
    /// How many digits a code has.
    public static let digits = 6
    /// How many steps a clock may be off, either way (RFC 6238 §5.2).
    static let drift: Int64 = 1

    /// The raw key, for sealing.
    public let bytes: [UInt8]

    /// Takes a key; nil when it is shorter than 128 bits (RFC 4226 §4 R6).
    public init?(_ bytes: [UInt8]) {
        guard bytes.count >= 16 else { return nil }
        self.bytes = bytes
    }

    /// A new key.
    public static func generate(_ random: RandomSource) -> OneTimePasswordKey? {
        OneTimePasswordKey(random.bytes(length))
    }

    /// The number of the time step at a Unix time in seconds.
    public static func step(at time: Int64) -> Int64 { time / stepSeconds }

    /// The code of one counter value or time step (RFC 4226 §5.3).
    public func code(at step: Int64, digits: Int = digits) -> String {
        let counter = withUnsafeBytes(of: UInt64(bitPattern: step).bigEndian, Array.init)
        let mac = Array(
            HMAC<Insecure.SHA1>.authenticationCode(for: counter, using: SymmetricKey(data: bytes)))
        let offset = Int(mac[mac.count - 1] & 0x0F)
        let number = mac[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } & 0x7FFF_FFFF
        let modulus = (0..<digits).reduce(UInt64(1)) { product, _ in product * 10 }
        let text = String(UInt64(number) % modulus)
        return String(repeating: "0", count: digits - text.count) + text
    }

    /// The latest step near `time` whose code this is; nil for a wrong code. Whoever takes it must use the step up, for
    /// a code counts once (RFC 6238 §5.2).
    public func step(of code: Secret, at time: Int64) -> Int64? {
        let now = Self.step(at: time)
        // Every candidate is compared, whichever fits.
        return (now - Self.drift...now + Self.drift).filter { $0 >= 0 && Secret(self.code(at: $0)) == code }.last
    }

    /// The key as people type it: base32 (RFC 4648 §6) without padding.
    public var base32: String { Base32.encode(bytes) }

    /// The address that authenticator apps read (the `otpauth` key URI format).
    public func address(issuer: String, account: String) -> String {
        let (issuer, account) = (FormParameters.encode(issuer), FormParameters.encode(account))
        return "otpauth://totp/\(issuer):\(account)?secret=\(base32)&issuer=\(issuer)"
            + "&algorithm=SHA1&digits=\(Self.digits)&period=\(Self.stepSeconds)"
    }

    public var description: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Base32 in the alphabet of RFC 4648 §6, without padding.
public enum Base32 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")

    /// The text of some bytes; the last character's unused bits are zero.
    public static func encode(_ bytes: [UInt8]) -> String {
        var text = ""
        var buffer: UInt32 = 0
        var bits = 0
        for byte in bytes {
            buffer = buffer << 8 | UInt32(byte)
            bits += 8
            while bits >= 5 {
                bits -= 5
                text.append(alphabet[Int(buffer >> UInt32(bits)) & 31])
            }
            buffer &= (1 << UInt32(bits)) - 1
        }
        if bits > 0 { text.append(alphabet[Int(buffer << UInt32(5 - bits)) & 31]) }
        return text
    }
}
