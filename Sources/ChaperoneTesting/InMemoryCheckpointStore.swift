public import Audit
internal import Synchronization

/// Checkpoints in memory, over a log in memory. A class because checkpointer and test look at the same list; its lock is
/// `list`.
public final class InMemoryCheckpointStore: AuditCheckpointStore {
    private let log: InMemoryAuditSink
    private let list = Mutex<[StoredAuditCheckpoint]>([])

    /// An empty list over a log.
    public init(over log: InMemoryAuditSink) { self.log = log }

    /// Everything that is stored, in the order of storing.
    public var stored: [StoredAuditCheckpoint] { list.withLock { $0 } }

    /// Changes what is stored, as somebody with the database could.
    public func tamper(_ change: (inout [StoredAuditCheckpoint]) -> Void) { list.withLock { change(&$0) } }

    public func append(_ checkpoint: SignedAuditCheckpoint) throws {
        let facts = checkpoint.checkpoint
        try list.withLock { list in
            let newest = list.last { $0.node == facts.node }?.number ?? 0
            guard facts.number == newest + 1 else {
                throw AuditFailure.notWritten(detail: "checkpoint \(facts.number) does not follow \(newest)")
            }
            list.append(
                StoredAuditCheckpoint(
                    position: Int64(list.count + 1), node: facts.node, number: facts.number, sequence: facts.sequence,
                    compact: checkpoint.compact))
        }
    }

    public func latestCheckpoints() -> [StoredAuditCheckpoint] {
        var latest: [String: StoredAuditCheckpoint] = [:]
        for checkpoint in stored { latest[checkpoint.node] = checkpoint }
        return latest.values.sorted { $0.node < $1.node }
    }

    public func checkpoints(after position: Int64, limit: Int) -> [StoredAuditCheckpoint] {
        Array(stored.filter { $0.position > position }.prefix(limit))
    }

    public func checkpoint(of node: String, reaching sequence: Int64) -> StoredAuditCheckpoint? {
        stored.first { $0.node == node && $0.sequence >= sequence }
    }

    public func links(of node: String, in places: Range<Int64>) -> [AuditInclusionProof.Link] {
        log.entries.filter { $0.node == node && places.contains($0.sequence) }.sorted { $0.sequence < $1.sequence }
            .map { AuditInclusionProof.Link(recordedAt: $0.recordedAt, body: $0.body) }
    }

    public func hash(at sequence: Int64, of node: String) -> ChainHash? {
        log.entries.first { $0.node == node && $0.sequence == sequence }?.hash
    }

    public func end(of node: String) -> (end: AuditChainEnd, kind: String)? {
        log.head(of: node).map { (AuditChainEnd(sequence: $0.sequence, hash: $0.hash), $0.index.kind) }
    }
}
