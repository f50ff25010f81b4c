internal import AccessPolicy

/// The end of one node's chain, and the only code that extends it. It belongs to the writer's thread.
///
/// When an append fails it is not known whether the batch reached the disk. The batch then stands in doubt, and before
/// the next append the sink is asked: the chain goes on from what is really there, and records whose waiters were told
/// "not written" are marked as interrupted. So the chain never forks, and no answer counts as given that was not.
struct AuditChain {
    private struct Doubt {
        let entry: AuditEntry
        let statement: AuditStatement
        /// It was already the mark of an earlier failure.
        let isArrear: Bool
    }

    let node: String
    private(set) var sequence: Int64
    private var last: ChainHash
    private var doubts: [Doubt] = []
    /// Statements that close or mark what an earlier failure left; written with the next batch.
    private var arrears: [AuditStatement] = []
    private let sink: any AuditSink
    private let clock: AuditClock

    init(sink: any AuditSink, node: String, clock: AuditClock) throws(AuditFailure) {
        self.sink = sink
        self.node = node
        self.clock = clock
        let head = try Self.head(of: node, in: sink)
        sequence = head?.sequence ?? 0
        last = head?.hash ?? .origin
        if let head, head.hash != head.expectedHash {
            throw .chainBroken(detail: "entry \(head.sequence) of node `\(node)` was changed")
        }
    }

    /// What became of a batch.
    struct Appended {
        /// The place of each statement, 0 where it was there before.
        let sequences: [Int64]
        /// Entries that were written, with what earlier failures left over; 0 where all was there before.
        let written: Int
    }

    /// Makes a batch durable.
    mutating func append(_ batch: [AuditWriter.Submission]) throws(AuditFailure) -> Appended {
        let repeated: Set<Int>
        do throws(AuditFailure) {
            try settleDoubts()
            repeated = try alreadyThere(batch)
        } catch {
            abandon(batch.map(\.statement))
            throw error
        }
        return try write(batch, except: repeated)
    }

    /// Writes what earlier failures left over, before the end.
    ///
    /// - Returns: how many entries that were, with those that prove to be stored though their writing seemed to fail.
    @discardableResult mutating func settle() throws(AuditFailure) -> Int {
        if doubts.isEmpty && arrears.isEmpty { return 0 }
        return try settleDoubts() + append([]).written
    }

    private mutating func write(_ batch: [AuditWriter.Submission], except repeated: Set<Int>) throws(AuditFailure)
        -> Appended
    {
        var link = (sequence: sequence, hash: last)
        var planned: [Doubt] = []
        let now = clock.milliseconds()
        // What a submission closes itself needs no arrear.
        let closing = Set(batch.compactMap(\.statement.closes))
        for statement in arrears where !closing.contains(statement.closes ?? 0) {
            let entry = entry(statement.encoded, AuditIndex(statement), at: now, after: &link)
            planned.append(Doubt(entry: entry, statement: statement, isArrear: true))
        }
        var sequences: [Int64] = []
        for (offset, submission) in batch.enumerated() {
            guard !repeated.contains(offset) else {
                sequences.append(0)
                continue
            }
            for part in submission.parts { plan(part, at: now, after: &link, in: &planned) }
            plan(submission.whole, at: now, after: &link, in: &planned)
            sequences.append(link.sequence)
        }
        guard !planned.isEmpty else { return Appended(sequences: sequences, written: 0) }
        do {
            try sink.append(planned.map(\.entry))
        } catch {
            doubts = planned
            throw .notWritten(detail: "\(error)")
        }
        (sequence, last) = link
        arrears = []
        return Appended(sequences: sequences, written: planned.count)
    }

    private func plan(
        _ one: AuditWriter.Prepared, at now: Int64, after link: inout (sequence: Int64, hash: ChainHash),
        in planned: inout [Doubt]
    ) {
        let entry = entry(one.body, one.index, at: now, after: &link)
        planned.append(Doubt(entry: entry, statement: one.statement, isArrear: false))
    }

    private func entry(
        _ body: [UInt8], _ index: AuditIndex, at now: Int64,
        after link: inout (sequence: Int64, hash: ChainHash)
    ) -> AuditEntry {
        let hash = ChainHash(
            node: node, sequence: link.sequence.following, recordedAt: now, previous: link.hash,
            bodyHash: ChainHash(of: body)
        )
        let entry = AuditEntry(
            node: node, sequence: link.sequence.following, recordedAt: now, previous: link.hash, hash: hash, body: body,
            index: index)
        link = (entry.sequence, hash)
        return entry
    }

    /// The offsets of statements that are to be written only once and stand in the log or earlier in the batch.
    private func alreadyThere(_ batch: [AuditWriter.Submission]) throws(AuditFailure) -> Set<Int> {
        var seen: Set<DecisionID> = []
        var repeated: Set<Int> = []
        for (offset, submission) in batch.enumerated() where submission.once {
            let isStored = try isStored(submission.statement)
            let isFirst = seen.insert(submission.statement.eventID).inserted
            if isStored || !isFirst { repeated.insert(offset) }
        }
        return repeated
    }

    /// Whether the log has the statement: something closes what it would close, or its event is there.
    private func isStored(_ statement: AuditStatement) throws(AuditFailure) -> Bool {
        do {
            guard let closes = statement.closes else { return try sink.contains(statement.eventID) }
            return try sink.unfinished(on: node, through: closes).last?.sequence != closes
        } catch {
            throw .notWritten(detail: "\(error)")
        }
    }

    /// Remembers to close as interrupted what these statements, which are not stored, would have closed.
    private mutating func abandon(_ statements: [AuditStatement]) {
        let now = clock.milliseconds()
        for statement in statements {
            guard let opening = statement.closes, !arrears.contains(where: { $0.closes == opening }) else { continue }
            arrears.append(
                statement.phase == .interrupted
                    ? statement
                    : statement.notGiven.interrupted(
                        closing: opening, reason: "closing record could not be written", at: now))
        }
    }

    /// Finds out whether the batch in doubt is stored, and goes on from there.
    ///
    /// - Returns: how many entries proved to be stored.
    @discardableResult private mutating func settleDoubts() throws(AuditFailure) -> Int {
        guard let newest = doubts.last?.entry else { return 0 }
        let head = try Self.head(of: node, in: sink)
        let settled = doubts
        if (head?.sequence ?? 0) == sequence, (head?.hash ?? .origin) == last {
            doubts = []
            abandon(settled.filter { !$0.isArrear }.map(\.statement))
            return 0
        } else if let head, head.sequence == newest.sequence, head.hash == newest.hash {
            doubts = []
            let stored = Set(settled.compactMap(\.statement.closes))
            arrears.removeAll { stored.contains($0.closes ?? 0) }
            sequence = head.sequence
            last = head.hash
            let now = clock.milliseconds()
            for doubt in settled where !doubt.isArrear {
                guard case .access = doubt.statement.event, doubt.statement.phase != .interrupted,
                    !doubt.statement.claimsNoAnswer
                else { continue }
                arrears.append(
                    doubt.statement.notGiven.interrupted(
                        closing: doubt.entry.sequence, reason: doubt.statement.lateReason, at: now))
            }
            return settled.count
        } else {
            throw .chainBroken(detail: "node `\(node)` ends at \(head?.sequence ?? 0), expected \(sequence)")
        }
    }

    private static func head(of node: String, in sink: any AuditSink) throws(AuditFailure) -> AuditEntry? {
        do {
            return try sink.head(of: node)
        } catch let failure as AuditFailure {
            throw failure
        } catch {
            throw .notWritten(detail: "\(error)")
        }
    }
}
