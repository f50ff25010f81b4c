/// Looks through JSON for a host name in any case, or for an escape that could spell one.
///
/// Sixteen places are looked at together: where the first and the last byte of the name stand at the right distance, the
/// name is compared. A backslash is looked for eight bytes at a time.
struct HostFinder: Hashable, Sendable {
    private let name: [UInt8]

    /// A finder of a name that is lower case already; of no name it says that it may stand anywhere.
    init(lowercased name: [UInt8]) { self.name = name }

    /// Whether the name stands in the bytes, or an escape of a code unit, by which it could be spelt.
    ///
    /// - Parameter mayBeSpelt: false where somebody has seen that there is no such escape.
    func mayStand(in bytes: UnsafeRawBufferPointer, mayBeSpelt: Bool = true) -> Bool {
        name.isEmpty || stands(in: bytes) || (mayBeSpelt && HostFinder.hasCodeUnitEscape(bytes))
    }

    private func stands(in bytes: UnsafeRawBufferPointer) -> Bool {
        name.withUnsafeBufferPointer { name in
            guard bytes.count >= name.count, let first = name.first, let last = name.last else { return false }
            let places = bytes.count - name.count + 1
            // With the bit that tells lower case from upper, letters match in any case. Some other bytes match too; they
            // only cost a comparison.
            let beginning = SIMD16<UInt8>(repeating: first | 0x20)
            let end = SIMD16<UInt8>(repeating: last | 0x20)
            let bit = SIMD16<UInt8>(repeating: 0x20)
            var place = 0
            while place + 16 <= places {
                // INVARIANT: the last byte read is at `place + 15 + name.count - 1 < bytes.count`.
                let left = bytes.loadUnaligned(fromByteOffset: place, as: SIMD16<UInt8>.self) | bit
                let right = bytes.loadUnaligned(fromByteOffset: place + name.count - 1, as: SIMD16<UInt8>.self) | bit
                let differences = (left ^ beginning) | (right ^ end)
                if HostFinder.hasZero(differences) {
                    for candidate in place..<place + 16 where HostFinder.stands(name, in: bytes, at: candidate) {
                        return true
                    }
                }
                place += 16
            }
            while place < places {
                if HostFinder.stands(name, in: bytes, at: place) { return true }
                place += 1
            }
            return false
        }
    }

    /// Whether the name stands at a place where there is room for it.
    @inline(__always)
    private static func stands(
        _ name: UnsafeBufferPointer<UInt8>, in bytes: UnsafeRawBufferPointer, at place: Int
    ) -> Bool {
        for offset in 0..<name.count where lowercased(bytes[place + offset]) != name[offset] { return false }
        return true
    }

    /// Whether one of the bytes is zero.
    @inline(__always)
    private static func hasZero(_ bytes: SIMD16<UInt8>) -> Bool {
        let zeros = unsafeBitCast(bytes .== SIMD16<UInt8>.zero, to: SIMD2<UInt64>.self)
        return zeros.x | zeros.y != 0
    }

    @inline(__always)
    private static func lowercased(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")) ~= byte ? byte | 0x20 : byte
    }

    private static func hasCodeUnitEscape(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        var place = 0
        while place < bytes.count {
            if place + 8 <= bytes.count {
                let difference = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) ^ (ones &* 0x5C)
                guard (difference &- ones) & ~difference & (ones &* 0x80) != 0 else {
                    place += 8
                    continue
                }
            }
            let end = min(place + 8, bytes.count)
            while place < end {
                if bytes[place] == UInt8(ascii: "\\"), place + 1 < bytes.count, bytes[place + 1] == UInt8(ascii: "u") {
                    return true
                }
                place += 1
            }
        }
        return false
    }
}
