internal import Synchronization

/// The DPoP proofs that were seen, so that none is taken twice (RFC 9449 §11.1). In memory: a proof lives for a minute,
/// and another process that gets the same one within it is bound to the same key and address.
///
/// Two tables that take turns by time, so that it is bounded by what a minute brings and needs no sweep. A class because
/// it is shared; the lock is `tables`.
final class ProofReplays: Sendable {
    private struct Tables {
        var newer: Set<String> = []
        var older: Set<String> = []
        /// How many of the newer ones each key has made.
        var counts: [String: Int] = [:]
        var turnedAt: Int64 = 0
    }

    /// How long a proof is remembered at least, in seconds: longer than it can be used.
    private static let span: Int64 = 150
    /// More than this in one span are not remembered but refused.
    private static let capacity = 200_000
    /// The same of one key, so that one client cannot take the room of all.
    private static let capacityOfKey = 20_000

    private let tables = Mutex(Tables())

    /// Remembers a proof; false when it was seen, or there is no room to remember it.
    ///
    /// - Parameter thumbprint: of the key that has signed it.
    func remember(_ proofID: String, of thumbprint: String, at now: Int64) -> Bool {
        let proof = "\(thumbprint) \(proofID)"
        return tables.withLock { tables in
            if now - tables.turnedAt >= Self.span {
                tables.older = now - tables.turnedAt >= 2 * Self.span ? [] : tables.newer
                tables.newer = []
                tables.counts = [:]
                tables.turnedAt = now
            }
            guard tables.newer.count < Self.capacity, tables.counts[thumbprint, default: 0] < Self.capacityOfKey,
                !tables.older.contains(proof), tables.newer.insert(proof).inserted
            else { return false }
            tables.counts[thumbprint, default: 0] += 1
            return true
        }
    }
}
