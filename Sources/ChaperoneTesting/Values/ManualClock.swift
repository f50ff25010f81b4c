public import OAuthCore
internal import Synchronization

/// A clock that stands still until a test moves it. A class because a test and the code under test share it.
public final class ManualClock: Sendable {
    private let milliseconds: Mutex<Int64>

    /// Starts at a time in Unix seconds.
    public init(at seconds: Int64 = 1_800_000_000) { milliseconds = Mutex(seconds * 1000) }

    /// The clock as the code under test sees it.
    public var clock: Clock { Clock(milliseconds: { self.milliseconds.withLock { $0 } }) }

    /// The time in Unix seconds.
    public var now: Int64 { milliseconds.withLock { $0 / 1000 } }

    /// Moves the time forward.
    public func advance(seconds: Int64) { milliseconds.withLock { $0 += seconds * 1000 } }
}
