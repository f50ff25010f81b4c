#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The time of day in milliseconds since 1970 UTC, as audit records carry it.
public struct AuditClock: Sendable {
    /// The time now.
    public let milliseconds: @Sendable () -> Int64

    /// A clock of any kind; tests have one that stands still.
    public init(milliseconds: @escaping @Sendable () -> Int64) { self.milliseconds = milliseconds }

    /// The clock of the machine.
    public static let system = AuditClock {
        var now = timespec()
        guard clock_gettime(CLOCK_REALTIME, &now) == 0 else { return 0 }
        return Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000
    }
}
