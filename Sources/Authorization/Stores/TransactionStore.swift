public import Audit

/// Keeps the launches in progress.
///
/// Contract: `update` is one conditional write on the revision, so of two submissions of one form one wins.
public protocol TransactionStore: Sendable {
    func transaction(_ id: TransactionID) async throws -> AuthorizationTransaction?
    func insert(_ transaction: AuthorizationTransaction) async throws
    /// Stores the transaction, and its audit row in the same transaction, if the stored revision is `transaction.revision - 1`; says whether this caller won.
    func update(_ transaction: AuthorizationTransaction, record: AuthorizationRecord?) async throws -> Bool
}

extension TransactionStore {
    /// Stores a move of which nothing is told.
    public func update(_ transaction: AuthorizationTransaction) async throws -> Bool {
        try await update(transaction, record: nil)
    }
}
