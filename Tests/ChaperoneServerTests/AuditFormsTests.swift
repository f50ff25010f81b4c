import AccessPolicy
import Audit
import Authorization
import ChaperoneTesting
import FHIRCore
import OAuthCore
import Persistence
import RequirementTraits
import Testing

@testable import ChaperoneServer

/// The same filters through every door: list, console, access report, account pages, exports and FHIR search have what a
/// slow reading of the decoded records finds.
@Suite struct AuditFormsTests {
    private static let seeds: [UInt64] = [1, 2, 3]

    /// An installation without listeners, with a log that chance made beside its own records.
    private final class Site {
        let installation: Installation
        var log: ScriptedAuditLog
        var random: SplitMix64
        /// Account names by subject.
        let accounts: [String: String]
        var api: AdminAPI { installation.adminAPI }
        var system: AuditSystem { installation.auditSide.system }

        init(_ folder: String, seed: UInt64) async throws {
            let yaml = "issuer: http://localhost:9\nstate-directory: \(folder)/state\n"
            let installation = try await Installation(
                configuration: try Configuration(settings: try Setting(yaml: yaml), isDemo: true),
                for: .serving(demandsFewAbsent: false))
            let users = try await installation.server.stores.users.users()
            accounts = Dictionary(uniqueKeysWithValues: users.map { ($0.subject.text, $0.username) })
            let some = users.filter { ["patient-a", "clinician-a"].contains($0.username) }.map(\.subject.text)
            log = ScriptedAuditLog(node: "scripted", subjects: some, seed: seed)
            random = SplitMix64(seed: seed)
            try installation.auditSide.store.append(log.add(150))
            self.installation = installation
        }

        /// Everything that is in the log, in the order of storing.
        func entries() throws -> [AuditEntry] {
            let store = installation.auditSide.store
            return try store.nodes().flatMap { try store.scan($0, after: 0, limit: 100_000) }
                .sorted { $0.position < $1.position }.map(\.entry)
        }

        func append() throws { try installation.auditSide.store.append(log.add(1)) }

        func filter(_ values: [String: [String]]) throws -> ReferenceAuditFilter {
            var filter = ReferenceAuditFilter.draw(values, using: &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                filter.from = log.entries.randomElement(using: &random)?.recordedAt
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                filter.to = log.entries.randomElement(using: &random)?.recordedAt
            }
            return filter
        }

        /// The filter in the words of the admin side.
        func query(_ filter: ReferenceAuditFilter) -> [String: String] {
            var query: [String: String] = [:]
            for (name, value) in filter.terms {
                switch name {
                case "word": query["outcome"] = value
                case "user": query["user"] = accounts[value]
                case "patient": query["patient"] = Bool.random(using: &random) ? value : "Patient/\(value)"
                case "kinds": break
                default: query[name] = value
                }
            }
            query["since"] = filter.from.map { Timestamp.text(milliseconds: $0) }
            query["until"] = filter.to.map { Timestamp.text(milliseconds: $0) }
            return query
        }

        func request(_ method: AdminRequest.Method, _ path: [String], _ query: [String: String]) -> AdminRequest {
            AdminRequest(method, path, query: query, actor: .local, sourceAddress: "local")
        }
    }

    private static func with(_ seed: UInt64, _ work: (Site) async throws -> Void) async throws {
        try await ServerFolder.with { folder in
            let site = try await Site(folder, seed: seed)
            let result: Result<Void, any Error>
            do { result = .success(try await work(site)) } catch { result = .failure(error) }
            try await site.installation.close()
            try result.get()
        }
    }

    private static func values(_ site: Site) -> [String: [String]] {
        [
            "patient": ScriptedAuditLog.patients, "client": ScriptedAuditLog.clients,
            "user": site.accounts.filter { ["patient-a", "clinician-a"].contains($0.value) }.map(\.key).sorted(),
            "grant": ScriptedAuditLog.grants, "decision": ["scripted-3", "scripted-40"],
            "word": ["permitted", "refused", "failed", "interrupted", "succeeded", "pending", "decision-given"],
            "scope": ScriptedAuditLog.scopes, "accounting": ["true", "false"],
        ]
    }

    /// All pages of something, by its cursors; between them more is appended. With the log as the first page found it.
    private static func pages(
        _ site: Site, _ query: [String: String], _ member: String,
        _ ask: ([String: String]) async throws -> JSONValue
    ) async throws -> (rows: [JSONValue], log: [AuditEntry]) {
        var query = query
        query["limit"] = "\(Int.random(in: 1...40, using: &site.random))"
        var rows: [JSONValue] = []
        var log: [AuditEntry] = []
        repeat {
            let page = try await ask(query)
            if log.isEmpty { log = try site.entries() }
            rows += page[member]?.array ?? []
            query["cursor"] = page["next"]?.string
            try site.append()
        } while query["cursor"] != nil
        return (rows, log)
    }

    private static func places(_ entries: [AuditEntry]) -> [String] { entries.map { "\($0.node)/\($0.sequence)" } }

    @Test(.verifies("audit@forms-agree"), arguments: seeds)
    func `the list and the console have what a slow reading finds`(seed: UInt64) async throws {
        try await Self.with(seed) { site in
            for _ in 0..<15 {
                var filter = try site.filter(Self.values(site))
                let (rows, log) = try await Self.pages(site, site.query(filter), "entries") {
                    try await site.api.answer(site.request(.get, ["audit"], $0))
                }
                #expect(
                    rows.compactMap { $0["place"]?.string }
                        == Self.places(try filter.find(in: log, system: site.system)), "\(filter)")

                let group = AuditPageFacts.kindWords.randomElement(using: &site.random) ?? AuditPageFacts.kindWords[0]
                if !group.kinds.isEmpty { filter.terms["kinds"] = group.kinds.joined(separator: " ") }
                let shown = try await Self.pages(site, site.query(filter), "entries") {
                    var query = $0
                    query["kind"] = group.value
                    return try await site.api.listConsole(site.request(.get, ["console", "audit"], query))
                }
                #expect(
                    shown.rows.compactMap { $0["place"]?.string }
                        == Self.places(try filter.find(in: shown.log, system: site.system)), "console: \(filter)")
            }
        }
    }

    @Test(.verifies("audit@forms-agree", "audit@accounting"), arguments: seeds)
    func `the access report and the accounting have what a slow reading finds, and say of each what it is`(
        seed: UInt64
    ) async throws {
        try await Self.with(seed) { site in
            for _ in 0..<20 {
                var filter = try site.filter(Self.values(site))
                let patient = filter.terms["patient"] ?? "patient-b"
                filter.terms["patient"] = patient
                let (rows, log) = try await Self.pages(site, site.query(filter), "accesses") {
                    try await site.api.answer(site.request(.get, ["audit", "report"], $0))
                }
                filter.terms["kinds"] = "access"
                let expected = try filter.find(in: log, system: site.system).filter { $0.index.outcome != "pending" }
                #expect(
                    rows.compactMap { $0["decision"]?.string } == expected.map(\.index.eventID.text), "\(filter)")
                // What an accounting has is marked in the report, however the patient was named.
                filter.terms["accounting"] = "true"
                let disclosures = try filter.find(in: log, system: site.system).map(\.index.eventID.text)
                #expect(
                    rows.filter { $0["disclosure"] == .bool(true) }.compactMap { $0["decision"]?.string }
                        == disclosures,
                    "\(filter)")
            }
        }
    }

    @Test(.verifies("audit@forms-agree"), arguments: seeds)
    func `exports and FHIR searches have what the list has`(seed: UInt64) async throws {
        try await Self.with(seed) { site in
            for _ in 0..<8 {
                let filter = try site.filter(Self.values(site))
                for format in AuditExportFormat.allCases {
                    var query = site.query(filter)
                    query["format"] = format.rawValue
                    let (text, count, log) = try await Self.export(site, query)
                    let expected = try filter.find(in: log, system: site.system)
                    #expect(count == expected.count, "\(format): \(filter)")
                    let ids = format == .csv ? Self.places(expected) : expected.map(\.hash.description)
                    #expect(try Self.ids(text, format) == ids, "\(format): \(filter)")
                }
            }
            let events = AuditEventAnswers(
                api: site.api, reader: site.installation.auditReader, base: "http://a/AuditEvent", system: site.system)
            for _ in 0..<15 {
                var filter = try site.filter([
                    "patient": ScriptedAuditLog.patients, "client": ScriptedAuditLog.clients,
                    "outcome": ["0", "4", "8"],
                    "type": ["rest", "110101"], "disclosures": ["true"], "scope": ["user/*.rs"],
                ])
                // Dates have a test of their own; the words of this side are those of the other tests.
                (filter.from, filter.to) = (nil, nil)
                let text = filter.terms.map { "\($0)=\(FormParameters.encode($1))" }.joined(separator: "&")
                let found = try await events.search(
                    "\(text)&_count=1000&_total=accurate", site.request(.get, ["AuditEvent"], [:]))
                let expected = try filter.find(in: try site.entries(), system: site.system)
                let ids = (found["entry"]?.array ?? []).compactMap { $0["resource"]?["id"]?.string }
                #expect(ids == expected.map(\.hash.description), "\(text)")
                #expect(found["total"]?.int == Int64(expected.count), "\(text)")
            }
        }
    }

    private static func export(_ site: Site, _ query: [String: String]) async throws
        -> (text: String, count: Int, log: [AuditEntry])
    {
        let begun = try await site.api.answer(site.request(.post, ["audit", "exports"], query))
        let id = try #require(begun["export"]?.string)
        let log = try site.entries()
        var text = ""
        while true {
            let piece = try await site.api.answer(site.request(.post, ["audit", "exports", id], [:]))
            text += piece["text"]?.string ?? ""
            guard piece["signature"] == nil else { return (text, Int(piece["entries"]?.int ?? -1), log) }
        }
    }

    private static func ids(_ text: String, _ format: AuditExportFormat) throws -> [String] {
        switch format {
        case .ndjson:
            return try text.split(separator: "\n").map { try JSONValue(parsing: Array($0.utf8))["id"]?.string ?? "" }
        case .csv:
            return text.split(separator: "\r\n").dropFirst().map { line in
                line.split(separator: ",", maxSplits: 3)[1...2].joined(separator: "/")
            }
        case .bundle:
            return try JSONValue(parsing: Array(text.utf8))["entry"]?.array?
                .compactMap { $0["resource"]?["id"]?.string } ?? []
        }
    }

    @Test(.verifies("audit@forms-agree"), arguments: seeds)
    func `the account pages have what is a person's to see`(seed: UInt64) async throws {
        try await Self.with(seed) { site in
            let desk = site.installation.accountDesk
            let subject = try #require(site.accounts.first { $0.value == "patient-a" }?.key)
            for patient in [nil, "patient-a", "patient-b", "patient-c"] {
                var filter = ReferenceAuditFilter()
                filter.terms = ["kinds": "access", (patient == nil ? "user" : "patient"): patient ?? subject]
                var records: [AccessRecord] = []
                var log: [AuditEntry] = []
                var cursor: AuditCursor?
                repeat {
                    let page = try await desk.report(
                        about: patient.flatMap { ResourceID($0) }, for: SubjectID(subject), after: cursor,
                        from: RequestSource(address: "local", traceID: nil))
                    if log.isEmpty { log = try site.entries() }
                    #expect(!page.records.isEmpty || page.next == nil)
                    records += page.records
                    cursor = page.next
                    try site.append()
                } while cursor != nil
                let expected = try filter.find(in: log, system: site.system).filter { entry in
                    guard case .access(let record) = try entry.statement().event, let patient else { return true }
                    // What was tried in vain for somebody else is for auditors.
                    let isOfOthers = record.patients.first != patient && record.released == 0
                    let isInVain =
                        record.outcome.code == "refused"
                        || record.outcome == .permitted && !record.interaction.changesUpstream
                    return !(isOfOthers && isInVain)
                }
                #expect(records.map(\.decisionID) == expected.map(\.index.eventID), "\(patient ?? "the person")")
            }
        }
    }

    @Test(.verifies("audit@tried", "audit@forms-agree"))
    func `what is for auditors alone does not end a person's list before its time`() async throws {
        try await Self.with(1) { site in
            // One access of the patient's, and more behind it than a page holds that were tried in vain for somebody else.
            let tried = AccountDesk.pageSize * 3
            try site.installation.auditSide.store.append(
                (0...Int64(tried)).map { number in
                    AuditSinkContract.entry(number + 1, node: "tried", at: 1_000 + number) {
                        guard number > 0 else { return $0.patients = ["patient-z"] }
                        ($0.patients, $0.outcome) = (["patient-y", "patient-z"], .refused(reason: "patient"))
                    }
                })
            let page = try await site.installation.accountDesk.report(
                about: ResourceID("patient-z"), for: SubjectID("somebody"), after: nil,
                from: RequestSource(address: "local", traceID: nil))

            #expect(page.records.map(\.patients) == [["patient-z"]])
            #expect(page.next == nil)
        }
    }
}
