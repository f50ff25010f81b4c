internal import AccessPolicy
internal import Audit
internal import FHIRCore
internal import OAuthCore

/// The console's page of the audit trail.
struct AuditPageFacts: Page {
    static let template = "console-audit"

    let isDemo: Bool
    let actor: String
    let problems: [Problem]
    let error: String?
    let patient: String
    let client: String
    let user: String
    let scope: String
    let since: String
    let until: String
    let accounting: Bool
    let outcomes: [Choice]
    let kinds: [Choice]
    let days: [Day]
    let hasEntries: Bool
    let count: Int
    let width: Int
    let bars: [Bar]
    let timelineText: String
    let firstTime: String
    let lastTime: String
    let next: String?

    /// Something that the background work on the trail met.
    struct Problem: Sendable {
        let work: String
        let reason: String
    }

    /// One value of a list to choose from.
    struct Choice: Sendable {
        let value: String
        let label: String
        let isChosen: Bool
    }

    /// The entries of one day, UTC.
    struct Day: Sendable {
        let day: String
        let entries: [Entry]
    }

    /// One entry.
    struct Entry: Sendable {
        let time: String
        let tone: String
        let outcome: String
        let what: String
        let by: String
        let patients: String?
        let reason: String?
        let facts: [Fact]
    }

    /// A name and a value below an entry.
    struct Fact: Sendable {
        let name: String
        let value: String
    }

    /// One bar of the timeline, in the units of its picture.
    struct Bar: Sendable {
        let label: String
        let x: Int
        let barWidth: Int
        let goodY: Int
        let goodHeight: Int
        let badY: Int
        let badHeight: Int
    }

    /// The kinds that can be chosen, and what they stand for.
    static let kindWords: [(value: String, label: String, kinds: Set<String>)] = [
        ("", "All", []), ("access", "Accesses", [AuditIndex.accessKind]),
        ("login", "Logins", ["login", "login-failed", "logout", "account-locked"]),
        (
            "authorization", "Consents and tokens",
            [
                "consent", "consent-denied", "authorization-refused", "code-replayed", "token", "token-refused",
                "refresh", "refresh-replayed", "introspect", "user-info", "revoke", "launch", "patient-chosen",
            ]
        ),
        (
            "administration", "Administration",
            [
                "client-registered", "client-changed", "user-changed", "key-changed", "policy-changed",
                "configuration-changed", "started", "stopped",
            ]
        ),
        ("refusals", "Sums of refusals", ["refusals-summed"]),
        (
            "audit", "The trail itself",
            [
                "audit-read", "checkpoint", "records-removed", "hold-placed", "hold-lifted", "feed-refused",
                "recording-resumed",
            ]
        ),
    ]

    /// The page over rows of the listing, newest first.
    init(
        rows: [JSONValue], query: [String: String], cursor: String?, actor: String, isDemo: Bool,
        problems: [Problem], error: String?
    ) {
        self.isDemo = isDemo
        self.actor = actor
        self.problems = problems
        self.error = error
        patient = query["patient"] ?? ""
        client = query["client"] ?? ""
        user = query["user"] ?? ""
        scope = query["scope"] ?? ""
        since = query["since"] ?? ""
        until = query["until"] ?? ""
        accounting = query["accounting"] == "true"
        let words = [
            ("", "All"), ("permitted", "Permitted"), ("succeeded", "Succeeded"), ("refused", "Refused"),
            ("failed", "Failed"), ("interrupted", "Interrupted"),
        ]
        outcomes = words.map { Choice(value: $0.0, label: $0.1, isChosen: $0.0 == query["outcome"] ?? "") }
        kinds = Self.kindWords.map {
            Choice(value: $0.value, label: $0.label, isChosen: $0.value == query["kind"] ?? "")
        }
        days = Self.days(rows)
        hasEntries = !rows.isEmpty
        count = rows.count
        let timeline = AuditTimeline(rows)
        bars = timeline.bars
        width = AuditTimeline.width
        timelineText = timeline.text
        firstTime = timeline.first
        lastTime = timeline.last
        next = cursor.map { Self.link(query, cursor: $0) }
    }

    private static func link(_ query: [String: String], cursor: String) -> String {
        var query = query.filter { !$0.value.isEmpty }
        query["cursor"] = cursor
        let pairs = query.sorted { $0.key < $1.key }.map {
            "\(FormParameters.encode($0.key))=\(FormParameters.encode($0.value))"
        }
        return "/console/audit?" + pairs.joined(separator: "&")
    }

    private static func days(_ rows: [JSONValue]) -> [Day] {
        var days: [Day] = []
        var entries: [Entry] = []
        var day = ""
        for row in rows {
            let at = row["at"]?.string ?? ""
            if at.prefix(10) != day {
                if !entries.isEmpty { days.append(Day(day: day, entries: entries)) }
                (day, entries) = (String(at.prefix(10)), [])
            }
            entries.append(Entry(row))
        }
        if !entries.isEmpty { days.append(Day(day: day, entries: entries)) }
        return days
    }
}

extension AuditPageFacts.Entry {
    /// An entry as a row of the listing has it.
    init(_ row: JSONValue) {
        func text(_ name: String) -> String? { row[name]?.string }
        func list(_ name: String) -> String? {
            let values = row[name]?.array?.compactMap(\.string) ?? []
            return values.isEmpty ? nil : values.joined(separator: ", ")
        }
        let result = text("outcome") ?? ""
        time = String((text("at") ?? "").dropFirst(11).prefix(8))
        tone = AuditTimeline.isGood(result) ? "good" : "bad"
        outcome = result
        what = text("request") ?? (text("kind") ?? "").split(separator: "-").joined(separator: " ")
        by = [text("by"), text("user"), text("client")].compactMap { $0 }.joined(separator: " · ")
        let askedOnly = Set(row["askedOnly"]?.array?.compactMap(\.string) ?? [])
        let named = (row["patients"]?.array?.compactMap(\.string) ?? [])
            .map { askedOnly.contains($0) ? "\($0) (only asked for)" : $0 }
        patients = named.isEmpty ? nil : named.joined(separator: ", ")
        reason = text("reason")
        let known: [(String, String?)] = [
            ("Reason", text("reason")), ("Scopes", list("scopes")), ("Interaction", text("interaction")),
            ("Asked upstream", text("narrowed")), ("Status", row["status"]?.int.map { "\($0)" }),
            ("Released", row["released"]?.int.map { "\($0)" }), ("Withheld", row["withheld"]?.int.map { "\($0)" }),
            ("Organisation", text("organization")), ("Program", text("program")), ("Purpose", list("purpose")),
            ("Legal basis", text("legalBasis")), ("Reporting entity", text("reportingEntity")),
            ("FHIR user", text("fhirUser")),
            ("Detail", text("detail")), ("From", text("source")), ("Grant", text("grant")), ("Token", text("token")),
            ("Trace", text("trace")), ("Decision", text("decision")), ("Place in the chain", text("place")),
        ]
        facts = known.compactMap { name, value in value.map { .init(name: name, value: $0) } }
    }
}
