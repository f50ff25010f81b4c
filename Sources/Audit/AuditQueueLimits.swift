/// How much may wait to become durable before new records are refused.
public struct AuditQueueLimits: Hashable, Sendable {
    /// Records that may wait.
    public var records: Int
    /// Bytes of the records that may wait.
    public var bytes: Int
    /// Records that share one commit at most; beyond 64 only the latency grows.
    public var batch: Int
    /// How long after an append that failed the writer tries by itself whether it can write again, in milliseconds: a
    /// node that says it is not ready is sent nothing by which it could find out.
    public var retry: Int

    /// Limits; the defaults suit a small machine.
    public init(records: Int = 4096, bytes: Int = 32 << 20, batch: Int = 64, retry: Int = 5000) {
        self.records = records
        self.bytes = bytes
        self.batch = batch
        self.retry = retry
    }

    /// 4,096 records, 32 MB, 64 a commit, 5 s.
    public static let `default` = AuditQueueLimits()
}
