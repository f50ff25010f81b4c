/// What one client connection may cost: sizes and times.
public struct GatewayLimits: Sendable, Hashable {
    /// Longest request target.
    public var targetBytes = 8 << 10
    /// Whole header block; a reference-free access token is below 4 kB.
    public var headerBytes = 32 << 10
    /// Most header fields.
    public var headerCount = 100
    /// Largest request body.
    public var bodyBytes = 2 << 20
    /// Longest time from an open or idle connection to a whole request head.
    public var idleTimeoutMilliseconds: Int64 = 60_000
    /// Longest time from the request head to the last byte of the body.
    public var requestTimeoutMilliseconds: Int64 = 30_000
    /// Longest time that a client may leave an answer unread.
    public var writeTimeoutMilliseconds: Int64 = 60_000
    /// Longest time that the audit log may take for one record; then the request is answered 503 and without data.
    public var auditTimeoutMilliseconds: Int64 = 10_000
    /// How long what a refused client still sends is read and thrown away before the connection is closed.
    public var lingerMilliseconds: Int64 = 1_000

    /// The house's defaults.
    public init() {}
}
