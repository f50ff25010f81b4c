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

    /// One finding for each place, the first that was made, in the order of places. Where there are more than are told, the
    /// ends of chains are among those that are.
    private static func distinct(_ findings: [AuditFinding]) -> [AuditFinding] {
        var seen: Set<AuditFinding.Place> = []
        let all = findings.filter { seen.insert($0.place).inserted }.sorted { $0.place.order < $1.place.order }
        guard all.count > AuditVerification.findingLimit else { return all }
        let ends = all.filter { $0.fault == .truncated }
        let others = all.filter { $0.fault != .truncated }.prefix(max(0, AuditVerification.findingLimit - ends.count))
        return (others + ends).sorted { $0.place.order < $1.place.order }
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
