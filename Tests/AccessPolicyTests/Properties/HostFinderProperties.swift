import RequirementTraits
import Testing

@testable import AccessPolicy

/// The quick search for the upstream's name against a look at every place.
@Suite(.underMutation) struct HostFinderProperties {
    @Test(arguments: 0..<4)
    func `a host or an escape is found wherever a slow reader finds it`(block: Int) {
        var random = SeededGenerator(seed: 0xAD0 + UInt64(block))
        var standing = 0
        for _ in 0..<5000 {
            let name = Self.text(&random, Array("abA.1".utf8), 1...9).map(Self.lowercased)
            var bytes = Self.text(&random, Array("abAB.1\\u".utf8), 0...70)
            if Bool.random(using: &random) {
                let place = Int.random(in: 0...bytes.count, using: &random)
                bytes.insert(contentsOf: name.map { Bool.random(using: &random) ? $0 : Self.raised($0) }, at: place)
            }
            if Bool.random(using: &random) { bytes.removeAll { $0 == UInt8(ascii: "u") } }
            let expected = Self.slowly(bytes, name)
            #expect(bytes.withUnsafeBytes { HostFinder(lowercased: name).mayStand(in: $0) } == expected)
            if expected { standing += 1 }
        }
        #expect((500...4500).contains(standing))
    }

    @Test func `of no name anything may stand anywhere`() {
        #expect([UInt8]("x".utf8).withUnsafeBytes { HostFinder(lowercased: []).mayStand(in: $0) })
    }

    private static func slowly(_ bytes: [UInt8], _ name: [UInt8]) -> Bool {
        bytes.indices.contains { place in
            bytes[place...].starts(with: #"\u"#.utf8)
                || bytes[place...].prefix(name.count).map(lowercased).elementsEqual(name)
        }
    }

    private static func text(
        _ random: inout SeededGenerator, _ letters: [UInt8], _ count: ClosedRange<Int>
    ) -> [UInt8] {
        (0..<Int.random(in: count, using: &random)).map { _ in
            letters[Int.random(in: letters.indices, using: &random)]
        }
    }

    private static func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte + 0x20 : byte }
    private static func raised(_ byte: UInt8) -> UInt8 { (0x61...0x7A).contains(byte) ? byte - 0x20 : byte }
}
