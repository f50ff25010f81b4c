/// What a receiver has and has not taken of what lies behind a feed's cursor: who is sent what again, and what the feed
/// goes on without (decision record 0082).
///
/// What was taken is not sent twice, however long the rest of its batch waits. What the receiver refused for what it is
/// `attempts` times is given up, but only when it took something else since: a receiver that refuses everything is set
/// up wrongly, and nothing is passed over for its sake.
public struct AuditFeedReceipts: Sendable {
    /// How often an item is refused before the feed goes on without it; with the waits between, half a minute.
    public static let attempts = 6

    /// An item that the feed goes on without.
    public struct GivenUp: Hashable, Sendable {
        /// The item.
        public let item: AuditFeedItem
        /// What the receiver said last.
        public let reason: String

        /// Whether the item itself only says that another one was not taken. Of that no more records are made: a receiver
        /// that takes none of this kind would get one for the other without end.
        public var isNotice: Bool {
            guard case .record(let entry) = item else { return false }
            return entry.index.kind == AuthorizationRecord.Kind.feedRefused.rawValue
        }
    }

    private struct Refusal {
        var count = 0
        var reason = ""
        var tookOthers = false
    }

    private var taken: Set<ChainHash> = []
    private var refusals: [ChainHash: Refusal] = [:]
    private var givenUp: Set<ChainHash> = []

    /// Nothing is known of the receiver yet.
    public init() {}

    /// What of a batch is still to be sent.
    public func remaining(of batch: AuditFeedBatch) -> [AuditFeedItem] {
        guard !taken.isEmpty || !givenUp.isEmpty else { return batch.items }
        return batch.items.filter { !taken.contains($0.digest) && !givenUp.contains($0.digest) }
    }

    /// Takes note of an answer; gives the items of the batch that are given up from now on.
    public mutating func note(_ answer: AuditFeedAnswer, to batch: AuditFeedBatch) -> [GivenUp] {
        taken.formUnion(answer.taken)
        for (digest, reason) in answer.refused {
            refusals[digest, default: Refusal()].count += 1
            refusals[digest]?.reason = reason
        }
        if !answer.taken.isEmpty { for digest in refusals.keys { refusals[digest]?.tookOthers = true } }
        let hopeless = batch.items.compactMap { item -> GivenUp? in
            guard !givenUp.contains(item.digest), let refusal = refusals[item.digest], refusal.tookOthers,
                refusal.count >= Self.attempts
            else { return nil }
            return GivenUp(item: item, reason: refusal.reason)
        }
        givenUp.formUnion(hopeless.map(\.item.digest))
        return hopeless
    }

    /// Forgets what lies behind the feed now.
    public mutating func finished() { self = AuditFeedReceipts() }
}
