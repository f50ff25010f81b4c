/// A source of bytes that nobody can guess.
public struct RandomSource: Sendable {
    /// As many fresh bytes as asked for.
    public let bytes: @Sendable (Int) -> [UInt8]

    /// Makes a source; anything but the system's is for tests.
    public init(bytes: @escaping @Sendable (Int) -> [UInt8]) { self.bytes = bytes }

    /// A fresh secret of the given strength (256 bits unless told), as base64url text.
    public func secret(byteCount: Int = 32) -> Secret { Secret(identifier(byteCount: byteCount)) }

    /// A fresh identifier that cannot collide by chance (128 bits unless told), as base64url text that does not begin with
    /// a hyphen: on a command line it would be taken for an option.
    public func identifier(byteCount: Int = 16) -> String {
        var bytes = bytes(byteCount)
        // The hyphen is 62: such a beginning becomes another, at the price of a fiftieth of a bit.
        if let first = bytes.first, first >> 2 == 62 { bytes[0] = first & 0x7F }
        return Base64URL.encode(bytes)
    }

    /// A fresh identifier that nobody can guess (80 bits) and that stands near those of its time when identifiers are
    /// kept in order, so that an index of them grows in one place. It tells when it was made, to the millisecond.
    public func identifier(at milliseconds: Int64) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(16)
        Swift.withUnsafeBytes(of: milliseconds.bigEndian) { bytes.append(contentsOf: $0.dropFirst(2)) }
        bytes.append(contentsOf: self.bytes(10))
        return Base64URL.encode(bytes)
    }

    /// The generator of the operating system.
    public static let system = RandomSource(bytes: { count in
        var generator = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + 7)
        // Eight bytes a call: each call may be one of the operating system.
        while bytes.count < count { Swift.withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) } }
        bytes.removeLast(bytes.count - count)
        return bytes
    })
}
