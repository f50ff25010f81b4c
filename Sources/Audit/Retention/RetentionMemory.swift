internal import Synchronization

/// What the rounds of retention before have settled, so that the next need not read the whole log again.
///
/// INVARIANT: up to `reached[days]` every entry was older than so many days when it was judged. Of those that are kept for
/// so many days, the ones up to there have gone, are kept by one of `holds`, stay for good, or are among `waiting`.
struct RetentionMemory: Hashable, Sendable {
    /// The holds under which all was judged: under others it is worth nothing.
    let holds: Set<LegalHold>
    /// By the days of the policy.
    let reached: [Int: Int64]
    /// Places of entries whose time is over and that were still open, not delivered, or not fixed by a checkpoint;
    /// ascending.
    let waiting: [Int64]

    /// More are not remembered one by one; the next round reads on from there.
    static let mostWaiting = 1000

    /// Nothing is settled.
    init(holds: Set<LegalHold>) { self.init(holds: holds, reached: [:], waiting: []) }

    /// What a round has settled.
    init(holds: Set<LegalHold>, reached: [Int: Int64], waiting: [Int64]) {
        self.holds = holds
        let furthest = reached.values.max() ?? 0
        // What stands behind is read again anyway.
        let sorted = Self.first(of: waiting.filter { $0 <= furthest })
        self.waiting = Array(sorted.prefix(Self.mostWaiting))
        let end = sorted.count > Self.mostWaiting ? sorted[Self.mostWaiting] - 1 : Int64.max
        self.reached = reached.mapValues { min($0, end) }
    }

    /// As many of the places as tell what is to be remembered of all, ascending: a round that meets millions holds no more.
    static func first(of waiting: [Int64]) -> [Int64] { Array(Set(waiting).sorted().prefix(mostWaiting + 1)) }

    /// Keeps the memory of the last round. A class because every copy of a retention shares it; the lock is `memory`.
    final class Keeper: Sendable {
        private let memory = Mutex<RetentionMemory?>(nil)

        func keep(_ latest: RetentionMemory?) { memory.withLock { $0 = latest } }

        /// The memory of the last round, if it was made under these holds.
        func latest(under holds: Set<LegalHold>) -> RetentionMemory? {
            memory.withLock { $0?.holds == holds ? $0 : nil }
        }
    }
}
