/// Looks through JSON for a host name in any case, or for an escape that could spell one.
///
/// After Horspool (1980): the byte under the end of the name says how far the name can be moved, mostly by its whole
/// length. A backslash is looked for eight bytes at a time.
struct HostFinder: Hashable, Sendable {
    private let name: [UInt8]
    /// How far the name may be moved when a byte stands under its end, for all 256.
    private let shifts: [UInt8]

    /// A finder of a name that is lower case already; of no name it says that it may stand anywhere.
    init(lowercased name: [UInt8]) {
        self.name = name
        var shifts = [UInt8](repeating: UInt8(clamping: name.count), count: 256)
        for (place, byte) in name.dropLast().enumerated() {
            let shift = UInt8(clamping: name.count - 1 - place)
            shifts[Int(byte)] = shift
            if (UInt8(ascii: "a")...UInt8(ascii: "z")) ~= byte { shifts[Int(byte ^ 0x20)] = shift }
        }
        self.shifts = shifts
    }

    /// Whether the name stands in the bytes, or an escape of a code unit, by which it could be spelt.
    ///
    /// - Parameter mayBeSpelt: false where somebody has seen that there is no such escape.
    func mayStand(in bytes: UnsafeRawBufferPointer, mayBeSpelt: Bool = true) -> Bool {
        name.isEmpty || stands(in: bytes) || (mayBeSpelt && HostFinder.hasCodeUnitEscape(bytes))
    }

    private func stands(in bytes: UnsafeRawBufferPointer) -> Bool {
        shifts.withUnsafeBufferPointer { shifts in
            name.withUnsafeBufferPointer { name in
                let last = name.count - 1
                var end = last
                while end < bytes.count {
                    let byte = bytes[end]
                    if HostFinder.lowercased(byte) == name[last] {
                        var place = last
                        while place > 0, HostFinder.lowercased(bytes[end - last + place - 1]) == name[place - 1] {
                            place -= 1
                        }
                        if place == 0 { return true }
                    }
                    end += Int(shifts[Int(byte)])
                }
                return false
            }
        }
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
