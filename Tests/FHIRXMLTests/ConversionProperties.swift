import FHIRCore
import RequirementTraits
import Testing

@testable import FHIRXML

/// What holds for random resources, and for random damage to them.
@Suite struct ConversionProperties {
    private static let count = SharedData.isNightly ? 20_000 : 150

    @Test(.verifies("house@xml-lossless"), arguments: ResourceType.allCases.map(\.rawValue))
    func `a resource of each type is the same after both ways`(type: String) throws {
        for seed in 0..<UInt64(Self.count / 100) {
            var random = RandomResource(seed: seed)
            try expectStable(random.resource(of: type))
        }
    }

    @Test(.verifies("house@xml-lossless"), arguments: 0..<4)
    func `a random resource is the same after both ways`(block: Int) throws {
        for seed in 0..<UInt64(Self.count) {
            var random = RandomResource(seed: UInt64(block) << 32 + seed)
            try expectStable(random.resource())
        }
    }

    @Test(.verifies("house@xml-lossless"))
    func `the order of members in JSON makes no difference`() throws {
        for seed in 0..<UInt64(Self.count) {
            var random = RandomResource(seed: 1 << 40 + seed)
            var shuffler = SplitMix64(seed: seed)
            let json = random.resource()
            #expect(
                try ResourceXML.xml(fromJSON: json.shuffled(&shuffler).serialized)
                    == ResourceXML.xml(fromJSON: json.serialized), "\(seed)")
        }
    }

    private func expectStable(_ json: JSONValue) throws {
        let xml = try ResourceXML.xml(fromJSON: json.serialized)
        let back = try ResourceXML.json(fromXML: xml)
        #expect(try JSONValue(parsing: back, limits: JSONLimits(maxDepth: 128)) == json)
        #expect(try ResourceXML.xml(fromJSON: back) == xml)
    }

    @Test(.verifies("house@xml-strict"), arguments: 0..<4)
    func `damaged XML is refused or is a resource`(block: Int) throws {
        var damage = SplitMix64(seed: UInt64(block))
        var accepted = 0
        for seed in 0..<UInt64(Self.count) {
            var random = RandomResource(seed: UInt64(block) << 32 + seed)
            let xml = try ResourceXML.xml(fromJSON: random.resource().serialized)
            for _ in 0..<8 {
                var bytes = xml
                for _ in 0..<(1 + damage.below(3)) { Damage.toXML(&bytes, &damage) }
                guard let json = try? ResourceXML.json(fromXML: bytes) else { continue }
                // INVARIANT: what is accepted is JSON that the judge can read, and it means one thing in both formats.
                let again = try ResourceXML.json(fromXML: try ResourceXML.xml(fromJSON: json))
                #expect(json == again, "\(String(decoding: bytes, as: UTF8.self))")
                accepted += 1
            }
        }
        // Both verdicts have to be met, or the test says little.
        #expect((Self.count / 10...Self.count * 6).contains(accepted), "\(accepted)")
    }

    @Test(.verifies("house@xml-strict"), arguments: 0..<4)
    func `damaged JSON is refused or is a resource`(block: Int) throws {
        var damage = SplitMix64(seed: UInt64(block))
        var accepted = 0
        for seed in 0..<UInt64(Self.count) {
            var random = RandomResource(seed: UInt64(block) << 32 + seed)
            let json = random.resource().serialized
            for _ in 0..<8 {
                var bytes = json
                for _ in 0..<(1 + damage.below(2)) { Damage.toJSON(&bytes, &damage) }
                guard let xml = try? ResourceXML.xml(fromJSON: bytes) else { continue }
                #expect(try ResourceXML.xml(fromJSON: ResourceXML.json(fromXML: xml)) == xml)
                accepted += 1
            }
        }
        #expect((Self.count / 10...Self.count * 7).contains(accepted), "\(accepted)")
    }
}

/// Small damages: a byte changed, removed, doubled or put in, or a piece copied elsewhere.
private enum Damage {
    static func toXML(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let pieces = [
            "<", ">", "/", "&", ";", "\"", "'", "=", " ", "<!DOCTYPE a>", "<?a?>", "<!--", "-->", "<![CDATA[", "]]>",
            "&#0;", "&#x41;", "&lt;", " id=\"x\"", " xmlns=\"\"", "<active value=\"true\"/>", "\u{0}", "\u{FFFF}",
        ].map { Array($0.utf8) }
        apply(&bytes, &random, pieces + [[0x80], [0xFF], [0xC0]])
    }

    static func toJSON(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let pieces = [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "0", "_", "\\u0000", "\\uffff", "a", " ", "true",
        ]
        apply(&bytes, &random, pieces.map { Array($0.utf8) } + [[0x80], [0xFF]])
    }

    private static func apply(_ bytes: inout [UInt8], _ random: inout SplitMix64, _ pieces: [[UInt8]]) {
        guard !bytes.isEmpty else { return }
        let place = random.below(bytes.count)
        switch random.below(5) {
        case 0: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: random.pick(pieces), at: place)
        case 3: bytes.removeSubrange(place..<min(bytes.count, place + random.below(12)))
        default:
            let end = min(bytes.count, place + random.below(60))
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: random.below(bytes.count))
        }
    }
}

extension JSONValue {
    fileprivate func shuffled(_ random: inout SplitMix64) -> JSONValue {
        switch self {
        case .object(let members):
            var moved = members
            moved.shuffle(using: &random)
            return .object(moved.map { JSONMemberValue($0.name, $0.value.shuffled(&random)) })
        case .array(let elements): return .array(elements.map { $0.shuffled(&random) })
        case .null, .bool, .int, .number, .string: return self
        }
    }
}
