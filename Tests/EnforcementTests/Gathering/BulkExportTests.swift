import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Bulk export through the whole gateway without sockets, against a server that exports whatever it has.
@Suite(.underMutation) struct BulkExportTests {
    private static let base = GatewayHarness.upstreamBase
    private static let lines =
        #"{"resourceType":"Observation","id":"o1","category":[{"coding":[{"system":"\#(GatheredAnswerTests.system)","code":"laboratory"}]}],"subject":{"reference":"\#(base)/Patient/pA"}}"#
        + "\n\n"
        + #"{"resourceType":"Observation","id":"o2","category":[{"coding":[{"system":"\#(GatheredAnswerTests.system)","code":"vital-signs"}]}],"subject":{"reference":"Patient/pB"},"note":[{"text":"SECRET-B"}]}"#
        + "\r\n"
        + #"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/pA"},"note":[{"text":"SECRET-B"}]}"#
        + "\n" + #"{"resourceType":"Observation","id":"o3","subject":"# + "\n" + "SECRET-B\n"

    /// A server whose job is done at the second look.
    private static func upstream(
        file: String = "\(base)/files/1.ndjson", location: String = "\(base)/jobs/7", isDone: Bool = true,
        fileType: String = "application/fhir+ndjson"
    ) -> ScriptedUpstream {
        ScriptedUpstream { request in
            let json = "application/json"
            if request.path.hasSuffix("$export") {
                return .answer(UpstreamHead(status: 202, contentLocation: location), [])
            }
            switch request.pageTarget {
            case "/fhir/jobs/7" where request.method == .delete: return .answer(UpstreamHead(status: 202), [])
            case "/fhir/jobs/7":
                guard isDone else { return .answer(UpstreamHead(status: 202), []) }
                let manifest: JSONValue = [
                    "transactionTime": "2026-01-01T00:00:00Z", "request": .string("\(base)/$export"),
                    "requiresAccessToken": true,
                    "output": [
                        ["type": "Observation", "url": .string(file), "count": 4],
                        ["type": "Condition", "url": .string("\(base)/files/SECRET-B.ndjson")],
                    ],
                    "deleted": [["type": "Bundle", "url": .string("\(base)/files/SECRET-B.ndjson")]], "error": [],
                ]
                return .answer(UpstreamHead(status: 200, contentType: json), manifest.serialized)
            case "/fhir/files/1.ndjson":
                return .answer(UpstreamHead(status: 200, contentType: fileType), Array(lines.utf8))
            default: return .answer(UpstreamHead(status: 404, contentType: json), [])
            }
        }
    }

    private static let panels = PanelSource.table(
        users: [:], clients: [ClientID("backend"): .everyone, ClientID("other"): .everyone])
    private static let all = "system/Observation.rs"
    private static let lab = "system/Observation.rs?category=\(GatheredAnswerTests.system)|laboratory"

    private func harness(_ upstream: ScriptedUpstream) throws -> GatewayHarness {
        try GatewayHarness(upstream: upstream, panels: Self.panels)
    }

    private func token(
        _ harness: GatewayHarness, _ scope: String, client: String = "backend", grant: String = "grant-1"
    ) throws -> String {
        try harness.token(scope: scope, client: client, grant: grant, subject: nil)
    }

    private func below(_ address: String?) throws -> String {
        String(try #require(address).dropFirst(GatewayHarness.publicBase.count))
    }

    private func start(_ harness: GatewayHarness, _ token: String, _ query: String = "") async throws -> String {
        let answer = await harness.send("GET", "/$export\(query)", token: token)
        #expect(answer.status == 202, "\(answer.text)")
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
        try expectNoLeak(answer)
        return try below(answer.field("content-location"))
    }

    @Test(.verifies("attack@ATK-238", "attack@ATK-239"), arguments: [all, lab])
    func `every line of every file is judged`(scope: String) async throws {
        let harness = try harness(Self.upstream())
        let token = try token(harness, scope)

        let job = try await start(harness, token, "?_since=2026-01-01T00:00:00Z")
        let manifest = await harness.send("GET", job, token: token)
        let output = manifest.json?["output"]?.array ?? []
        let file = try below(output.first?["url"]?.string)
        let lines = await harness.send("GET", file, token: token)

        #expect(manifest.status == 200 && manifest.field("content-type") == "application/json")
        #expect(output.map { $0["type"]?.string } == ["Observation"])
        #expect(manifest.json?["deleted"] == nil)
        try expectNoLeak(manifest)
        #expect(lines.status == 200 && lines.field("content-type") == "application/fhir+ndjson")
        let ids = lines.text.split(separator: "\n").map { line in
            (try? JSONValue(parsing: Array(line.utf8)))?["id"]?.string
        }
        #expect(ids == (scope == Self.all ? ["o1", "o2"] : ["o1"]))
        #expect(!lines.text.contains("upstream.example"))
        #expect(lines.upstream.map(\.pageTarget) == ["/fhir/files/1.ndjson"])
        #expect(lines.records.map(\.index.outcome) == ["permitted"])
    }

    @Test func `the kick-off is narrowed to what is granted, and goes as an asynchronous request`() async throws {
        let harness = try harness(Self.upstream())

        let answer = await harness.send("GET", "/$export", token: try token(harness, Self.all))

        #expect(answer.upstream.first?.query == "_type=Observation&_outputFormat=application/fhir%2Bndjson")
        #expect(answer.upstream.first?.prefer == "respond-async")
    }

    @Test func `a job under way says when to look again, and one that is ended says so`() async throws {
        let harness = try harness(Self.upstream(isDone: false))
        let token = try token(harness, Self.all)
        let job = try await start(harness, token)

        let look = await harness.send("GET", job, token: token)
        let end = await harness.send("DELETE", job, token: token)

        #expect(look.status == 202 && look.field("retry-after") == "10")
        #expect(end.status == 202)
        #expect(end.upstream.map(\.method) == [.delete])
        #expect(end.records.map(\.index.phase) == [.opening, .closing])
    }

    @Test(.verifies("attack@ATK-241", "attack@ATK-242"), arguments: ["GET", "DELETE"])
    func `a job is for the client that started it and for what its token of today may export`(
        method: String
    ) async throws {
        let harness = try harness(Self.upstream())
        let own = try token(harness, Self.all)
        let job = try await start(harness, own)
        let nothing = await harness.send(method, "/_bulk/nothing", token: own)

        for other in [
            try token(harness, Self.all, client: "other"), try token(harness, "system/Patient.rs"),
            try harness.token(scope: "patient/*.rs", patient: "pA", client: "backend"),
        ] {
            let answer = await harness.send(method, job, token: other)
            #expect(answer.status == 404 && answer.text == nothing.text)
            #expect(answer.upstream.isEmpty)
        }
        // A backend client's next token comes with a grant of its own.
        let later = await harness.send("GET", job, token: try token(harness, Self.all, grant: "grant-2"))
        #expect(later.status == 200)
    }

    @Test(.verifies("attack@ATK-241"))
    func `a file belongs to its job, and a token without its type does not get it`() async throws {
        let harness = try harness(Self.upstream())
        let token = try token(harness, "system/Observation.rs system/Condition.rs")
        let first = try await start(harness, token)
        let second = try await start(harness, token)
        let manifest = await harness.send("GET", first, token: token)
        let file = try below(manifest.json?["output"]?.array?.first?["url"]?.string)
        let name = try #require(file.split(separator: "/").last.map(String.init))

        let elsewhere = await harness.send("GET", "\(second)/\(name)", token: token)
        let narrower = await harness.send("GET", file, token: try self.token(harness, "system/Condition.rs"))
        let later = await harness.send("GET", file, token: token, at: GatewayHarness.now + 90_000)

        #expect([elsewhere.status, narrower.status] == [404, 404])
        #expect(elsewhere.upstream.isEmpty && narrower.upstream.isEmpty)
        #expect(later.status == 401 || later.status == 404)
    }

    @Test(arguments: ["https://evil.example/1.ndjson", "http://upstream.example:8082/other/1.ndjson", "file:///etc/x"])
    func `a file on another host is not fetched, and the manifest is not shown without it`(url: String) async throws {
        let harness = try harness(Self.upstream(file: url))
        let token = try token(harness, Self.all)
        let job = try await start(harness, token)

        let manifest = await harness.send("GET", job, token: token)

        #expect(manifest.status == 502)
        try expectNoLeak(manifest)
    }

    @Test func `a job that is kept elsewhere is not started for anybody, and the record says that it was`() async throws
    {
        let harness = try harness(Self.upstream(location: "https://evil.example/jobs/7"))

        let answer = await harness.send("GET", "/$export", token: try token(harness, Self.all))

        #expect(answer.status == 502 && answer.field("content-location") == nil)
        #expect(answer.records.map(\.index.outcome) == ["pending", "interrupted"])
    }

    @Test(arguments: ["application/json", "text/html", "application/octet-stream"])
    func `a file of another kind is not passed on`(type: String) async throws {
        let harness = try harness(Self.upstream(fileType: type))
        let token = try token(harness, Self.all)
        let job = try await start(harness, token)
        let manifest = await harness.send("GET", job, token: token)
        let file = try below(manifest.json?["output"]?.array?.first?["url"]?.string)

        #expect(await harness.send("GET", file, token: token).status == 502)
    }

    static let refused: [(target: String, scope: String, status: Int)] = [
        ("/$export", "user/*.rs", 403), ("/$export", "system/Observation.r", 403),
        ("/$export", "system/Observation.s", 403),
        ("/$export?_type=Nothing", all, 400), ("/$export?_type=", all, 400), ("/$export?_type=Patient", all, 403),
        ("/$export?_outputFormat=csv", all, 400), ("/$export?_elements=id", all, 400), ("/$export?_since=x", all, 400),
        ("/$export?_since=2020&_since=2021", all, 400), ("/$export?patient=Patient/pB", all, 400),
        ("/$export?includeAssociatedData=x", all, 400), ("/Patient/$export", all, 403),
        ("/Group/g/$export", "system/Observation.rs system/Patient.rs", 403), ("/Observation/$export", all, 403),
        // The members come out and not the group: a constraint on groups could be held to nothing.
        ("/Group/g/$export", "system/Group.rs?identifier=urn:payer|a system/Patient.rs", 403),
        ("/$export?_typeFilter=Observation%3F_sort=date", all, 400), ("/$export?_typeFilter=%3Fcode=1", all, 400),
        ("/$export?_typeFilter=Observation%3F", all, 400),
    ]

    @Test(.verifies("attack@ATK-236", "attack@ATK-240"), arguments: refused.indices)
    func `an export that is not granted or not understood is not started`(place: Int) async throws {
        let row = Self.refused[place]
        let harness = try harness(Self.upstream())

        let answer = await harness.send("GET", row.target, token: try token(harness, row.scope))

        #expect(answer.status == row.status, "\(row.target) \(row.scope) \(answer.text)")
        #expect(answer.upstream.isEmpty)
    }

    @Test(.verifies("attack@ATK-240"))
    func `a filter inside an export is printed from what was understood`() async throws {
        let harness = try harness(Self.upstream())

        let answer = await harness.send(
            "GET", "/$export?_typeFilter=Observation%3Fcode%3D1-8%2C2-8%26status%3Dfinal",
            token: try token(harness, Self.all))

        #expect(answer.status == 202)
        let query = answer.upstream.first?.query?.removingPercentEncodingTwice ?? ""
        #expect(query.contains("_typeFilter=Observation?code=1-8,2-8&status=final"), "\(query)")
    }
}

extension String {
    /// The text as the upstream reads it: the filter is a query inside a query.
    fileprivate var removingPercentEncodingTwice: String {
        var text = self
        for _ in 0..<2 {
            for (code, character) in [("%3F", "?"), ("%3D", "="), ("%26", "&"), ("%2C", ","), ("%25", "%")] {
                text = text.replacing(code, with: character)
            }
        }
        return text
    }
}
