internal import AccessPolicy

extension AuditFeedReceipts.GivenUp {
    /// The record that says so. Its id is the same each time: a feed that begins anew writes it once.
    public func record(feed: String, at milliseconds: Int64) -> AuthorizationRecord {
        AuthorizationRecord(
            id: DecisionID("feed-refused-\(ChainHash.digest(of: feed + " " + item.digest.description))"),
            kind: .feedRefused, outcome: .failed(reason: reason), detail: "feed \(feed): \(item.place)",
            at: milliseconds)
    }
}
