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
    private let memory = RetentionMemory.Keeper()

    private let batch: Int

    /// Retention by a policy.
    ///
    /// - Parameters:
    ///   - delivered: the running number up to which every feed of records has delivered.
    ///   - batch: entries that are judged at a time and that one transaction takes out, at most: the writer waits meanwhile.
    ///   - record: writes an entry durably, once.
    public init(
        node: String, store: any AuditRetentionStore, policy: AuditRetentionPolicy, key: PrivateJWK,
        clock: AuditClock = .system, delivered: @escaping @Sendable () throws -> Int64 = { .max },
        batch: Int = 1000, record: @escaping @Sendable (AuthorizationRecord) async throws -> Void
    ) {
        self.node = node
        self.store = store
        self.policy = policy
        self.key = key
        self.clock = clock
        self.delivered = delivered
        self.batch = batch
        self.record = record
    }

    /// Looks at the whole log and removes everything whose time is over; with `isRehearsal` only counts it.
    ///
    /// Throws `AuditFailure.chainBroken` when a hold is not the one that was recorded.
    public func run(isRehearsal: Bool = false) async throws -> Outcome {
        try await round(isRehearsal: isRehearsal) { RetentionMemory(holds: $0) }
    }

    /// Removes what has become due since the last round of this process, and looks at nothing else; at the whole log the
    /// first time, and when a hold came or went. Its outcome counts what it looked at.
    ///
    /// Throws `AuditFailure.chainBroken` when a hold is not the one that was recorded.
    public func goOn() async throws -> Outcome {
        try await round(isRehearsal: false) { memory.latest(under: $0) ?? RetentionMemory(holds: $0) }
    }

    private func round(isRehearsal: Bool, from begin: (Set<LegalHold>) -> RetentionMemory) async throws -> Outcome {
        if let doubt = try store.holdFindings().first { throw AuditFailure.chainBroken(detail: "\(doubt)") }
        try await nameLatest()
        var round = Round(at: clock.milliseconds(), isRehearsal: isRehearsal, holds: Set(try store.holds()))
        for checkpoint in try store.latestCheckpoints() { round.fixed[checkpoint.node] = checkpoint.sequence }
        let before = begin(round.holds)
        try await lookAgain(at: before.waiting, &round)
        var reached: [Int: Int64] = [:]
        var all: Int64 = 0
        // The longest first: what is older than that is older than the others as well.
        for days in policy.spans {
            all = try await scan(days, from: max(all, before.reached[days] ?? 0), &round)
            reached[days] = all
        }
        if !isRehearsal {
            memory.keep(
                round.isUnderOneLaw
                    ? RetentionMemory(holds: round.holds, reached: reached, waiting: round.waiting) : nil)
        }
        return round.outcome
    }

    /// Judges what was old enough before and could not go yet.
    private func lookAgain(at waiting: [Int64], _ round: inout Round) async throws {
        let page = try waiting.compactMap { position in
            try store.entries(after: position - 1, limit: 1).first.flatMap { $0.position == position ? $0 : nil }
        }
        // INVARIANT: what goes was judged under the holds that are in force when it goes. The store compares them in
        // the transaction that removes; a page that was judged under others is judged anew.
        while try await !settle(page, &round) {}
    }

    /// Judges the entries from a place on that are older than so many days.
    ///
    /// - Returns: the place up to which every entry is.
    private func scan(_ days: Int, from start: Int64, _ round: inout Round) async throws -> Int64 {
        let limit = round.now - Int64(days) * 86_400_000
        var (position, reached, isUnbroken) = (start, start, true)
        while true {
            let page = try store.entries(after: position, limit: batch)
            guard let last = page.last else { return reached }
            position = last.position
            let judged = round.judged
            let unjudged = page.filter { $0.position > judged }
            while try await !settle(unjudged, &round) {}
            round.judged = max(judged, position)
            for stored in page where isUnbroken {
                isUnbroken = stored.entry.recordedAt < limit
                if isUnbroken { reached = stored.position }
            }
            // Entries come about in the order of their time: behind a page that is all too young nothing is old.
            if page.allSatisfy({ $0.entry.recordedAt > limit + 86_400_000 }) { return reached }
        }
    }

    /// Judges a page and removes what is to go; false, with nothing done and counted, when a hold came or went meanwhile.
    private func settle(_ page: [StoredAuditEntry], _ round: inout Round) async throws -> Bool {
        var plan = RetentionPlan()
        var waiting: [Int64] = []
        var (held, undelivered): (Int64, Int64) = (0, 0)
        let (holds, delivered) = (try store.holds(), try delivered())
        for stored in page {
            switch try verdict(stored.entry, holds: holds, fixed: round.fixed, now: round.now) {
            case .keep: break
            case .held: held += 1
            case .notYet: waiting.append(stored.position)
            case .remove where stored.position > delivered:
                undelivered += 1
                waiting.append(stored.position)
            case .remove: if try !plan.add(stored.entry, in: store) { waiting.append(stored.position) }
            }
        }
        if !plan.runs.isEmpty, !round.isRehearsal {
            guard try await remove(plan.runs, judgedUnder: holds, at: round.now) else { return false }
        }
        round.isUnderOneLaw = round.isUnderOneLaw && Set(holds) == round.holds
        round.waiting = RetentionMemory.first(of: round.waiting + waiting)
        round.outcome.removed += plan.runs.reduce(0) { $0 + $1.count }
        round.outcome.runs += plan.runs.count
        round.outcome.held += held
        round.outcome.undelivered += undelivered
        return true
    }

    /// What a round is done under, and what it has come to.
    private struct Round {
        let now: Int64
        let isRehearsal: Bool
        let holds: Set<LegalHold>
        /// Up to where checkpoints reach, by node.
        var fixed: [String: Int64] = [:]
        var outcome = Outcome()
        /// Up to where entries were judged.
        var judged: Int64 = 0
        /// Places of entries whose time is over and that wait for something else than the lifting of a hold.
        var waiting: [Int64] = []
        /// Whether all was judged under the same holds.
        var isUnderOneLaw = true

        init(at now: Int64, isRehearsal: Bool, holds: Set<LegalHold>) {
            self.now = now
            self.isRehearsal = isRehearsal
            self.holds = holds
        }
    }

    private enum Verdict { case keep, held, notYet, remove }

    private func verdict(_ entry: AuditEntry, holds: [LegalHold], fixed: [String: Int64], now: Int64) throws -> Verdict
    {
        guard entry.recordedAt < now - Int64(policy.shortest) * 86_400_000, entry.hash == entry.expectedHash else {
            return .keep
        }
        let statement = try entry.statement()
        // What a hold is compared with is few, and stays as long as the hold itself: for good.
        if case .authorization(let record) = statement.event, record.outcome == .succeeded,
            [.holdPlaced, .holdLifted].contains(record.kind)
        {
            return .keep
        }
        guard entry.recordedAt < now - Int64(policy.days(statement)) * 86_400_000 else { return .keep }
        if holds.contains(where: { $0.keeps(statement) }) { return .held }
        return entry.sequence < fixed[entry.node] ?? 0 ? .remove : .notYet
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
