/// A checkpoint as a store keeps it: the signed text, and the columns by which it is found, which a verifier compares
/// with the text.
public struct StoredAuditCheckpoint: Hashable, Sendable {
    /// The store's own running number, unique and ascending; feeds remember it.
    public let position: Int64
    /// The node, as the store has it.
    public let node: String
    /// The number, as the store has it.
    public let number: Int64
    /// The count of entries, as the store has it.
    public let sequence: Int64
    /// The compact JWS.
    public let compact: String

    /// A checkpoint as a store found it.
    public init(position: Int64, node: String, number: Int64, sequence: Int64, compact: String) {
        self.position = position
        self.node = node
        self.number = number
        self.sequence = sequence
        self.compact = compact
    }
}

/// Keeps the checkpoints of all nodes that write to one log. Its calls block.
public protocol AuditCheckpointStore: Sendable {
    /// Stores a checkpoint durably; throws when its node has one with its number, or none with the number before.
    func append(_ checkpoint: SignedAuditCheckpoint) throws
    /// The newest checkpoint of each node, sorted by node.
    func latestCheckpoints() throws -> [StoredAuditCheckpoint]
    /// Up to `limit` checkpoints of all nodes in the order of storing, from the first behind `position` on.
    func checkpoints(after position: Int64, limit: Int) throws -> [StoredAuditCheckpoint]
    /// The first checkpoint of a node that fixes an entry at this place or behind it; nil when there is none.
    func checkpoint(of node: String, reaching sequence: Int64) throws -> StoredAuditCheckpoint?
    /// What a proof tells of the entries of a node with these places that are there, ascending.
    func links(of node: String, in places: Range<Int64>) throws -> [AuditInclusionProof.Link]
    /// The hash that an entry of a chain has; nil when it is not there.
    func hash(at sequence: Int64, of node: String) throws -> ChainHash?
    /// The end of a node's chain and the kind of its last entry; nil when there is none.
    func end(of node: String) throws -> (end: AuditChainEnd, kind: String)?
}
