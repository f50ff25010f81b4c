internal import AccessPolicy

/// What one walk over a part of the log has found; parts are walked side by side and put together afterwards.
public struct AuditSegment: Sendable {
    /// Entries of one node that follow one another without a fault between them.
    struct Piece: Hashable, Sendable {
        let first: Int64
        /// The hash that must stand at the end of what comes before.
        let previous: ChainHash
        var last: Int64
        /// The hash that is stored with the last entry, and the one that it ought to have.
        var stored: ChainHash
        var expected: ChainHash

        /// How many entries.
        var count: Int64 { last >= first ? (last &- first).following : 0 }
    }

    /// One node's part.
    struct Part: Sendable {
        let node: String
        var pieces: [Piece] = []
        /// Sequence numbers of opening entries, and of entries that another one closes.
        var openings: [Int64] = []
        var closed: [Int64] = []
        var checkpoints: [(sequence: Int64, mark: AuditCheckpointMark)] = []
        var removals: [(sequence: Int64, mark: AuditRemovalMark)] = []
    }

    var parts: [Part]
    var findings: [AuditFinding]
    /// The records of legal holds with their places, in the order of storing.
    var holds: [(place: String, record: AuthorizationRecord)]
}

/// Walks over entries in the order of storing, one part of the log at a time.
public struct AuditSegmentWalk {
    private struct State {
        let name: [UInt8]
        var part: AuditSegment.Part
        let ends: [AuditChainEnd]
        var nextEnd = 0
    }

    private var judge = AuditEntryJudge()
    private var states: [State] = []
    private var current = 0
    private var findings: [AuditFinding] = []
    private var holds: [(place: String, record: AuthorizationRecord)] = []
    private let ends: [String: [AuditChainEnd]]

    /// A walk that compares with places that are known from checkpoints: by node, in ascending order.
    public init(expecting ends: [String: [AuditChainEnd]]) { self.ends = ends }

    /// Looks at the next entry.
    public mutating func take(_ view: AuditEntryView) {
        select(view.node)
        let verdict = judge.judge(view)
        let stored = ChainHash(bytes: view.hash) ?? .origin
        if let fault = verdict.fault {
            find(view.sequence, .changed, fault)
            if stored != verdict.expected { findOwner(view, stored) }
        }
        extend(view, stored: stored, expected: verdict.expected)
        compare(view.sequence, stored)
        note(view)
    }

    /// What the walk has found.
    public func finish() -> AuditSegment { AuditSegment(parts: states.map(\.part), findings: findings, holds: holds) }

    private mutating func select(_ node: UnsafeRawBufferPointer) {
        if current < states.count, states[current].name.elementsEqual(node) { return }
        if let place = states.firstIndex(where: { $0.name.elementsEqual(node) }) {
            current = place
            return
        }
        let name = String(decoding: node, as: UTF8.self)
        states.append(State(name: Array(node), part: .init(node: name), ends: ends[name] ?? []))
        current = states.count - 1
    }

    private mutating func find(_ sequence: Int64, _ fault: AuditFinding.Fault, _ detail: String) {
        guard findings.count < AuditVerification.findingLimit else { return }
        findings.append(AuditFinding(.entry(node: states[current].part.node, sequence: sequence), fault, detail))
    }

    /// An entry that was put under another node is named where it belongs too.
    private mutating func findOwner(_ view: AuditEntryView, _ stored: ChainHash) {
        let present = states[current].part.node
        let previous = ChainHash(bytes: view.previous) ?? .origin
        for node in ends.keys where node != present {
            let hash = ChainHash(
                node: node, sequence: view.sequence, recordedAt: view.recordedAt, previous: previous,
                bodyHash: ChainHash(of: Array(view.body)))
            guard hash == stored else { continue }
            findings.append(
                AuditFinding(
                    .entry(node: node, sequence: view.sequence), .changed, "it stands under the node `\(present)`"))
        }
    }

    private mutating func extend(_ view: AuditEntryView, stored: ChainHash, expected: ChainHash) {
        let previous = ChainHash(bytes: view.previous) ?? .origin
        if let last = states[current].part.pieces.indices.last {
            let piece = states[current].part.pieces[last]
            if piece.last.following == view.sequence, previous == piece.stored || previous == piece.expected {
                states[current].part.pieces[last].last = view.sequence
                states[current].part.pieces[last].stored = stored
                states[current].part.pieces[last].expected = expected
                return
            }
        }
        states[current].part.pieces.append(
            .init(first: view.sequence, previous: previous, last: view.sequence, stored: stored, expected: expected))
        states[current].nextEnd = states[current].ends.firstOffset { $0.sequence >= view.sequence }
    }

    private mutating func compare(_ sequence: Int64, _ stored: ChainHash) {
        var next = states[current].nextEnd
        let ends = states[current].ends
        while next < ends.count, ends[next].sequence <= sequence {
            if ends[next].sequence == sequence, ends[next].hash != stored {
                find(sequence, .changed, "its hash is not the one that a checkpoint has")
            }
            next += 1
        }
        states[current].nextEnd = next
    }

    private mutating func note(_ view: AuditEntryView) {
        if let closes = view.closes { states[current].part.closed.append(closes) }
        if view.phase.elementsEqual(AuditPhase.opening.rawValue.utf8) {
            states[current].part.openings.append(view.sequence)
        }
        let isCheckpoint = view.kind.elementsEqual(AuthorizationRecord.Kind.checkpoint.rawValue.utf8)
        let isHold = !isCheckpoint && Self.isOfHold(view.kind)
        guard
            isCheckpoint || isHold
                || view.kind.elementsEqual(AuthorizationRecord.Kind.recordsRemoved.rawValue.utf8),
            let statement = try? AuditStatement(decoding: Array(view.body)),
            case .authorization(let record) = statement.event
        else { return }
        if isHold { return holds.append(("\(states[current].part.node)/\(view.sequence)", record)) }
        guard let detail = record.detail else { return }
        if isCheckpoint, let mark = AuditCheckpointMark(detail) {
            states[current].part.checkpoints.append((view.sequence, mark))
        } else if !isCheckpoint, let mark = AuditRemovalMark(detail) {
            states[current].part.removals.append((view.sequence, mark))
        }
    }

    private static func isOfHold(_ kind: UnsafeRawBufferPointer) -> Bool {
        kind.elementsEqual(AuthorizationRecord.Kind.holdPlaced.rawValue.utf8)
            || kind.elementsEqual(AuthorizationRecord.Kind.holdLifted.rawValue.utf8)
    }
}
