/// The kinds of record of which a log of millions has few, and which are looked for among all the others: what the
/// configuration was when the server last started, who placed a hold, when records were removed.
///
/// An index of their own finds them; without it each start would walk back over every access since the last change.
enum RareAuditKinds {
    /// In the order of the index's condition. INVARIANT: the text of migration 4; a kind that is added needs another one.
    static let all = [
        "account-locked", "client-changed", "client-registered", "code-replayed", "configuration-changed",
        "hold-lifted",
        "hold-placed", "key-changed", "policy-changed", "records-removed", "refresh-replayed", "refusals-summed",
        "started", "stopped", "user-changed",
    ]

    /// The condition that an index entry fulfils; a search repeats it word for word, so that SQLite sees that it may use
    /// the index.
    static let condition = "kind IN (" + all.map { "'\($0)'" }.joined(separator: ", ") + ")"

    /// The kinds as bytes, for the walk over all entries.
    static let bytes = Set(all.map { Array($0.utf8) })

    /// How long they are: most entries are accesses, and told apart by that alone.
    static let lengths = (all.map(\.utf8.count).min() ?? 0)...(all.map(\.utf8.count).max() ?? 0)
}
