/// One thing in a stored log that is not what was written, with its place.
public struct AuditFinding: Hashable, Sendable, CustomStringConvertible {
    /// Where it is.
    public enum Place: Hashable, Sendable, CustomStringConvertible {
        /// An entry of a node's chain.
        case entry(node: String, sequence: Int64)
        /// A checkpoint of a node.
        case checkpoint(node: String, number: Int64)
        /// A removal of entries whose time was over, by its number.
        case removal(Int64)
        /// A legal hold, by its name.
        case hold(String)
        /// How far a feed has come, by the feed's name.
        case feed(String)
        /// An index, a table or a trigger of the store, by its name.
        case structure(String)

        /// As it is printed: `entry local/17`, `checkpoint local/3`, `removal 1`, `structure audit_entry_time`.
        public var description: String {
            switch self {
            case .entry(let node, let sequence): "entry \(node)/\(sequence)"
            case .checkpoint(let node, let number): "checkpoint \(node)/\(number)"
            case .removal(let number): "removal \(number)"
            case .hold(let name): "hold \(name)"
            case .feed(let name): "feed \(name)"
            case .structure(let name): "structure \(name)"
            }
        }
    }

    /// What is wrong.
    public enum Fault: String, CaseIterable, Hashable, Sendable {
        /// It is there and is not what was written.
        case changed
        /// It is not there.
        case missing
        /// It is there, but not in its place.
        case reordered
        /// The chain ends before it and once did not.
        case truncated
        /// It has no signature of a key that is trusted.
        case forged
    }

    /// Where it is.
    public let place: Place
    /// What is wrong.
    public let fault: Fault
    /// How it was noticed.
    public let detail: String

    /// A finding.
    public init(_ place: Place, _ fault: Fault, _ detail: String) {
        self.place = place
        self.fault = fault
        self.detail = detail
    }

    /// One line.
    public var description: String { "\(place): \(fault.rawValue): \(detail)" }
}

/// What a verification of a whole log has shown.
public struct AuditVerification: Hashable, Sendable {
    /// One node's chain.
    public struct Chain: Hashable, Sendable {
        /// The node.
        public let node: String
        /// Entries that stand in the chain.
        public let entries: Int64
        /// Entries of which only the proof of their removal is left.
        public let removed: Int64
        /// Its last entry.
        public let end: AuditChainEnd
        /// Up to which entry copies from outside fix it; behind that somebody who has database and key could have written
        /// anything. 0 without copies.
        public let anchored: Int64

        /// A chain as it was walked.
        public init(node: String, entries: Int64, removed: Int64, end: AuditChainEnd, anchored: Int64 = 0) {
            self.node = node
            self.anchored = anchored
            self.entries = entries
            self.removed = removed
            self.end = end
        }
    }

    /// Each node's chain, sorted by node.
    public let chains: [Chain]
    /// Checkpoints whose signature and links hold.
    public let checkpoints: Int
    /// Checkpoints from outside that were compared.
    public let anchors: Int
    /// Everything that is wrong, in order of place; empty when the log is as written. No longer than `findingLimit`.
    public let findings: [AuditFinding]
    /// More than so many findings are not collected: the log is worthless then.
    public static let findingLimit = 10_000

    /// The outcome of a verification.
    public init(chains: [Chain], checkpoints: Int, anchors: Int, findings: [AuditFinding]) {
        self.chains = chains
        self.checkpoints = checkpoints
        self.anchors = anchors
        self.findings = findings
    }

    /// Whether nothing is wrong.
    public var isWhole: Bool { findings.isEmpty }
}
