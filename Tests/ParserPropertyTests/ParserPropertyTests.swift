import ParserProperties
import RequirementTraits
import Testing

/// What the fuzzer asks at length each night, asked shortly in the gate: the kept corpus, and damage to it by a seed.
@Suite struct ParserPropertyTests {
    @Test(arguments: ParserProperty.allCases)
    func `what the fuzzer once found is read as the slow reader reads it`(property: ParserProperty) throws {
        let corpus = try Corpus.inputs(for: property)

        #expect(corpus.count >= 20)
        for input in corpus {
            let violation = property.violation(by: input)
            #expect(violation == nil, "\(String(decoding: input, as: UTF8.self)) \(input)")
        }
    }

    @Test(arguments: ParserProperty.allCases)
    func `damaged inputs are read as the slow reader reads them`(property: ParserProperty) throws {
        let corpus = try Corpus.inputs(for: property)
        var damage = Damage(seed: 0x5EED)

        for _ in 0..<4_000 {
            let input = damage.done(to: corpus)
            guard let violation = property.violation(by: input) else { continue }
            Issue.record("\(violation): \(String(decoding: input, as: UTF8.self)) \(input)")
            return
        }
    }
}

/// Damage to inputs: bytes changed, removed, doubled, and pieces of one put into another.
struct Damage {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(state: seed) }

    private static let telling = Array("/?&=%$.,:|\\*_-\"{}[]0aZ+; ".utf8) + [0, 0x7F, 0x80, 0xC3, 0xED, 0xFF]

    mutating func done(to corpus: [[UInt8]]) -> [UInt8] {
        guard var input = corpus.randomElement(using: &random) else { return [] }
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...input.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where place < input.count: input.remove(at: place)
            case 1 where place < input.count: input[place] = Damage.telling.randomElement(using: &random) ?? 0
            case 2: input.insert(Damage.telling.randomElement(using: &random) ?? 0, at: place)
            case 3:
                let other = corpus.randomElement(using: &random) ?? []
                let start = Int.random(in: 0...other.count, using: &random)
                input.insert(contentsOf: other[start...].prefix(24), at: place)
            default: input = Array(input.prefix(place))
            }
        }
        return input
    }
}

/// SplitMix64: the same numbers from the same seed everywhere.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
