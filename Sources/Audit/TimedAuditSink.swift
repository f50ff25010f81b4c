public import AccessPolicy
internal import Synchronization

/// A sink that measures how long its appends take, and passes everything on.
///
/// A class because recorder and metrics look at the same figures; the lock is `figures`.
public final class TimedAuditSink: AuditSink {
    /// How long appends took.
    public struct Figures: Hashable, Sendable {
        /// Upper bounds of the buckets, in milliseconds.
        public static let bounds: [Double] = [1, 2, 5, 10, 20, 50, 100, 250, 1000]
        /// Appends in each bucket, and beyond the last bound.
        public var buckets = [Int](repeating: 0, count: bounds.count + 1)
        /// Appends.
        public var count = 0
        /// Appends that failed.
        public var failures = 0
        /// All of them together, in milliseconds.
        public var sum = 0.0
        /// Entries that were appended.
        public var entries = 0
        /// When the append that runs now began, on the clock of the sink; nil when none does.
        public var runningSince: ContinuousClock.Instant?
    }

    private let sink: any AuditSink
    private let figures = Mutex(Figures())

    /// Measures another sink.
    public init(_ sink: any AuditSink) { self.sink = sink }

    /// The figures so far.
    public var measured: Figures { figures.withLock { $0 } }

    public func append(_ batch: [AuditEntry]) throws {
        let began = ContinuousClock.now
        figures.withLock { $0.runningSince = began }
        let result = Result { try sink.append(batch) }
        let took = began.duration(to: .now)
        let milliseconds = Double(took.components.seconds) * 1000 + Double(took.components.attoseconds) / 1e15
        figures.withLock { figures in
            figures.runningSince = nil
            figures.count += 1
            figures.sum += milliseconds
            let bucket = Figures.bounds.firstIndex { milliseconds <= $0 } ?? Figures.bounds.count
            figures.buckets[bucket] += 1
            if case .success = result { figures.entries += batch.count } else { figures.failures += 1 }
        }
        try result.get()
    }

    public func head(of node: String) throws -> AuditEntry? { try sink.head(of: node) }

    public func unfinished(on node: String, through sequence: Int64) throws -> [AuditEntry] {
        try sink.unfinished(on: node, through: sequence)
    }

    public func unfinishedNodes() throws -> [String] { try sink.unfinishedNodes() }

    public func contains(_ eventID: DecisionID) throws -> Bool { try sink.contains(eventID) }

    public func search(_ query: AuditQuery) throws -> AuditPage { try sink.search(query) }

    public func count(_ query: AuditQuery, most: Int) throws -> Int? { try sink.count(query, most: most) }

    public func scan(_ node: String, after position: Int64, limit: Int) throws -> [StoredAuditEntry] {
        try sink.scan(node, after: position, limit: limit)
    }

    public func nodes() throws -> [String] { try sink.nodes() }
}
