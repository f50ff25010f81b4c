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
    /// How much waiting for a client that has to read its answers is looked at together.
    public var writeTimeoutMilliseconds: Int64 = 60_000
    /// What a client takes at least in each second of such waiting; one that takes less is let go.
    public var leastBytesPerSecond = 8 << 10
    /// How many answers too large to be judged whole one client may have under way.
    public var streamsOfClient = 8
    /// How many of them there may be in all.
    public var streams = 32
    /// Longest time that the audit log may take for one record; then the request is answered 503 and without data.
    public var auditTimeoutMilliseconds: Int64 = 10_000
    /// Longest time that a part of a streamed answer is held back for its patients to be named together with others.
    public var holdMilliseconds: Int64 = 500
    /// How long what a refused client still sends is read and thrown away before the connection is closed.
    public var lingerMilliseconds: Int64 = 1_000

    /// The house's defaults.
    public init() {}
}
