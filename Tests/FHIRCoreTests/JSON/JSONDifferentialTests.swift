import FHIRCore
import ParserProperties
import RequirementTraits
import Testing

/// The scanner against a second reader: the same verdict and the same values on seeded random texts.
@Suite struct JSONDifferentialTests {
    @Test(arguments: 0..<10)
    func `scanner and slow parser agree on mutated documents`(block: Int) throws {
        var random = SplitMix64(seed: 0xC0FFEE + UInt64(block))
        var accepted = 0
        for _ in 0..<1000 {
            var bytes = RandomJSON.document(&random)
            for _ in 0..<random.below(3) { RandomJSON.mutate(&bytes, &random) }

            let expected = SlowJSONReader.value(of: bytes, maxDepth: 8)
            let found = try? JSONValue(parsing: bytes, limits: JSONLimits(maxDepth: 8))

            guard found == expected else {
                Issue.record("disagreement on \(String(decoding: bytes, as: UTF8.self)): \(bytes)")
                return
            }
            if found != nil { accepted += 1 }
        }
        // Both verdicts have to be met often, or the test says little.
        #expect((200...900).contains(accepted))
    }

    @Test(.enabled(if: SharedData.isThere))
    func `scanner and slow parser agree on published resources`() throws {
        for file in SharedData.jsonFiles("us-core/6.1.0").prefix(40) {
            let bytes = try SharedData.bytes(file)
            #expect(try JSONValue(parsing: bytes) == SlowJSONReader.value(of: bytes))
        }
    }
}

/// Random JSON texts with the things in them that parsers stumble over.
enum RandomJSON {
    static func document(_ random: inout SplitMix64) -> [UInt8] {
        var text = space(&random)
        text += value(&random, depth: 0) + space(&random)
        return Array(text.utf8)
    }

    private static func space(_ random: inout SplitMix64) -> String { random.pick(["", "", "", " ", "\n", "\t\r"]) }

    private static func value(_ random: inout SplitMix64, depth: Int) -> String {
        switch random.below(depth > 8 ? 5 : 9) {
        case 0: return random.pick(["true", "false", "null"])
        case 1, 2: return random.pick(["0", "-0", "1", "-17", "3.25", "1e9", "2E-3", "123456789012345678901", "0.0"])
        case 3, 4: return string(&random)
        case 5, 6:
            let elements = (0..<random.below(4)).map { _ in value(&random, depth: depth + 1) }
            return "[" + space(&random) + elements.joined(separator: ",") + space(&random) + "]"
        default:
            let count = random.chance(20) ? random.pick([20, 21, 30]) : random.below(5)
            // Long names that begin and end alike, and short ones.
            let (head, tail) = random.pick([("k", ""), ("k", ""), ("name-", "-of-a-member"), ("abcd", "wxyz")])
            let members = (0..<count).map { place in
                let twice = ["\"\(head)1\(tail)\"", #""\u006b1""#, "\"\""]
                let name = random.chance(12) ? random.pick(twice) : "\"\(head)\(place)\(tail)\""
                return name + space(&random) + ":" + space(&random) + value(&random, depth: depth + 1)
            }
            return "{" + members.joined(separator: "," + space(&random)) + "}"
        }
    }

    private static func string(_ random: inout SplitMix64) -> String {
        let parts = [
            "a", "Patient/p", "é", "€", "😀", "\\n", "\\\"", "\\\\", "\\/", "\\u0041", "\\u00e9", "\\ud83d\\ude00",
            "0123456789", " ", "\u{7F}",
        ]
        return "\"" + (0..<random.below(6)).map { _ in random.pick(parts) }.joined() + "\""
    }

    /// One small damage: a byte changed, removed, doubled or put in, or a piece copied elsewhere.
    static func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        guard !bytes.isEmpty else { return }
        let place = random.below(bytes.count)
        let telling =
            Array("{}[],:\"\\u0019-+.eEtfn d8DC".utf8) + [0, 0x1F, 0x7F, 0x80, 0xBF, 0xC0, 0xE0, 0xED, 0xF0, 0xFF]
        switch random.below(5) {
        case 0: bytes[place] = random.pick(telling)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(random.pick(telling), at: place)
        case 3: bytes.insert(bytes[place], at: place)
        default:
            let end = min(bytes.count, place + random.below(12))
            bytes.insert(contentsOf: Array(bytes[place..<end]), at: random.below(bytes.count))
        }
    }
}
