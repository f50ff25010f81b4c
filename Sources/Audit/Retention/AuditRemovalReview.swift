public import OAuthCore

/// A removal as a store keeps it, with its runs.
public struct StoredAuditRemoval: Hashable, Sendable {
    /// The number, as the store has it.
    public let number: Int64
    /// The compact JWS.
    public let compact: String
    /// What was removed by it.
    public let runs: [AuditRemovedRun]

    /// A removal as a store found it.
    public init(number: Int64, compact: String, runs: [AuditRemovedRun]) {
        self.number = number
        self.compact = compact
        self.runs = runs
    }
}

/// What the removals of a log are worth: only runs under a signature that holds may stand for entries.
public struct AuditRemovalReview: Sendable {
    /// The proved runs, by node.
    public let runs: [String: [AuditRemovedRun]]
    private let faults: [AuditFinding]
    private let digests: [Int64: ChainHash]

    /// No removals at all.
    public static let none = AuditRemovalReview([], keys: JWKSet([]))

    /// Reviews removals in the order of their numbers.
    public init(_ removals: [StoredAuditRemoval], keys: JWKSet) {
        var runs: [String: [AuditRemovedRun]] = [:]
        var faults: [AuditFinding] = []
        var digests: [Int64: ChainHash] = [:]
        var due: Int64 = 1
        var before: ChainHash? = .origin
        for stored in removals {
            let digest = ChainHash.digest(of: stored.compact)
            digests[stored.number] = digest
            if stored.number != due { faults.append(.init(.removal(due), .missing, "it is not there")) }
            due = stored.number.following
            let place = AuditFinding.Place.removal(stored.number)
            do throws(AuditFormatError) {
                let removal = try SignedAuditRemoval(verifying: stored.compact, keys: keys).removal
                if let before, removal.previous != before {
                    faults.append(.init(.removal(max(stored.number, 2) - 1), .forged, "the one after it names another"))
                }
                before = digest
                if removal.number == stored.number, removal.digest == AuditRemoval.digest(of: stored.runs) {
                    for run in stored.runs { runs[run.node, default: []].append(run) }
                } else {
                    faults.append(.init(place, .changed, "what it removed is not what was signed"))
                }
            } catch {
                before = nil
                faults.append(.init(place, .forged, error.detail))
            }
        }
        self.runs = runs
        self.faults = faults
        self.digests = digests
    }

    func findings(namedBy marks: [AuditRemovalMark]) -> [AuditFinding] {
        faults
            + marks.compactMap { mark in
                guard let digest = digests[mark.number] else {
                    return AuditFinding(.removal(mark.number), .missing, "an entry names it")
                }
                return digest == mark.digest
                    ? nil : AuditFinding(.removal(mark.number), .forged, "an entry names another one")
            }
    }
}
