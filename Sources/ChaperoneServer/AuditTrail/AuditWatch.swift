internal import Synchronization

/// What the background work on the audit trail last met, for health and metrics.
///
/// A class because services write it and probes read it; each table has its lock.
final class AuditWatch: Sendable {
    private let failures = Mutex<[String: String]>([:])
    private let givenUp = Mutex<[String: Int]>([:])

    func succeeded(_ work: String) { failures.withLock { $0[work] = nil } }

    func failed(_ work: String, _ reason: String) { failures.withLock { $0[work] = reason } }

    /// A feed goes on without an item that its receiver would not take.
    func gaveUp(_ feed: String) { givenUp.withLock { $0[feed, default: 0] += 1 } }

    /// How many items a feed went on without since the start; each has a record of its own in the log.
    func givenUp(_ feed: String) -> Int { givenUp.withLock { $0[feed] ?? 0 } }

    /// The works that failed when they were last tried, with the reason.
    var problems: [(work: String, reason: String)] {
        failures.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }

    /// The feeds that do not deliver, for the health report: a node without them can still do everything else.
    var feedRemarks: [String] {
        problems.filter { $0.work.hasPrefix("feed ") }.map { "\($0.work) of the audit trail has to wait: \($0.reason)" }
    }

    /// What is wrong with one work; nil when nothing is.
    func problem(_ work: String) -> String? { failures.withLock { $0[work] } }
}
