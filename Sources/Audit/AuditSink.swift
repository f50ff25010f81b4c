public import AccessPolicy

/// Reads an audit log.
///
/// Its calls block; use them from a thread that may wait.
public protocol AuditReader: Sendable {
    /// The page of entries that the query asks for. It takes no longer in a log of billions: a page for which many were
    /// looked at in vain is short, or empty, and has a next one.
    func search(_ query: AuditQuery) throws -> AuditPage
    /// How many entries the query finds, pages apart; nil when more than `most` would have to be looked at.
    func count(_ query: AuditQuery, most: Int) throws -> Int?
    /// Up to `limit` entries of a node in the order of storing, from the first behind `position` on (0: from the
    /// beginning). Throws `AuditFailure.chainBroken` when one of them is none.
    func scan(_ node: String, after position: Int64, limit: Int) throws -> [StoredAuditEntry]
    /// The names of the nodes that have written here, sorted.
    func nodes() throws -> [String]
}

/// An entry with the running number under which a store keeps it.
public struct StoredAuditEntry: Hashable, Sendable {
    /// The running number, unique in its store.
    public let position: Int64
    /// The entry.
    public let entry: AuditEntry

    /// An entry as a store found it.
    public init(position: Int64, entry: AuditEntry) {
        self.position = position
        self.entry = entry
    }
}

/// Keeps audit entries.
///
/// One recorder writes to a sink, from its own thread; readers may be any number. A sink that several processes can
/// reach lets only one of them write at a time, or refuses the second (`AuditFailure.heldElsewhere`).
public protocol AuditSink: AuditReader {
    /// Stores all entries or none, and returns when they would survive a power cut.
    ///
    /// Refuses a `(node, sequence)` that it has, and a second entry that closes the same one.
    func append(_ batch: [AuditEntry]) throws
    /// The last entry of a node's chain.
    func head(of node: String) throws -> AuditEntry?
    /// Opening entries of a node, up to `sequence`, that nothing has closed, oldest first.
    func unfinished(on node: String, through sequence: Int64) throws -> [AuditEntry]
    /// The names of the nodes with opening entries that nothing has closed, sorted.
    func unfinishedNodes() throws -> [String]
    /// Whether an entry about this event is stored.
    func contains(_ eventID: DecisionID) throws -> Bool
}
