import RequirementTraits
import Testing

@testable import Enforcement

/// What a protected server has packed is unpacked within limits, or is no answer.
struct ContentCodingTests {
    static let plain = Array(#"{"resourceType":"Patient","id":"pA"}"#.utf8)
    private static let bare: [UInt8] = [
        0xAB, 0x56, 0x2A, 0x4A, 0x2D, 0xCE, 0x2F, 0x2D, 0x4A, 0x4E, 0x0D, 0xA9, 0x2C, 0x48, 0x55, 0xB2, 0x52, 0x0A,
        0x48,
        0x2C, 0xC9, 0x4C, 0xCD, 0x2B, 0x51, 0xD2, 0x51, 0xCA, 0x4C, 0x01, 0x72, 0x0B, 0x1C, 0x95, 0x6A, 0x01,
    ]
    static let gzip: [UInt8] =
        [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03] + bare + [0x76, 0x32, 0x96, 0xCE, 0x24, 0, 0, 0]
    static let zlib: [UInt8] = [0x78, 0x9C] + bare + [0xEF, 0x1F, 0x0C, 0x06]

    /// What comes of an answer whose packed body comes in pieces of this length.
    private static func reply(
        _ coding: String, _ bytes: [UInt8], limit: Int = 1 << 20, pieces: Int = .max
    ) -> (body: [UInt8]?, failure: UpstreamFailure?) {
        var buffer = AnswerBuffer(limit: limit)
        if let failure = buffer.begin(UpstreamHead(status: 200, contentEncoding: coding)) { return (nil, failure) }
        var rest = bytes[...]
        while !rest.isEmpty {
            if let failure = buffer.append(Array(rest.prefix(pieces))) { return (nil, failure) }
            rest = rest.dropFirst(pieces)
        }
        switch buffer.reply {
        case .answer(_, let body): return (body, nil)
        case .failed(let failure): return (nil, failure)
        case nil: return (nil, .malformed)
        }
    }

    private static func failure(
        _ coding: String, _ bytes: [UInt8], limit: Int = 1 << 20, pieces: Int = .max
    ) -> UpstreamFailure? { reply(coding, bytes, limit: limit, pieces: pieces).failure }

    @Test(
        arguments: [("gzip", gzip), ("X-GZip", gzip), ("deflate", zlib), ("deflate", bare), ("identity", plain)],
        [1, 2, 7, 1_000])
    func `each coding gives the same bytes, however they come`(packed: (coding: String, bytes: [UInt8]), pieces: Int) {
        let unpacked = Self.reply(packed.coding, packed.bytes, limit: 36, pieces: pieces)

        #expect(unpacked.body == Self.plain)
    }

    @Test(arguments: ["gzip", "deflate", "identity"])
    func `nothing is nothing in every coding`(coding: String) {
        #expect(Self.reply(coding, [], limit: 36).body == [])
    }

    @Test(arguments: ["br", "zstd", "compress", "gzip, gzip", "gzip,identity", "deflate;q=1"])
    func `other codings, and several at once, are no answer`(coding: String) {
        #expect(ContentCoding(coding) == nil)
        #expect(Self.failure(coding, Self.gzip) == .packed, "it is said what is to be set")
    }

    @Test func `what is damaged, cut short or followed by anything is no answer`() {
        for end in 1..<Self.gzip.count {
            #expect(Self.failure("gzip", Array(Self.gzip[..<end])) == .malformed, "\(end)")
            #expect(Self.failure("gzip", Array(Self.gzip[..<end]), pieces: 3) == .malformed, "\(end)")
        }
        var damaged = Self.gzip
        damaged[Self.gzip.count - 6] ^= 1
        #expect(Self.failure("gzip", damaged) == .malformed)
        #expect(Self.failure("gzip", Self.gzip + [0]) == .malformed)
        #expect(Self.failure("gzip", Self.gzip + [0], pieces: Self.gzip.count) == .malformed)
        #expect(Self.failure("deflate", Self.zlib + Self.zlib) == .malformed)
        #expect(Self.failure("deflate", Self.zlib + Self.zlib, pieces: Self.zlib.count) == .malformed)
        #expect(Self.failure("gzip", Self.plain) == .malformed)
        #expect(Self.failure("gzip", Self.zlib) == .malformed)
    }

    /// RFC 1952 §2.2
    @Test(arguments: [1, 2, 7, 20, gzip.count, 1_000])
    func `members of gzip that follow one another are one answer`(pieces: Int) {
        let empty: [UInt8] = [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        let members = Self.gzip + empty + Self.gzip

        #expect(Self.reply("gzip", members, pieces: pieces).body == Self.plain + Self.plain)
        #expect(Self.failure("gzip", members, limit: 71, pieces: pieces) == .tooLarge, "in all, and not each")
        for end in (Self.gzip.count + 1)..<members.count where end != Self.gzip.count + empty.count {
            #expect(Self.failure("gzip", Array(members[..<end]), pieces: pieces) == .malformed, "\(end)")
        }
        var damaged = members
        damaged[members.count - 6] ^= 1
        #expect(Self.failure("gzip", damaged, pieces: pieces) == .malformed)
    }

    @Test(arguments: [100, Int.max])
    func `members that are each within measure are not together beyond it`(pieces: Int) {
        // 4 MB of blanks, of which each member has a quarter; crc and length of each are those of its own blanks.
        let quarter = Self.bomb(megabytes: 1)
        let plain = [UInt8](repeating: 0x20, count: 1 + (1 << 20) / 258 * 258)
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in plain {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        func little(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
        let header: [UInt8] = [0x1F, 0x8B, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03]
        let member = header + quarter + little(~crc) + little(UInt32(plain.count))

        #expect(Self.reply("gzip", member, limit: 64 << 20, pieces: pieces).body == plain)
        let four = member + member + member + member
        #expect(Self.failure("gzip", four, limit: 64 << 20, pieces: pieces) == .tooLarge)
    }

    @Test func `what grows beyond the limit is too large`() {
        #expect(Self.failure("gzip", Self.gzip, limit: 35) == .tooLarge)
        #expect(Self.failure("gzip", Self.gzip, limit: 36) == nil)
    }

    /// So many megabytes of blanks as one stored-once deflate stream: a run of matches of 258 bytes at distance 1.
    static func bomb(megabytes: Int) -> [UInt8] {
        // Fixed Huffman block: literal 0x20, then as many (length 258, distance 1) as it takes, then the end of block.
        var bits: [Bool] = [true, true, false]
        func code(_ value: Int, _ count: Int) {
            for bit in (0..<count).reversed() { bits.append(value >> bit & 1 == 1) }
        }
        code(0x30 + 0x20, 8)
        for _ in 0..<(megabytes << 20) / 258 {
            code(0xC0 + 5, 8)
            code(0, 5)
        }
        code(0, 7)
        while bits.count % 8 != 0 { bits.append(false) }
        return stride(from: 0, to: bits.count, by: 8).map { start in
            (0..<8).reduce(UInt8(0)) { $0 | (bits[start + $1] ? 1 << UInt8($1) : 0) }
        }
    }

    @Test func `an answer that grows too much for its size is too large whatever the limit`() {
        let small = Self.bomb(megabytes: 1)
        let large = Self.bomb(megabytes: 4)

        #expect(Self.failure("deflate", small, limit: 64 << 20) == nil, "a megabyte may be of any kind")
        #expect(Self.failure("deflate", large, limit: 64 << 20) == .tooLarge)
        #expect(Self.failure("deflate", large, limit: 2 << 20) == .tooLarge)
        #expect(Self.failure("deflate", large, limit: 64 << 20, pieces: 100) == .tooLarge, "nor piece by piece")
    }
}
