import Foundation

/// How many cases a property is tried with: 1.8 · 10⁵ in all, of which 10⁵ about scopes' texts, which are cheap; or a
/// multiple of it for the long runs.
enum PropertyRun {
    private static let factor = ProcessInfo.processInfo.environment["CHAPERONE_PROPERTY_FACTOR"].flatMap(Int.init) ?? 1

    static func cases(_ count: Int) -> Int { count * max(1, factor) }
}

/// A small generator with a seed (SplitMix64), so that a failing case can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &self)]
    }

    mutating func chance(_ one: Int, in all: Int) -> Bool { Int.random(in: 0..<all, using: &self) < one }
}
