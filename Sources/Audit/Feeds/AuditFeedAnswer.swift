/// What a receiver that answers item by item said to a batch that it did not take as a whole.
public struct AuditFeedAnswer: Error, Hashable, Sendable, CustomStringConvertible {
    /// Items that it has.
    public var taken: Set<ChainHash>
    /// Items that it refused for what they are, with its reason; asking again changes nothing, unless it changes.
    public var refused: [ChainHash: String]
    /// What happened, for whoever watches the feed.
    public var description: String

    /// An answer.
    public init(taken: Set<ChainHash>, refused: [ChainHash: String], description: String) {
        self.taken = taken
        self.refused = refused
        self.description = description
    }
}

extension AuditFeedItem {
    /// What the item is known by, to us and, as the id of its event, to the receiver.
    public var digest: ChainHash {
        switch self {
        case .record(let entry): entry.hash
        case .checkpoint(let checkpoint): .digest(of: checkpoint.compact)
        }
    }

    /// Where the item stands, as findings and commands name it.
    public var place: String {
        switch self {
        case .record(let entry): AuditFinding.Place.entry(node: entry.node, sequence: entry.sequence).description
        case .checkpoint(let checkpoint):
            AuditFinding.Place.checkpoint(node: checkpoint.node, number: checkpoint.number).description
        }
    }
}
