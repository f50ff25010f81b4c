internal import AccessPolicy
public import Enforcement
public import FHIRCore

/// What the requests of a site would meet if Chaperone stood in front of it: counted by client, type and reason.
///
/// A value without clock or I/O. It is bounded: when the table is full, further kinds are counted together. It holds no
/// token, no id and no value of a search: of a request only its kind and the names of its parameters.
public struct MirrorLedger: Sendable {
    /// What a request comes to, compared with today.
    public enum Finding: String, Hashable, Sendable, CaseIterable {
        /// Today it is answered, or may be, without the limit that its token sets.
        case leaks
        /// It would be refused, and today it is answered or may be.
        case breaks
        /// It would be let through as it is; each resource of the answer would still be judged.
        case passes
        /// It is refused today too.
        case refusedToday = "refused-today"
    }

    private struct Key: Hashable, Comparable {
        let finding: Finding
        let client: String
        let type: String
        let reason: String

        static func < (left: Key, right: Key) -> Bool {
            (left.finding.rawValue, left.client, left.type, left.reason)
                < (right.finding.rawValue, right.client, right.type, right.reason)
        }
    }

    private struct Row: Hashable {
        var count = 0
        /// Milliseconds since 1970 UTC.
        var first: Int64
        var last: Int64
        /// A request of the kind, without any value.
        var sample: String
    }

    private let limit: Int
    private var rows: [Key: Row] = [:]
    /// How many requests were seen.
    public private(set) var seen = 0
    /// How many were not understood as requests at all, such as lines of a log.
    public private(set) var unreadable = 0

    /// An empty ledger with at most so many kinds.
    public init(limit: Int = 2000) { self.limit = max(1, limit) }

    /// Counts a line that is no request.
    public mutating func noteUnreadable() { unreadable += 1 }

    /// Counts a request.
    ///
    /// - Parameters:
    ///   - status: how it was answered today, where that is known.
    ///   - time: milliseconds since 1970 UTC.
    public mutating func note(_ explanation: Explanation, method: String, status: Int?, time: Int64) {
        seen += 1
        let (finding, reason) = Self.finding(explanation, status: status)
        var key = Key(
            finding: finding, client: Self.bounded(explanation.access?.clientID.text ?? "(no valid token)"),
            type: explanation.request?.interaction.type?.rawValue ?? "-", reason: Self.bounded(reason))
        if rows[key] == nil, rows.count >= limit {
            key = Key(finding: finding, client: "(others)", type: "-", reason: "-")
        }
        var row = rows[key] ?? Row(first: time, last: time, sample: Self.sample(explanation, method: method))
        row.count += 1
        row.first = min(row.first, time)
        row.last = max(row.last, time)
        rows[key] = row
    }

    /// Judges one request against today.
    private static func finding(_ explanation: Explanation, status: Int?) -> (Finding, String) {
        // Where nothing is known of today, it is taken to be answered: a server alone filters nothing.
        let isAnswered = status.map { (200..<400).contains($0) } ?? true
        guard isAnswered else {
            return (.refusedToday, explanation.reason ?? "status-\(status.map { String($0) } ?? "?")")
        }
        switch explanation.verdict {
        case .permitted:
            return explanation.isNarrowed ? (.leaks, "not-narrowed-to-token") : (.passes, "-")
        case .refused:
            let reason = explanation.reason ?? "refused"
            // Data without a token, or about somebody else's patient, is a leak whatever the app thinks of it.
            let isLeak = reason.hasPrefix("token-") || ["other-patient-named", "not-found"].contains(reason)
            return (isLeak && status != nil ? .leaks : .breaks, reason)
        }
    }

    /// The kind of a request with the names of its parameters.
    private static func sample(_ explanation: Explanation, method: String) -> String {
        guard let request = explanation.request else { return bounded(method) }
        let names = Set(request.query.terms.map(\.fullName)).sorted().joined(separator: "&")
        let type = request.interaction.type.map { " \($0.rawValue)" } ?? ""
        return bounded("\(request.interaction.code)\(type)\(names.isEmpty ? "" : "?\(names)")")
    }

    private static func bounded(_ text: String) -> String {
        text.utf8.count <= 120 ? text : String(text.prefix(60)) + "…"
    }
}

// MARK: - report

extension MirrorLedger {
    /// The rows, worst first, most frequent first.
    private var ordered: [(Key, Row)] {
        let rank: [Finding: Int] = [.leaks: 0, .breaks: 1, .refusedToday: 2, .passes: 3]
        return rows.sorted { left, right in
            let (a, b) = (rank[left.key.finding] ?? 9, rank[right.key.finding] ?? 9)
            if a != b { return a < b }
            return left.value.count != right.value.count ? left.value.count > right.value.count : left.key < right.key
        }.map { ($0.key, $0.value) }
    }

    private func total(_ finding: Finding) -> Int {
        rows.filter { $0.key.finding == finding }.map(\.value.count).reduce(0, +)
    }

    /// The report as a document.
    public func json(at time: Int64) -> JSONValue {
        let totals = Finding.allCases.map { JSONMemberValue($0.rawValue, .int(Int64(total($0)))) }
        return .object([
            JSONMemberValue("at", .string(Timestamp.text(seconds: time / 1000))),
            JSONMemberValue("requests", .int(Int64(seen))), JSONMemberValue("unreadable", .int(Int64(unreadable))),
            JSONMemberValue("totals", .object(totals)),
            JSONMemberValue(
                "rows",
                .array(
                    ordered.map { key, row in
                        [
                            "finding": .string(key.finding.rawValue), "client": .string(key.client),
                            "type": .string(key.type), "reason": .string(key.reason),
                            "count": .int(Int64(row.count)), "sample": .string(row.sample),
                            "first": .string(Timestamp.text(seconds: row.first / 1000)),
                            "last": .string(Timestamp.text(seconds: row.last / 1000)),
                        ]
                    })),
        ])
    }

    /// The report as a page that needs nothing else.
    public func html(at time: Int64) -> String {
        let cells = ordered.map { key, row in
            let values = [
                key.finding.rawValue, key.client, key.type, key.reason, String(row.count), row.sample,
                Timestamp.text(seconds: row.last / 1000),
            ]
            return "<tr class=\"\(key.finding.rawValue)\">" + values.map { "<td>\(Self.escaped($0))</td>" }.joined()
                + "</tr>"
        }
        let totals = Finding.allCases.map { "<li>\($0.rawValue): <b>\(total($0))</b></li>" }.joined()
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1"><title>Chaperone mirror</title><style>
            body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
            table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;text-align:left;border-bottom:1px solid #ddd}
            tr.leaks td:first-child{color:#b00020;font-weight:bold}tr.breaks td:first-child{color:#8a5a00;font-weight:bold}
            .table{overflow-x:auto}
            </style></head><body data-page="mirror"><main><h1>What would change with Chaperone in front</h1>
            <p>\(seen) requests up to \(Self.escaped(Timestamp.text(seconds: time / 1000))); \(unreadable) lines were no
            requests. Nothing was answered and nothing was asked of the protected server.</p><ul>\(totals)</ul>
            <div class="table" tabindex="0" role="region" aria-label="Findings"><table><thead><tr><th scope="col">finding</th>
            <th scope="col">client</th><th scope="col">type</th><th scope="col">reason</th><th scope="col">requests</th>
            <th scope="col">such as</th><th scope="col">last seen</th></tr></thead><tbody>
            \(cells.joined(separator: "\n"))
            </tbody></table></div></main></body></html>

            """
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
