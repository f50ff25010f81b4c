/// A source of bytes that nobody can guess.
public struct RandomSource: Sendable {
    /// As many fresh bytes as asked for.
    public let bytes: @Sendable (Int) -> [UInt8]

    /// Makes a source; anything but the system's is for tests.
    public init(bytes: @escaping @Sendable (Int) -> [UInt8]) { self.bytes = bytes }

    /// A fresh secret of the given strength (256 bits unless told), as base64url text.
    public func secret(byteCount: Int = 32) -> Secret { Secret(identifier(byteCount: byteCount)) }

    /// A fresh identifier that cannot collide by chance (128 bits unless told), as base64url text.
    public func identifier(byteCount: Int = 16) -> String { Base64URL.encode(bytes(byteCount)) }

    /// The generator of the operating system.
    public static let system = RandomSource(bytes: { count in
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        // Eight bytes a call: each call may be one of the operating system.
        while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) } }
        bytes.removeLast(bytes.count - count)
        return bytes
    })
}
