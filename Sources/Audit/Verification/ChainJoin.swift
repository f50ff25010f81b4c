/// One node's chain while its pieces are joined.
///
/// INVARIANT: each piece, gap and run is looked at a fixed number of times, each time by halves: whoever deletes every tenth
/// entry of millions must not make the verifier silent by it.
struct ChainJoin {
    let node: String
    private let anchored: Int64
    /// No more than are told; the place where the chain ends too early is always among them.
    private(set) var findings: [AuditFinding] = []
    private var runs: ArraySlice<AuditRemovedRun>
    private var entries: Int64 = 0
    private var removed: Int64 = 0
    private var last: Int64 = 0
    private var stored = ChainHash.origin
    private var expected = ChainHash.origin
    /// Places that were passed over and may still come, ascending.
    private var gaps: [ClosedRange<Int64>] = []
    private var places = PiecePlaces([])

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

    /// Joins pieces in the order of storing.
    mutating func take(_ pieces: [AuditSegment.Piece]) {
        places = PiecePlaces(pieces)
        for piece in pieces {
            entries += piece.count
            guard piece.first > last else {
                returned(piece)
                continue
            }
            bridge(to: piece.first)
            if piece.first > last.following {
                passOver((last + 1)...(piece.first - 1))
            } else if piece.previous != stored, piece.previous != expected {
                find(piece.first, .changed, "it does not follow the entry before it")
            }
            last = piece.last
            stored = piece.stored
            expected = piece.expected
        }
        bridge(to: Int64.max)
        for run in runs {
            guard !isFull else { break }
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

    private mutating func passOver(_ gap: ClosedRange<Int64>) {
        gaps.append(gap)
        var missing = gap.lowerBound
        while missing <= gap.upperBound, !isFull {
            if let end = places.end(of: missing) {
                find(missing, .reordered, "it stands elsewhere")
                guard end < gap.upperBound else { return }
                missing = end + 1
                continue
            }
            let next = min(places.begin(behind: missing) ?? .max, gap.upperBound + 1)
            let count = next - missing
            find(missing, .missing, count == 1 ? "it is not there" : "it and the \(count - 1) after it are not there")
            missing = next
        }
    }

    /// An entry whose place lies behind: one that was passed over, or one that stands there twice.
    private mutating func returned(_ piece: AuditSegment.Piece) {
        var sequence = piece.first
        while sequence <= piece.last, !isFull {
            if let gap = gap(of: sequence) {
                guard gap.upperBound < piece.last else { return }
                sequence = gap.upperBound + 1
            } else {
                find(sequence, .changed, "its place is taken by another entry")
                guard sequence < piece.last else { return }
                sequence += 1
            }
        }
    }

    private func gap(of sequence: Int64) -> ClosedRange<Int64>? {
        let place = gaps.firstOffset { $0.upperBound >= sequence }
        return place < gaps.count && gaps[place].contains(sequence) ? gaps[place] : nil
    }

    /// The chain must reach every place that a checkpoint has.
    mutating func demand(_ ends: [AuditChainEnd]) {
        guard let furthest = ends.map(\.sequence).max(), furthest > last else { return }
        add(last.following, .truncated, "the chain ends before it, and once reached \(furthest)")
    }

    private var isFull: Bool { findings.count >= AuditVerification.findingLimit }

    private mutating func find(_ sequence: Int64, _ fault: AuditFinding.Fault, _ detail: String) {
        if !isFull { add(sequence, fault, detail) }
    }

    private mutating func add(_ sequence: Int64, _ fault: AuditFinding.Fault, _ detail: String) {
        findings.append(AuditFinding(.entry(node: node, sequence: sequence), fault, detail))
    }
}

/// Where pieces of a chain stand, to be asked by place.
private struct PiecePlaces {
    /// Ascending.
    private let firsts: [Int64]
    /// How far the piece at an offset, or any before it, reaches.
    private let reaches: [Int64]

    init(_ pieces: [AuditSegment.Piece]) {
        let sorted = pieces.sorted { $0.first < $1.first }
        firsts = sorted.map(\.first)
        var furthest = Int64.min
        reaches = sorted.map { piece in
            furthest = max(furthest, piece.last)
            return furthest
        }
    }

    /// The end of a piece that a place lies in; nil where it lies in none.
    func end(of place: Int64) -> Int64? {
        let next = firsts.firstOffset { $0 > place }
        return next > 0 && reaches[next - 1] >= place ? reaches[next - 1] : nil
    }

    /// Where the first piece behind a place begins.
    func begin(behind place: Int64) -> Int64? {
        let next = firsts.firstOffset { $0 > place }
        return next < firsts.count ? firsts[next] : nil
    }
}

extension Array {
    /// The offset of the first element that meets a condition which, once met, every later one meets; their count where
    /// none does. By halves.
    func firstOffset(where isMet: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = low + (high - low) / 2
            if isMet(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
