/// One link of a node's chain: a statement's bytes, its place, and the hashes that fix both.
public struct AuditEntry: Hashable, Sendable {
    /// The process or machine whose chain this is.
    public let node: String
    /// The place in the chain, from 1.
    public let sequence: Int64
    /// When it was written, milliseconds since 1970 UTC.
    public let recordedAt: Int64
    /// The hash of the entry before it, or `ChainHash.origin`.
    public let previous: ChainHash
    /// The hash of this entry.
    public let hash: ChainHash
    /// The statement in canonical bytes.
    public let body: [UInt8]
    /// What the entry can be found by.
    public let index: AuditIndex

    /// An entry as a sink stored it; nothing is checked, `AuditVerifier` does that.
    public init(
        node: String, sequence: Int64, recordedAt: Int64, previous: ChainHash, hash: ChainHash, body: [UInt8],
        index: AuditIndex
    ) {
        self.node = node
        self.sequence = sequence
        self.recordedAt = recordedAt
        self.previous = previous
        self.hash = hash
        self.body = body
        self.index = index
    }

    /// The hash that the entry ought to have, by its own fields.
    public var expectedHash: ChainHash {
        ChainHash(
            node: node, sequence: sequence, recordedAt: recordedAt, previous: previous, bodyHash: ChainHash(of: body))
    }

    /// What the entry says.
    public func statement() throws(AuditFormatError) -> AuditStatement { try AuditStatement(decoding: body) }
}
