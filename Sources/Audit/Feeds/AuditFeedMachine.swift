/// One feed as a machine without I/O: what to do next, and how long to wait. Its driver performs the action and tells
/// how it went.
///
/// The cursor moves only over what has been delivered; after a failure everything behind the cursor is sent again. The
/// next batch is read only when the last was sent, so a slow receiver holds the feed back and nothing piles up.
public struct AuditFeedMachine: Sendable {
    /// What the driver is to do.
    public enum Action: Hashable, Sendable {
        /// Read what comes behind this position, and send it.
        case send(after: Int64)
        /// Ask whether what was sent is safe, then store the cursor.
        case confirm(through: Int64)
        /// Wait so many milliseconds.
        case wait(Int64)
    }

    /// How it went.
    public enum Event: Hashable, Sendable {
        /// A batch was sent.
        case sent(through: Int64)
        /// There was nothing to send.
        case nothing
        /// The cursor is stored.
        case confirmed(through: Int64)
        /// Sending or confirming failed.
        case failed
    }

    /// Waits at rest and between attempts: 1 s, doubled after each failure, up to five minutes.
    static let idle: Int64 = 1000
    static let longest: Int64 = 300_000

    /// Delivered up to here.
    public private(set) var delivered: Int64
    /// Failures one after the other.
    public private(set) var failures = 0
    private var sent: Int64
    private var unconfirmed: [(through: Int64, at: Int64)] = []
    private let settles: Int64

    /// A feed that has delivered up to a position, over a transport that settles after so many milliseconds.
    public init(delivered: Int64, settles: Int64) {
        self.delivered = delivered
        sent = delivered
        self.settles = settles
    }

    /// What to do at the start.
    public var first: Action { .send(after: sent) }

    /// What to do after an event at a moment in milliseconds.
    public mutating func handle(_ event: Event, at now: Int64) -> Action {
        switch event {
        case .sent(let through):
            sent = through
            unconfirmed.append((through, now))
            failures = 0
            return due(at: now) ?? .send(after: sent)
        case .nothing:
            return due(at: now) ?? .wait(unconfirmed.isEmpty ? Self.idle : min(Self.idle, max(1, settles)))
        case .confirmed(let through):
            delivered = through
            unconfirmed.removeAll { $0.through <= through }
            return .send(after: sent)
        case .failed:
            unconfirmed = []
            sent = delivered
            failures += 1
            return .wait(Self.backoff(failures))
        }
    }

    /// The step after waiting.
    public mutating func waited(at now: Int64) -> Action { due(at: now) ?? .send(after: sent) }

    private func due(at now: Int64) -> Action? {
        unconfirmed.last { now - $0.at >= settles }.map { .confirm(through: $0.through) }
    }

    /// How long to wait after so many failures.
    static func backoff(_ failures: Int) -> Int64 {
        failures > 9 ? longest : min(longest, 1000 << Int64(max(0, failures - 1)))
    }
}
