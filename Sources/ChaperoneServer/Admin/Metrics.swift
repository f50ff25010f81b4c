internal import Audit
internal import Synchronization

/// Counters that `/metrics` prints in the Prometheus text format.
public final class Metrics: Sendable {
    /// A counter's name and its labels, in order.
    struct Series: Hashable, Sendable {
        let name: String
        let labels: [String]
    }

    /// One kind of measure: its name, what it means, and the names of its labels.
    struct Family: Sendable {
        let name: String
        let help: String
        let labels: [String]
    }

    static let requests = Family(
        name: "chaperone_http_requests_total", help: "Answers by listener and status.", labels: ["listener", "status"])
    static let tokens = Family(
        name: "chaperone_token_answers_total", help: "Answers of the token endpoint.", labels: ["result"])

    /// Counts by upper bounds, as Prometheus has histograms.
    struct Histogram: Sendable {
        /// Upper bounds, ascending.
        let bounds: [Double]
        /// How many fell below each bound and above the one before; the last beyond all.
        let buckets: [Int]
        let sum: Double
        let count: Int
    }

    private let counts = Mutex<[Series: UInt64]>([:])
    private let gauges = Mutex<[(name: String, help: String, read: @Sendable () -> Double)]>([])

    private let histograms = Mutex<[(name: String, help: String, read: @Sendable () -> Histogram)]>([])
    private let labelledGauges = Mutex<
        [(name: String, help: String, label: String, read: @Sendable () -> [(String, Double)])]
    >([])

    public init() {}

    /// Adds a histogram that is read when it is asked for.
    func histogram(_ name: String, help: String, read: @escaping @Sendable () -> Histogram) {
        histograms.withLock { $0.append((name, help, read)) }
    }

    /// Adds a measure with one value for each value of a label.
    func labelled(
        _ name: String, help: String, label: String, read: @escaping @Sendable () -> [(String, Double)]
    ) {
        labelledGauges.withLock { $0.append((name, help, label, read)) }
    }

    func count(_ family: Family, _ labels: String...) {
        let series = Series(name: family.name, labels: labels)
        counts.withLock { $0[series, default: 0] += 1 }
    }

    /// Adds a measure that is read when it is asked for.
    func gauge(_ name: String, help: String, read: @escaping @Sendable () -> Double) {
        gauges.withLock { $0.append((name, help, read)) }
    }

    /// Adds how the audit recorder fares.
    func addAudit(_ recorder: AuditRecorder) {
        gauge("chaperone_audit_queue_records", help: "Audit records that wait to become durable.") {
            Double(recorder.health.queueDepth)
        }
        gauge("chaperone_audit_recorded", help: "Audit records written since the start.") {
            Double(recorder.health.recorded)
        }
        gauge("chaperone_audit_can_record", help: "1 while the audit trail can be written, else 0.") {
            recorder.health.canRecord ? 1 : 0
        }
    }

    /// The page of `/metrics`.
    func text() -> String {
        let counted = counts.withLock { $0 }
        var lines: [String] = []
        for family in [Self.requests, Self.tokens] {
            lines.append("# HELP \(family.name) \(family.help)")
            lines.append("# TYPE \(family.name) counter")
            let mine = counted.filter { $0.key.name == family.name }
            for (series, value) in mine.sorted(by: { $0.key.labels.lexicographicallyPrecedes($1.key.labels) }) {
                let labels = zip(family.labels, series.labels).map { "\($0)=\"\(Self.escaped($1))\"" }
                lines.append("\(family.name){\(labels.joined(separator: ","))} \(value)")
            }
        }
        for gauge in gauges.withLock({ $0 }) {
            lines.append("# HELP \(gauge.name) \(gauge.help)")
            lines.append("# TYPE \(gauge.name) gauge")
            lines.append("\(gauge.name) \(gauge.read())")
        }
        for gauge in labelledGauges.withLock({ $0 }) {
            lines.append("# HELP \(gauge.name) \(gauge.help)")
            lines.append("# TYPE \(gauge.name) gauge")
            for (value, number) in gauge.read() {
                lines.append("\(gauge.name){\(gauge.label)=\"\(Self.escaped(value))\"} \(number)")
            }
        }
        for family in histograms.withLock({ $0 }) { lines += Self.lines(family.name, family.help, family.read()) }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func lines(_ name: String, _ help: String, _ histogram: Histogram) -> [String] {
        var lines = ["# HELP \(name) \(help)", "# TYPE \(name) histogram"]
        var sum = 0
        for (bound, count) in zip(histogram.bounds, histogram.buckets) {
            sum += count
            lines.append("\(name)_bucket{le=\"\(bound)\"} \(sum)")
        }
        lines.append("\(name)_bucket{le=\"+Inf\"} \(histogram.count)")
        return lines + ["\(name)_sum \(histogram.sum)", "\(name)_count \(histogram.count)"]
    }

    /// Label values with the three escapes of the text format.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            default: result.append(character)
            }
        }
        return result
    }
}
