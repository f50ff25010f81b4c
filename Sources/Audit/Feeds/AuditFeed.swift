public import OAuthCore

/// What a feed carries.
public enum AuditFeedSource: String, CaseIterable, Hashable, Sendable {
    /// Every entry of the log.
    case records
    /// The signed checkpoints, so that verification has an anchor that the log's administrator cannot reach.
    case checkpoints
}

/// One thing that a feed sends.
public enum AuditFeedItem: Hashable, Sendable {
    case record(AuditEntry)
    case checkpoint(StoredAuditCheckpoint)
}

/// Some of what a feed has to send, and where the next begins.
public struct AuditFeedBatch: Hashable, Sendable {
    /// In the order of storing; never empty.
    public let items: [AuditFeedItem]
    /// The running number of the last one.
    public let through: Int64

    /// A batch of these items instead, which ends where this one does.
    public func only(_ items: [AuditFeedItem]) -> AuditFeedBatch { AuditFeedBatch(items: items, through: through) }
}

/// Where feeds read and remember how far they have come. Its calls block.
public protocol AuditFeedStore: AuditRetentionStore {
    /// How far a feed has delivered, as it is stored; nil for a new one.
    func cursor(of feed: String) throws -> StoredAuditFeedCursor?
    /// Remembers durably how far a feed has delivered; never goes back.
    func advance(_ cursor: SignedAuditFeedCursor) throws
    /// Forgets how far a feed has delivered: it begins anew.
    func restart(_ feed: String) throws
    /// The running number of the newest entry or checkpoint.
    func newestPosition(of source: AuditFeedSource) throws -> Int64
}

extension AuditFeedStore {
    /// The running number up to which a feed has provably delivered of what it carries: 0 for a new one, where the
    /// signature does not hold, and where the number counts something else. What is delivered twice does no harm; what is
    /// passed over is lost.
    public func delivered(by feed: String, of source: AuditFeedSource, keys: JWKSet) throws -> Int64 {
        guard let cursor = try cursor(of: feed), try finding(cursor, counting: source, keys: keys) == nil else {
            return 0
        }
        return cursor.position
    }

    /// What is wrong with a stored cursor for a feed that carries `source`; nil when it may begin there.
    public func finding(
        _ cursor: StoredAuditFeedCursor, counting source: AuditFeedSource, keys: JWKSet
    ) throws -> AuditFinding? {
        cursor.finding(counting: source, newest: try newestPosition(of: .checkpoints), keys: keys)
    }

    /// What comes behind a position; nil when there is nothing.
    public func batch(of source: AuditFeedSource, after position: Int64, limit: Int) throws -> AuditFeedBatch? {
        switch source {
        case .records:
            let page = try entries(after: position, limit: limit)
            return page.last.map { AuditFeedBatch(items: page.map { .record($0.entry) }, through: $0.position) }
        case .checkpoints:
            let page = try checkpoints(after: position, limit: limit)
            return page.last.map { AuditFeedBatch(items: page.map { .checkpoint($0) }, through: $0.position) }
        }
    }
}

/// The way to a receiver.
///
/// `send` returns when the receiver has everything, or throws; what it threw for is sent again, so a receiver may get a
/// thing twice and never misses one. A receiver that answers item by item is quoted in an `AuditFeedAnswer`.
public struct AuditFeedTransport: Sendable {
    /// Delivers a batch.
    public let send: @Sendable (AuditFeedBatch) async throws -> Void
    /// Whether what was sent is still on its way to the receiver, as far as is known: a transport without
    /// acknowledgement throws here when its connection is lost. Asked before the cursor moves.
    public let confirm: @Sendable () async throws -> Void
    /// How long after sending `confirm` is asked, in milliseconds; 0 where the receiver acknowledges.
    public let settles: Int64

    /// A transport whose receiver acknowledges.
    public init(send: @escaping @Sendable (AuditFeedBatch) async throws -> Void) {
        self.init(settles: 0, send: send, confirm: {})
    }

    /// A transport without acknowledgement.
    public init(
        settles: Int64, send: @escaping @Sendable (AuditFeedBatch) async throws -> Void,
        confirm: @escaping @Sendable () async throws -> Void
    ) {
        self.settles = settles
        self.send = send
        self.confirm = confirm
    }
}
