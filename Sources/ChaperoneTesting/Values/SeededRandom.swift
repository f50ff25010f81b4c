public import OAuthCore
internal import Synchronization

/// A random source that gives the same bytes in every run (SplitMix64). Never for anything but tests.
public final class SeededRandom: Sendable {
    private let state: Mutex<UInt64>

    public init(seed: UInt64 = 1) { state = Mutex(seed) }

    /// The source as the code under test sees it.
    public var source: RandomSource {
        RandomSource(bytes: { count in self.state.withLock { Self.bytes(count, from: &$0) } })
    }

    private static func bytes(_ count: Int, from state: inout UInt64) -> [UInt8] {
        var result: [UInt8] = []
        while result.count < count {
            state &+= 0x9E37_79B9_7F4A_7C15
            var word = state
            word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
            word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
            word ^= word >> 31
            withUnsafeBytes(of: word.littleEndian) { result += $0 }
        }
        return Array(result.prefix(count))
    }
}
