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

    private let counts = Mutex<[Series: UInt64]>([:])
    private let gauges = Mutex<[(name: String, help: String, read: @Sendable () -> Double)]>([])

    public init() {}

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
        return lines.joined(separator: "\n") + "\n"
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
