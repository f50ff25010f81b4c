public import AccessPolicy
public import Audit

/// Counts attempts to guess, per account name and per source.
///
/// Contract: `admit` reads, decides by `ThrottlePolicy` and counts in one transaction, so parallel attempts cannot all
/// pass on the same old count. An attempt is counted before it is tried.
///
/// The attempt that is the last under a key begins a lockout if it fails. The record of that is kept in the transaction
/// that counts, as *announced*: it is in no outbox yet, because the attempt may succeed, and it outlasts the process that
/// tries. `confirm` puts it into the outbox, `giveBack` forgets it, each in one transaction.
public protocol LoginThrottleStore: Sendable {
    /// Counts one attempt under each of the keys, unless one of them is closed; then nothing is counted or kept.
    ///
    /// - Parameter lockouts: what is to be recorded if the attempt is the last under a key and fails.
    func admit(
        _ attempts: [ThrottleKey: ThrottlePolicy], at now: Int64,
        announcing lockouts: [ThrottleKey: AuthorizationRecord]
    ) async throws -> ThrottleVerdict
    /// Takes attempts back: the whole counts of some keys, and one attempt of each of others. A count that has come
    /// back to nothing is kept no longer. Announced records with these ids are forgotten: nothing was locked.
    func giveBack(
        all cleared: [ThrottleKey], one forgiven: [ThrottleKey], withdrawing lockouts: [DecisionID]
    ) async throws
    /// Puts records into the outbox in place of those that were announced under their ids; one that is not announced is
    /// passed over.
    func confirm(_ lockouts: [AuthorizationRecord]) async throws
    /// Puts into the outbox what was announced no later than a time (Unix seconds); says how many those were. For
    /// attempts of which nobody will say any more how they ended.
    func confirm(announcedBy time: Int64) async throws -> Int
    /// Remembers a network from which somebody signed in, or that they did so again.
    func remember(_ key: ThrottleKey, at now: Int64) async throws
    /// Whether it was remembered at that time or later.
    func isRemembered(_ key: ThrottleKey, since: Int64) async throws -> Bool
}

extension LoginThrottleStore {
    /// Counts attempts whose lockouts are recorded nowhere.
    public func admit(_ attempts: [ThrottleKey: ThrottlePolicy], at now: Int64) async throws -> ThrottleVerdict {
        try await admit(attempts, at: now, announcing: [:])
    }

    /// Takes attempts back that announced nothing.
    public func giveBack(all cleared: [ThrottleKey], one forgiven: [ThrottleKey]) async throws {
        try await giveBack(all: cleared, one: forgiven, withdrawing: [])
    }
}
