/// Entries of one chain, without a gap, that were removed when their time was over; what stands for them.
public struct AuditRemovedRun: Hashable, Sendable {
    /// Whose chain.
    public let node: String
    /// The first entry that was removed.
    public let first: Int64
    /// The last entry that was removed.
    public let last: Int64
    /// The hash of the entry before the first.
    public let previous: ChainHash
    /// The hash of the last: what the entry after it names.
    public let hash: ChainHash

    /// A run.
    public init(node: String, first: Int64, last: Int64, previous: ChainHash, hash: ChainHash) {
        self.node = node
        self.first = first
        self.last = last
        self.previous = previous
        self.hash = hash
    }

    /// How many entries; what a forged run says is no number to trap on.
    public var count: Int64 { last >= first ? (last &- first).following : 0 }
}
