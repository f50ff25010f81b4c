/// Counts attempts to guess, per account name and per source.
///
/// Contract: `admit` reads, decides by `ThrottlePolicy` and counts in one transaction, so parallel attempts cannot all
/// pass on the same old count. An attempt is counted before it is tried.
public protocol LoginThrottleStore: Sendable {
    /// Counts one attempt under each of the keys, unless one of them is closed; then nothing is counted.
    func admit(_ attempts: [ThrottleKey: ThrottlePolicy], at now: Int64) async throws -> ThrottleVerdict
    /// Takes attempts back: the whole counts of some keys, and one attempt of each of others. A count that has come
    /// back to nothing is kept no longer.
    func giveBack(all cleared: [ThrottleKey], one forgiven: [ThrottleKey]) async throws
    /// Remembers a network from which somebody signed in, or that they did so again.
    func remember(_ key: ThrottleKey, at now: Int64) async throws
    /// Whether it was remembered at that time or later.
    func isRemembered(_ key: ThrottleKey, since: Int64) async throws -> Bool
}
