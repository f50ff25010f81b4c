/// What retention needs of a log. Its calls block.
public protocol AuditRetentionStore: AuditCheckpointStore {
    /// Up to `limit` entries of all nodes in the order of storing, from the first behind `position` on.
    func entries(after position: Int64, limit: Int) throws -> [StoredAuditEntry]
    /// The newest removal; nil when nothing was ever removed.
    func latestRemoval() throws -> StoredAuditRemoval?
    /// Stores a removal and takes its entries out, all in one transaction; refuses a number that does not follow and runs
    /// whose entries are not there. False, and nothing done, when the holds in force are not those under which the
    /// entries were judged. Throws `AuditFailure.chainBroken` when the holds are not what the records say.
    func remove(_ removal: SignedAuditRemoval, runs: [AuditRemovedRun], judgedUnder holds: [LegalHold]) throws -> Bool
    /// Whether an entry is an opening that nothing has closed.
    func isOpen(_ sequence: Int64, of node: String) throws -> Bool
    /// The holds that are in force.
    func holds() throws -> [LegalHold]
    /// Where the holds are not those that the records of the log placed and lifted: storing such a record is what places
    /// or lifts one, in one transaction.
    func holdFindings() throws -> [AuditFinding]
}
