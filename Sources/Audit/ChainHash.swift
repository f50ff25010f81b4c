internal import Crypto

/// A SHA-256 digest in the chain that ties each audit entry to the one before it.
public struct ChainHash: Hashable, Sendable, CustomStringConvertible {
    /// The 32 bytes.
    public let bytes: [UInt8]

    /// The digest with these bytes; nil unless there are 32.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 32 else { return nil }
        self.bytes = Array(bytes)
    }

    /// The digest of a text.
    init(of text: [UInt8]) {
        var hash = SHA256()
        text.withUnsafeBytes { hash.update(bufferPointer: $0) }
        bytes = hash.finalize().withUnsafeBytes { Array($0) }
    }

    /// What the first entry of a chain has before it: 32 zero bytes.
    public static let origin = ChainHash(unchecked: Array(repeating: 0, count: 32))

    private init(unchecked bytes: [UInt8]) { self.bytes = bytes }

    /// Lower-case hexadecimal.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

extension ChainHash {
    /// The hash of an entry: over its node, place, time, the hash before it and the hash of its body.
    ///
    /// Every field has a fixed width or its length before it, so no two entries share a preimage.
    init(node: String, sequence: Int64, recordedAt: Int64, previous: ChainHash, bodyHash: ChainHash) {
        var preimage: [UInt8] = []
        preimage.reserveCapacity(160)
        preimage.append(contentsOf: "chaperone-audit-1".utf8)
        preimage.append(bigEndian: UInt64(node.utf8.count))
        preimage.append(contentsOf: node.utf8)
        preimage.append(bigEndian: UInt64(bitPattern: sequence))
        preimage.append(bigEndian: UInt64(bitPattern: recordedAt))
        preimage += previous.bytes
        preimage += bodyHash.bytes
        self.init(of: preimage)
    }
}

extension [UInt8] {
    fileprivate mutating func append(bigEndian value: UInt64) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }
}
