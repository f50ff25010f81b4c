internal import AccessPolicy
internal import Audit
internal import Authorization
internal import NIOPosix
internal import OAuthCore
internal import Persistence

/// What keeps the audit trail provable and in order beside the writing itself: checkpoints, retention, exports, feeds,
/// and whoever watches them.
struct AuditSide: Sendable {
    let store: AuditSQLiteSink
    let checkpointer: AuditCheckpointer
    let retention: AuditRetention
    let exports: AuditExports
    /// The public halves of the keys that sign checkpoints and removals.
    let keys: JWKSet
    /// How events name this system.
    let system: AuditSystem
    let watch = AuditWatch()
    let forecast: DiskForecast
    let feeds: [Configuration.FeedSettings]
    private let key: PrivateJWK
    private let noteDoubt:
        @Sendable (_ reason: String, _ fault: AuditFinding, _ consequence: String) async throws -> Void

    init(
        store: AuditSQLiteSink, configuration: Configuration, keys: ServerKeys, recorder: AuditRecorder, clock: Clock,
        random: RandomSource
    ) {
        let (key, system) = (keys.checkpointKey, configuration.auditSystem)
        let auditClock = AuditClock(milliseconds: clock.milliseconds)
        let record: @Sendable (AuthorizationRecord) async throws -> Void = { try await recorder.recordOnce($0) }
        let node = configuration.audit.node
        self.store = store
        self.key = key
        noteDoubt = { reason, fault, consequence in
            try await record(
                AuthorizationRecord(
                    id: DecisionID(random.identifier()), kind: .configurationChanged,
                    outcome: .failed(reason: reason), detail: "\(fault): \(consequence)",
                    sourceAddress: "local", at: clock.milliseconds()))
        }
        self.system = system
        self.keys = keys.checkpointKeys
        checkpointer = AuditCheckpointer(
            node: node, store: store, key: key, known: keys.checkpointKeys, clock: auditClock, record: record)
        retention = AuditRetention(
            node: node, store: store, policy: configuration.audit.policy, key: key, clock: auditClock,
            delivered: { [feeds = configuration.audit.feeds, keys = keys.checkpointKeys] in
                try feeds.filter { $0.source == .records }
                    .map { try store.delivered(by: $0.name, of: .records, keys: keys) }.min() ?? .max
            },
            record: record)
        exports = AuditExports(key: key, system: system, clock: clock, random: random) { query, content in
            try await NIOThreadPool.singleton.runIfActive { try store.search(query, content: content) }
        }
        forecast = DiskForecast(path: configuration.auditDatabase.path)
        feeds = configuration.audit.feeds
    }

    /// Makes a checkpoint when there is something new, and remembers how that went.
    @discardableResult func checkpoint() async throws -> SignedAuditCheckpoint? {
        try await watched("checkpoints") { try await checkpointer.make() }
    }

    /// Removes what has been kept long enough, or counts it.
    func retain(isRehearsal: Bool) async throws -> AuditRetention.Outcome {
        try await watched("retention") { try await retention.run(isRehearsal: isRehearsal) }
    }

    /// Removes what has become due since it was last looked.
    func goOnRetaining() async throws -> AuditRetention.Outcome {
        try await watched("retention") { try await retention.goOn() }
    }

    private func watched<Value>(_ work: String, _ perform: () async throws -> Value) async throws -> Value {
        do {
            let value = try await perform()
            watch.succeeded(work)
            return value
        } catch {
            watch.failed(work, "\(error)")
            throw error
        }
    }

    /// How large a record is on the disk, indexes and all: 1,000 bytes before there are enough to tell.
    var bytesPerRecord: Double {
        guard let used = forecast.latest?.used, let newest = try? store.newestPosition(), newest >= 1000 else {
            return 1000
        }
        return Double(used) / Double(newest)
    }

    /// Where a feed begins, and what is wrong with the cursor that it had. A cursor that nobody signed, or that counts
    /// something else than the feed carries, is recorded and then forgotten: twice is no harm, and passed over is lost.
    func beginning(of feed: String, carrying source: AuditFeedSource) async throws -> (
        position: Int64, fault: AuditFinding?
    ) {
        let (store, keys) = (store, keys)
        let found = try await NIOThreadPool.singleton.runIfActive {
            try store.cursor(of: feed).map { (cursor: $0, fault: try store.finding($0, counting: source, keys: keys)) }
        }
        guard let found else { return (0, nil) }
        guard let fault = found.fault else { return (found.cursor.position, nil) }
        let isSigned = found.cursor.finding(keys: keys) == nil
        try await noteDoubt(
            isSigned ? "cursor-counts-other" : "cursor-not-signed", fault, "it delivers from the beginning")
        try await NIOThreadPool.singleton.runIfActive { try store.restart(feed) }
        return (0, fault)
    }

    /// Forgets the cursors of feeds that are not configured and whose signature does not hold, as those of older releases:
    /// nobody begins from them, and verification would name them for ever. Each has its record first.
    func forgetStrayCursors() async throws {
        let (store, keys, names) = (store, keys, Set(feeds.map(\.name)))
        let cursors = try await NIOThreadPool.singleton.runIfActive { try store.cursors() }
        for cursor in cursors where !names.contains(cursor.feed) {
            guard let fault = cursor.finding(keys: keys) else { continue }
            try await noteDoubt(
                "cursor-not-signed", fault, "no such feed is configured; how far it had come is forgotten")
            try await NIOThreadPool.singleton.runIfActive { try store.restart(cursor.feed) }
        }
    }

    /// Signs and remembers how far a feed has come in what it carries; blocks.
    func advance(_ feed: String, of source: AuditFeedSource, to position: Int64) throws {
        try store.advance(SignedAuditFeedCursor(feed: feed, source: source, position: position, signedWith: key))
    }

    /// How far a feed has come.
    struct Lag: Sendable {
        let name: String
        let source: AuditFeedSource
        let delivered: Int64
        /// Records or checkpoints that it has still to deliver, at most: numbers are not given out again.
        let waiting: Int64
    }

    /// How far each feed has come; reads the log.
    func feedLags() throws -> [Lag] {
        try feeds.map { feed in
            let delivered = try store.delivered(by: feed.name, of: feed.source, keys: keys)
            let newest = try store.newestPosition(of: feed.source)
            return Lag(name: feed.name, source: feed.source, delivered: delivered, waiting: max(0, newest - delivered))
        }
    }
}
