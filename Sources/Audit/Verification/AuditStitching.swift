/// Puts the parts of a walked log together, node by node, and finds what only the whole can show: what is missing, what
/// stands out of its place, and where a chain ends too early.
public struct AuditStitching {
    private var parts: [String: [AuditSegment.Part]] = [:]
    private var findings: [AuditFinding] = []
    /// What the records say about legal holds.
    public private(set) var holds = LegalHoldLedger()

    /// Parts in the order of the log.
    public init(_ segments: [AuditSegment]) {
        for segment in segments {
            findings += segment.findings
            for said in segment.holds { holds.take(said.record, at: said.place) }
            for part in segment.parts { parts[part.node, default: []].append(part) }
        }
    }

    /// The openings that nothing has closed, by node.
    public var unclosed: [String: Set<Int64>] {
        parts.mapValues { parts in
            var open = Set(parts.flatMap(\.openings))
            for part in parts { open.subtract(part.closed) }
            return open
        }
    }

    /// What the chains say about checkpoints and removals that there must be.
    var checkpointMarks: [(node: String, sequence: Int64, mark: AuditCheckpointMark)] {
        parts.flatMap { node, parts in parts.flatMap(\.checkpoints).map { (node, $0.sequence, $0.mark) } }
    }
    var removalMarks: [AuditRemovalMark] { parts.values.flatMap { $0.flatMap(\.removals).map(\.mark) } }

    /// Joins everything.
    ///
    /// - Parameters:
    ///   - review: what the checkpoints are worth.
    ///   - removals: what retention has taken out, already proved.
    public func verification(_ review: AuditCheckpointReview, removals: AuditRemovalReview = .none) -> AuditVerification
    {
        var found = findings + review.findings(namedBy: checkpointMarks) + removals.findings(namedBy: removalMarks)
        var chains: [AuditVerification.Chain] = []
        for node in Set(parts.keys).union(review.ends.keys).sorted() {
            var join = ChainJoin(
                node: node, runs: removals.runs[node] ?? [], anchored: review.anchored[node] ?? 0)
            join.take((parts[node] ?? []).flatMap(\.pieces))
            join.demand(review.ends[node] ?? [])
            found += join.findings
            chains.append(join.chain)
        }
        return AuditVerification(
            chains: chains, checkpoints: review.verified, anchors: review.anchors,
            findings: Self.distinct(found))
    }

    /// One finding for each place, the first that was made, in the order of places.
    private static func distinct(_ findings: [AuditFinding]) -> [AuditFinding] {
        var seen: Set<AuditFinding.Place> = []
        return Array(
            findings.filter { seen.insert($0.place).inserted }.sorted { $0.place.order < $1.place.order }
                .prefix(AuditVerification.findingLimit))
    }
}

extension AuditFinding.Place {
    /// Entries before checkpoints, by node and number.
    fileprivate var order: (Int, String, Int64) {
        switch self {
        case .entry(let node, let sequence): (0, node, sequence)
        case .checkpoint(let node, let number): (1, node, number)
        case .removal(let number): (2, "", number)
        case .hold(let name): (3, name, 0)
        case .feed(let name): (4, name, 0)
        case .structure(let name): (5, name, 0)
        }
    }
}

/// One node's chain while its pieces are joined.
private struct ChainJoin {
    let node: String
    private let anchored: Int64
    private(set) var findings: [AuditFinding] = []
    private var runs: ArraySlice<AuditRemovedRun>
    private var entries: Int64 = 0
    private var removed: Int64 = 0
    private var last: Int64 = 0
    private var stored = ChainHash.origin
    private var expected = ChainHash.origin
    /// Places that were passed over and may still come.
    private var gaps: [ClosedRange<Int64>] = []

    init(node: String, runs: [AuditRemovedRun], anchored: Int64) {
        self.node = node
        self.anchored = anchored
        self.runs = runs.sorted { $0.first < $1.first }[...]
    }

    var chain: AuditVerification.Chain {
        .init(
            node: node, entries: entries, removed: removed, end: AuditChainEnd(sequence: last, hash: stored),
            anchored: anchored)
    }

    mutating func take(_ pieces: [AuditSegment.Piece]) {
        for (offset, piece) in pieces.enumerated() {
            entries += piece.count
            guard piece.first > last else {
                returned(piece)
                continue
            }
            bridge(to: piece.first)
            if piece.first > last.following {
                passOver((last + 1)...(piece.first - 1), later: pieces[(offset + 1)...])
            } else if piece.previous != stored, piece.previous != expected {
                find(piece.first, .changed, "it does not follow the entry before it")
            }
            last = piece.last
            stored = piece.stored
            expected = piece.expected
        }
        bridge(to: Int64.max)
        for run in runs {
            find(run.first, .changed, "it stands among removed entries, up to \(run.last), and is there")
        }
    }

    /// Goes over removed runs that begin where the chain stands.
    private mutating func bridge(to first: Int64) {
        while let run = runs.first, run.first == last.following, last < .max, run.last < first {
            runs = runs.dropFirst()
            if run.previous != stored, run.previous != expected {
                find(run.first, .changed, "the removed entries do not follow the entry before them")
            }
            removed += run.count
            last = run.last
            stored = run.hash
            expected = run.hash
        }
    }

    private mutating func passOver(_ gap: ClosedRange<Int64>, later pieces: ArraySlice<AuditSegment.Piece>) {
        gaps.append(gap)
        var missing = gap.lowerBound
        while missing <= gap.upperBound {
            if let piece = pieces.first(where: { ($0.first...$0.last).contains(missing) }) {
                find(missing, .reordered, "it stands further on")
                missing = piece.last.following
                continue
            }
            let next = pieces.map(\.first).filter { $0 > missing && $0 <= gap.upperBound }.min() ?? gap.upperBound + 1
            let count = next - missing
            find(missing, .missing, count == 1 ? "it is not there" : "it and the \(count - 1) after it are not there")
            missing = next
        }
    }

    /// An entry whose place lies behind: one that was passed over, or one that stands there twice.
    private mutating func returned(_ piece: AuditSegment.Piece) {
        for sequence in piece.first...piece.last where !gaps.contains(where: { $0.contains(sequence) }) {
            find(sequence, .changed, "its place is taken by another entry")
            if findings.count > AuditVerification.findingLimit { return }
        }
    }

    /// The chain must reach every place that a checkpoint has.
    mutating func demand(_ ends: [AuditChainEnd]) {
        guard let furthest = ends.map(\.sequence).max(), furthest > last else { return }
        find(last.following, .truncated, "the chain ends before it, and once reached \(furthest)")
    }

    private mutating func find(_ sequence: Int64, _ fault: AuditFinding.Fault, _ detail: String) {
        findings.append(AuditFinding(.entry(node: node, sequence: sequence), fault, detail))
    }
}
