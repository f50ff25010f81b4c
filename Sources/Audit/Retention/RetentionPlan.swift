/// The runs that entries make which are to be removed, in the order in which they are met.
struct RetentionPlan {
    private(set) var runs: [AuditRemovedRun] = []
    private var places: [String: Int] = [:]

    /// Adds an entry unless it closes one that stays, or is still open; says whether it did.
    mutating func add(_ entry: AuditEntry, in store: any AuditRetentionStore) throws -> Bool {
        if let closes = entry.index.closes, !contains(closes, of: entry.node),
            try store.hash(at: closes, of: entry.node) != nil
        {
            return false
        }
        if entry.index.phase == .opening, try store.isOpen(entry.sequence, of: entry.node) { return false }
        if let place = places[entry.node], runs[place].last.following == entry.sequence {
            let run = runs[place]
            runs[place] = AuditRemovedRun(
                node: run.node, first: run.first, last: entry.sequence, previous: run.previous, hash: entry.hash)
        } else {
            places[entry.node] = runs.count
            runs.append(
                AuditRemovedRun(
                    node: entry.node, first: entry.sequence, last: entry.sequence, previous: entry.previous,
                    hash: entry.hash))
        }
        return true
    }

    private func contains(_ sequence: Int64, of node: String) -> Bool {
        runs.contains { $0.node == node && $0.first <= sequence && sequence <= $0.last }
    }
}
