#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A source of the present time in Unix seconds; the one way in which time enters the authorization server.
public struct Clock: Sendable {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public let milliseconds: @Sendable () -> Int64

    /// Makes a clock from a source of milliseconds since the epoch.
    public init(milliseconds: @escaping @Sendable () -> Int64) { self.milliseconds = milliseconds }

    /// Makes a clock from a source of seconds since the epoch.
    public init(now: @escaping @Sendable () -> Int64) { self.init(milliseconds: { now() * 1000 }) }

    /// Seconds since 1970-01-01T00:00:00Z, the unit of every time in OAuth (RFC 7519 §2, NumericDate).
    public func now() -> Int64 { milliseconds() / 1000 }

    /// The clock of the operating system.
    public static let system = Clock(milliseconds: {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    })
}
