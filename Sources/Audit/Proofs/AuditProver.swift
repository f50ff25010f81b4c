/// Makes proofs out of a store. Its calls block.
public struct AuditProver: Sendable {
    private let store: any AuditCheckpointStore

    /// Why there is no proof.
    public enum Refusal: Error, Hashable, Sendable {
        /// No checkpoint reaches the entry yet.
        case notFixedYet
        /// More entries lie between entry and checkpoint than a proof has.
        case tooFar
        /// Entries between were removed, their time being over: only the whole log with its signed removals proves it.
        case removedBetween
    }

    /// A prover over a store.
    public init(_ store: any AuditCheckpointStore) { self.store = store }

    /// The proof of an entry by the first checkpoint that reaches it.
    public func proof(of entry: AuditEntry) throws -> AuditInclusionProof {
        guard let checkpoint = try store.checkpoint(of: entry.node, reaching: entry.sequence) else {
            throw Refusal.notFixedYet
        }
        let count = checkpoint.sequence - entry.sequence
        guard count <= AuditInclusionProof.longest else { throw Refusal.tooFar }
        let next = try store.links(of: entry.node, in: (entry.sequence + 1)..<(checkpoint.sequence + 1))
        guard next.count == count else { throw Refusal.removedBetween }
        return AuditInclusionProof(entry, followedBy: next, checkpoint: checkpoint.compact)
    }
}
