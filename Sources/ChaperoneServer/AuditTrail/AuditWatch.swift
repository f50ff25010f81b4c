internal import Synchronization

/// What the background work on the audit trail last met, for health and metrics.
///
/// A class because services write it and probes read it; the lock is `failures`.
final class AuditWatch: Sendable {
    private let failures = Mutex<[String: String]>([:])

    func succeeded(_ work: String) { failures.withLock { $0[work] = nil } }

    func failed(_ work: String, _ reason: String) { failures.withLock { $0[work] = reason } }

    /// The works that failed when they were last tried, with the reason.
    var problems: [(work: String, reason: String)] {
        failures.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    /// What is wrong with one work; nil when nothing is.
    func problem(_ work: String) -> String? { failures.withLock { $0[work] } }
}
