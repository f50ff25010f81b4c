import ChaperoneTesting
import Enforcement
import FHIRCore
import Synchronization

/// Counts what it is asked.
final class Counter: Sendable {
    private let count = Mutex(0)

    func next() -> Int {
        count.withLock { count in
            count += 1
            return count
        }
    }
}
