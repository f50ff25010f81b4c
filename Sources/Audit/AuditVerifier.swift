/// A place in a node's chain with the hash that must stand there, kept where the log's administrator cannot reach it.
public struct AuditChainEnd: Hashable, Sendable {
    /// The place in the chain.
    public let sequence: Int64
    /// The hash that stands there.
    public let hash: ChainHash

    /// An end, as it was kept.
    public init(sequence: Int64, hash: ChainHash) {
        self.sequence = sequence
        self.hash = hash
    }
}

/// Walks a node's chain from its first entry and names the first one that is not what was written.
///
/// Entries removed from the end leave a chain that is whole in itself; they are found only against an
/// `AuditChainEnd` that was kept elsewhere.
public struct AuditVerifier: Sendable {
    /// What is wrong with an entry.
    public enum Fault: String, CaseIterable, Hashable, Sendable {
        /// Its body, its hashes, its time or what it is found by are not what was written.
        case changed
        /// It is not there.
        case missing
        /// It is there, but not in its place.
        case reordered
        /// It should be the last, or before it, and the chain ends earlier.
        case truncated
    }

    /// The first fault of a chain.
    public struct Finding: Hashable, Sendable {
        /// The sequence number of the entry at fault.
        public let sequence: Int64
        /// What is wrong with it.
        public let fault: Fault
        /// How it was noticed.
        public let detail: String
    }

    /// What a walk has shown.
    public struct Report: Hashable, Sendable {
        /// Whose chain was walked.
        public let node: String
        /// Entries that were as written, before the finding.
        public let verified: Int64
        /// The last of them.
        public let end: AuditChainEnd
        /// Nil when the whole chain is as written.
        public let finding: Finding?
    }

    private static let page = 512

    /// Verifies the chain of one node, from its beginning to its end.
    ///
    /// - Parameter expected: an end that the chain had at some time, if one was kept.
    public static func verify(_ node: String, in log: some AuditReader, expecting expected: AuditChainEnd? = nil)
        throws -> Report
    {
        var walk = AuditChainWalk(expected: expected)
        var position: Int64 = 0
        while true {
            let rows: [StoredAuditEntry]
            do {
                rows = try log.scan(node, after: position, limit: page)
            } catch AuditFailure.chainBroken {
                return try narrow(walk, node, in: log, after: position)
            }
            guard let last = rows.last else { break }
            for row in rows {
                if let finding = walk.take(row.entry) {
                    return walk.report(node, try place(finding, of: node, in: log, after: row.position))
                }
            }
            position = last.position
        }
        return walk.report(node, walk.atEnd())
    }

    /// Finds which row of a page cannot be read as an entry at all.
    private static func narrow(
        _ walked: AuditChainWalk, _ node: String, in log: some AuditReader, after start: Int64
    ) throws -> Report {
        var walk = walked
        var position = start
        while true {
            do {
                guard let row = try log.scan(node, after: position, limit: 1).first else {
                    return walk.report(node, walk.atEnd())
                }
                if let finding = walk.take(row.entry) { return walk.report(node, finding) }
                position = row.position
            } catch AuditFailure.chainBroken(let detail) {
                return walk.report(
                    node, Finding(sequence: walk.end.sequence.following, fault: .changed, detail: detail))
            }
        }
    }

    /// An entry that is not in its place is missing unless it stands further on.
    private static func place(_ finding: Finding, of node: String, in log: some AuditReader, after start: Int64) throws
        -> Finding
    {
        guard finding.fault == .missing else { return finding }
        var position = start
        while true {
            let rows: [StoredAuditEntry]
            do {
                rows = try log.scan(node, after: position, limit: page)
            } catch AuditFailure.chainBroken {
                return finding
            }
            guard let last = rows.last else { return finding }
            if rows.contains(where: { $0.entry.sequence == finding.sequence }) {
                return Finding(sequence: finding.sequence, fault: .reordered, detail: "it stands further on")
            }
            position = last.position
        }
    }
}

/// The state of a walk along one chain.
private struct AuditChainWalk {
    private(set) var end = AuditChainEnd(sequence: 0, hash: .origin)
    private(set) var verified: Int64 = 0
    let expected: AuditChainEnd?

    init(expected: AuditChainEnd?) { self.expected = expected }

    /// Goes on to the next entry as stored, or says what is wrong with the one that ought to be here.
    mutating func take(_ entry: AuditEntry) -> AuditVerifier.Finding? {
        let due = end.sequence.following
        func finding(_ fault: AuditVerifier.Fault, _ detail: String) -> AuditVerifier.Finding {
            AuditVerifier.Finding(sequence: due, fault: fault, detail: detail)
        }
        guard entry.sequence == due else {
            return finding(.missing, "entry \(entry.sequence) stands in its place")
        }
        guard entry.hash == entry.expectedHash else { return finding(.changed, "its hash does not fit it") }
        guard entry.previous == end.hash else { return finding(.changed, "it does not follow the entry before it") }
        do throws(AuditFormatError) {
            guard AuditIndex(try entry.statement()) == entry.index else {
                return finding(.changed, "what it is found by differs from its body")
            }
        } catch {
            return finding(.changed, error.detail)
        }
        if let expected, expected.sequence == due, expected.hash != entry.hash {
            return finding(.changed, "its hash is not the one that was kept")
        }
        end = AuditChainEnd(sequence: due, hash: entry.hash)
        verified += 1
        return nil
    }

    /// What is wrong when there are no more entries.
    func atEnd() -> AuditVerifier.Finding? {
        guard let expected, expected.sequence > end.sequence else { return nil }
        return AuditVerifier.Finding(
            sequence: end.sequence.following, fault: .truncated, detail: "the chain once reached \(expected.sequence)")
    }

    func report(_ node: String, _ finding: AuditVerifier.Finding?) -> AuditVerifier.Report {
        AuditVerifier.Report(node: node, verified: verified, end: end, finding: finding)
    }
}
