public import AccessPolicy
public import Audit

/// Audit rows that were written together with the change they tell of and have not reached the audit log yet.
///
/// Contract: rows come out in the order in which they went in and stay until acknowledged, also across a restart. The
/// record's id keeps one that is delivered twice from standing twice.
public protocol AuditOutbox: Sendable {
    /// Adds a row for a step that changed no state of ours.
    func append(_ record: AuthorizationRecord) async throws
    /// The oldest rows.
    func pending(limit: Int) async throws -> [AuthorizationRecord]
    /// Removes rows that have reached the audit log.
    func acknowledge(_ records: [DecisionID]) async throws
}
