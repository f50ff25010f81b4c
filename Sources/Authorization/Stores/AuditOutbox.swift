public import AccessPolicy
public import Audit

/// Audit rows that were written together with the change they tell of and have not reached the audit log yet.
///
/// Contract: rows come out in the order in which they went in and stay until acknowledged, also across a restart. The
/// record's id keeps one that is delivered twice from standing twice.
public protocol AuditOutbox: Sendable {
    /// Adds a row for a step that changed no state of ours.
    func append(_ record: AuthorizationRecord) async throws
    /// The number of the newest row; nil when there is none. Numbers only grow.
    func newest() async throws -> Int64?
    /// The oldest rows, up to the one with that number.
    func pending(through number: Int64, limit: Int) async throws -> [AuthorizationRecord]
    /// Removes rows that have reached the audit log.
    func acknowledge(_ records: [DecisionID]) async throws
}

extension AuditOutbox {
    /// The oldest rows.
    public func pending(limit: Int) async throws -> [AuthorizationRecord] {
        try await pending(through: .max, limit: limit)
    }
}
