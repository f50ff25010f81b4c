import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// The same questions behind servers of different habits.
@Suite(.underMutation) struct DialectTests {
    private func harness(
        _ dialect: UpstreamDialect, _ obedience: ScriptedRecords.Obedience = .obedient
    ) throws -> GatewayHarness {
        let catalogue = try AttackCatalogue.shared.get()
        return try GatewayHarness(
            upstream: catalogue.store(obedience).upstream(speaking: dialect), panels: catalogue.panels)
    }

    @Test(.verifies("house@DIALECTS"), arguments: UpstreamDialect.allCases, [true, false])
    func `the whole catalogue comes to the same answers`(dialect: UpstreamDialect, obeys: Bool) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try harness(dialect, obeys ? .obedient : .lenient)
        for row in catalogue.attacks {
            try await AttackTests.run(row, "\(dialect), \(obeys ? "obedient" : "lenient")", catalogue, harness)
        }
    }

    @Test(.verifies("house@DIALECTS"), arguments: UpstreamDialect.allCases)
    func `following the links finds every record of the own patient once`(dialect: UpstreamDialect) async throws {
        let harness = try harness(dialect)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        var keys: [String] = []
        var pages = 0
        var target: String? = "/Observation?_count=1"

        while let current = target, pages < 20 {
            let answer = await harness.send("GET", current, token: token)
            try #require(answer.status == 200, "\(answer.text)")
            try expectNoLeak(answer)
            keys += answer.keys
            pages += 1
            let links = answer.json?["link"]?.array ?? []
            #expect(links.allSatisfy { ["self", "next"].contains($0["relation"]?.string) })
            let next = links.first { $0["relation"]?.string == "next" }?["url"]?.string
            target = next.map { String($0.dropFirst(GatewayHarness.publicBase.count)) }
        }

        #expect(
            keys.sorted() == [
                "Observation/obsA", "Observation/obsA-member", "Observation/obsA-perfB", "Observation/obsA-vitals",
            ])
        #expect(pages == 4)
    }

    @Test(.verifies("house@DIALECTS"), arguments: UpstreamDialect.allCases)
    func `what is foreign, deleted or unknown has one face`(dialect: UpstreamDialect) async throws {
        let harness = try harness(dialect)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        var faces: Set<String> = []
        for key in ["Observation/obsB", "Observation/obsA-deleted", "Observation/obsB-deleted", "Observation/none"] {
            for target in ["/\(key)", "/\(key)/_history/1", "/\(key)/_history"] {
                let answer = await harness.send("GET", target, token: token)
                let fields = answer.fields.filter { $0.name != "x-request-id" }.map { "\($0.name): \($0.value)" }
                faces.insert("\(answer.status)\n\(fields.joined(separator: "\n"))\n\(answer.text)")
            }
        }

        #expect(faces.count == 1, "\(faces)")
        #expect(faces.first?.hasPrefix("404") == true)
    }

    @Test(.verifies("house@DIALECTS"), arguments: UpstreamDialect.allCases)
    func `a version is known by its tag however it is written`(dialect: UpstreamDialect) async throws {
        let harness = try harness(dialect)
        let token = try harness.token(scope: "patient/*.cruds", patient: "pA")

        let read = await harness.send("GET", "/Condition/condA", token: token)
        let etag = try #require(read.field("etag"))
        let unchanged = await harness.send(
            "GET", "/Condition/condA", token: token, headers: [(name: "If-None-Match", value: etag)])
        let json = [(name: "Content-Type", value: "application/fhir+json")]
        let stale = await harness.send(
            "PUT", "/Condition/condA", token: token, headers: json + [(name: "If-Match", value: "W/\"77\"")],
            body: read.body)
        let fresh = await harness.send(
            "PUT", "/Condition/condA", token: token, headers: json + [(name: "If-Match", value: etag)],
            body: read.body)

        #expect(etag == "W/\"1\"")
        #expect(unchanged.status == 304)
        #expect(stale.status == 412)
        #expect(fresh.status == 200, "\(fresh.text)")
        #expect(fresh.upstream.last?.ifMatch == "W/\"1\"")
    }

    @Test(.verifies("house@DIALECTS"), arguments: [UpstreamDialect.azure, .aws])
    func `a server without totals gives no counts`(dialect: UpstreamDialect) async throws {
        let all = ResourceType.allCases.map { ($0, Set(R4.searchParameters(for: $0).map(\.code))) }
        let upstream = try AttackCatalogue.shared.get().store(.obedient).upstream(speaking: dialect)
        let harness = try GatewayHarness(
            upstream: upstream, supportedParameters: Dictionary(uniqueKeysWithValues: all))
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let count = await harness.send("GET", "/Observation?_summary=count", token: token)
        let rows = await harness.send("GET", "/Observation", token: token)

        #expect(count.status == 502)
        #expect(rows.status == 200 && rows.json?["total"] == nil)
    }
}
