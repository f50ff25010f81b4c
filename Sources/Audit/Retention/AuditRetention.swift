internal import AccessPolicy
public import OAuthCore

/// Takes entries out of the log when their time is over, and leaves proof: a signed removal with the hashes at both
/// ends of each run, and an entry in the chain that names it. What is left still verifies.
///
/// It never touches what a legal hold keeps, the records of holds themselves, what a feed has not delivered, what is not
/// yet covered by a checkpoint, what is still open, or a closing record whose opening stays. It removes nothing while the
/// store's holds are not what the records say.
public struct AuditRetention: Sendable {
    /// What one round did, or would do.
    public struct Outcome: Hashable, Sendable {
        /// Entries that were removed.
        public var removed: Int64 = 0
        /// Runs of entries that they made.
        public var runs = 0
        /// Entries whose time is over and that a hold keeps.
        public var held: Int64 = 0
        /// Entries whose time is over and that a feed has still to deliver.
        public var undelivered: Int64 = 0

        /// Nothing done.
        public init() {}
    }

    private let node: String
    private let store: any AuditRetentionStore
    private let policy: AuditRetentionPolicy
    private let key: PrivateJWK
    private let clock: AuditClock
    private let delivered: @Sendable () throws -> Int64
    private let record: @Sendable (AuthorizationRecord) async throws -> Void

    /// Entries that one transaction takes out, at most: the writer waits meanwhile.
    private static let batch = 1000

    /// Retention by a policy.
    ///
    /// - Parameters:
    ///   - delivered: the running number up to which every feed of records has delivered.
    ///   - record: writes an entry durably, once.
    public init(
        node: String, store: any AuditRetentionStore, policy: AuditRetentionPolicy, key: PrivateJWK,
        clock: AuditClock = .system, delivered: @escaping @Sendable () throws -> Int64 = { .max },
        record: @escaping @Sendable (AuthorizationRecord) async throws -> Void
    ) {
        self.node = node
        self.store = store
        self.policy = policy
        self.key = key
        self.clock = clock
        self.delivered = delivered
        self.record = record
    }

    /// Removes everything whose time is over; with `isRehearsal` only counts it.
    ///
    /// Throws `AuditFailure.chainBroken` when a hold is not the one that was recorded.
    public func run(isRehearsal: Bool = false) async throws -> Outcome {
        if let doubt = try store.holdFindings().first { throw AuditFailure.chainBroken(detail: "\(doubt)") }
        try await nameLatest()
        let now = clock.milliseconds()
        var fixed: [String: Int64] = [:]
        for checkpoint in try store.latestCheckpoints() { fixed[checkpoint.node] = checkpoint.sequence }
        var outcome = Outcome()
        var position: Int64 = 0
        while true {
            let page = try store.entries(after: position, limit: Self.batch)
            guard let last = page.last else { return outcome }
            position = last.position
            // INVARIANT: what goes was judged under the holds that are in force when it goes. The store compares them in
            // the transaction that removes; a page that was judged under others is judged anew.
            while try await !settle(page, fixed: fixed, at: now, isRehearsal: isRehearsal, &outcome) {}
            // Entries come about in the order of their time: behind a page that is all too young nothing is old.
            let limit = now - Int64(policy.shortest) * 86_400_000
            if page.allSatisfy({ $0.entry.recordedAt > limit + 86_400_000 }) { return outcome }
        }
    }

    /// Judges a page and removes what is to go; false, with nothing done and counted, when a hold came or went meanwhile.
    private func settle(
        _ page: [StoredAuditEntry], fixed: [String: Int64], at now: Int64, isRehearsal: Bool, _ outcome: inout Outcome
    ) async throws -> Bool {
        var plan = RetentionPlan()
        var (held, undelivered): (Int64, Int64) = (0, 0)
        let (holds, delivered) = (try store.holds(), try delivered())
        for stored in page {
            switch try verdict(stored.entry, holds: holds, fixed: fixed, now: now) {
            case .keep: break
            case .held: held += 1
            case .remove where stored.position > delivered: undelivered += 1
            case .remove: try plan.add(stored.entry, in: store)
            }
        }
        if !plan.runs.isEmpty, !isRehearsal {
            guard try await remove(plan.runs, judgedUnder: holds, at: now) else { return false }
        }
        outcome.removed += plan.runs.reduce(0) { $0 + $1.count }
        outcome.runs += plan.runs.count
        outcome.held += held
        outcome.undelivered += undelivered
        return true
    }

    private enum Verdict { case keep, held, remove }

    private func verdict(_ entry: AuditEntry, holds: [LegalHold], fixed: [String: Int64], now: Int64) throws -> Verdict
    {
        guard entry.recordedAt < now - Int64(policy.shortest) * 86_400_000,
            entry.sequence < fixed[entry.node] ?? 0, entry.hash == entry.expectedHash
        else { return .keep }
        let statement = try entry.statement()
        // What a hold is compared with is few, and stays as long as the hold itself: for good.
        if case .authorization(let record) = statement.event, record.outcome == .succeeded,
            [.holdPlaced, .holdLifted].contains(record.kind)
        {
            return .keep
        }
        guard entry.recordedAt < now - Int64(policy.days(statement)) * 86_400_000 else { return .keep }
        if holds.contains(where: { $0.keeps(statement) }) { return .held }
        return .remove
    }

    private func remove(_ runs: [AuditRemovedRun], judgedUnder holds: [LegalHold], at now: Int64) async throws -> Bool {
        let before = try store.latestRemoval()
        let removal = try SignedAuditRemoval(
            AuditRemoval(
                number: (before?.number ?? 0).following, node: node, at: now, rule: policy.text, runs: runs,
                previous: before.map { ChainHash.digest(of: $0.compact) } ?? .origin), signedWith: key)
        guard try store.remove(removal, runs: runs, judgedUnder: holds) else { return false }
        try await nameLatest()
        return true
    }

    /// Writes the entry that names the newest removal, unless it is there: a crash may have come between.
    private func nameLatest() async throws {
        guard let latest = try store.latestRemoval() else { return }
        let mark = AuditRemovalMark(number: latest.number, digest: .digest(of: latest.compact))
        try await record(
            AuthorizationRecord(
                id: DecisionID("removal-\(latest.number)"), kind: .recordsRemoved, outcome: .succeeded,
                detail: mark.text, at: clock.milliseconds()))
    }
}

/// The runs that entries make which are to be removed, in the order in which they are met.
struct RetentionPlan {
    private(set) var runs: [AuditRemovedRun] = []
    private var places: [String: Int] = [:]

    /// Adds an entry unless it closes one that stays, or is still open.
    mutating func add(_ entry: AuditEntry, in store: any AuditRetentionStore) throws {
        if let closes = entry.index.closes, !contains(closes, of: entry.node),
            try store.hash(at: closes, of: entry.node) != nil
        {
            return
        }
        if entry.index.phase == .opening, try store.isOpen(entry.sequence, of: entry.node) { return }
        if let place = places[entry.node], runs[place].last.following == entry.sequence {
            let run = runs[place]
            runs[place] = AuditRemovedRun(
                node: run.node, first: run.first, last: entry.sequence, previous: run.previous, hash: entry.hash)
        } else {
            places[entry.node] = runs.count
            runs.append(
                AuditRemovedRun(
                    node: entry.node, first: entry.sequence, last: entry.sequence, previous: entry.previous,
                    hash: entry.hash))
        }
    }

    private func contains(_ sequence: Int64, of node: String) -> Bool {
        runs.contains { $0.node == node && $0.first <= sequence && sequence <= $0.last }
    }
}
