/// How the recorder fares, for the health probe and metrics.
public struct AuditHealth: Hashable, Sendable {
    /// A failure and when it happened.
    public struct Failure: Hashable, Sendable {
        /// What failed.
        public let failure: AuditFailure
        /// When, milliseconds since 1970 UTC.
        public let at: Int64
    }

    /// Records that wait to become durable.
    public var queueDepth: Int
    /// Bytes of the records that wait.
    public var queuedBytes: Int
    /// Records written since the start.
    public var recorded: Int
    /// Appends made for them; fewer than records when commits were shared.
    public var appends: Int
    /// The latest failure, if there was one.
    public var lastFailure: Failure?
    /// Whether the latest append succeeded (or none was tried) and the recorder is open.
    public var canRecord: Bool
}
