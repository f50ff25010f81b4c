import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Searches whose answer is too large to be judged whole, through the whole gateway without sockets.
@Suite struct SearchStreamTests {
    private static let base = GatewayHarness.upstreamBase
    private static let lab = "patient/Observation.rs?category=\(GatheredAnswerTests.system)|laboratory"
    private static let head = UpstreamHead(status: 200, contentType: "application/fhir+json;charset=utf-8")

    private func search(
        _ reply: ScriptedUpstream.Reply, target: String = "/Observation", scope: String = "patient/*.rs",
        limits: Enforcer.Limits, pieces: @escaping @Sendable ([UInt8]) -> [[UInt8]] = { [$0] },
        headers: [(name: String, value: String)] = [], method: String = "GET"
    ) async throws -> GatewayHarness.Answer {
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in reply }, limits: limits, pieces: pieces)
        let token = try harness.token(scope: scope, patient: "pA")
        let answer = await harness.send(method, target, token: token, headers: headers)
        try expectNoLeak(answer)
        return answer
    }

    // MARK: - as if it had been judged whole

    private static func entry(_ number: Int, _ random: inout SeededChoice) -> String {
        let patient = random.pick(["pA", "pA", "pA", "pB"])
        let note = patient == "pA" ? #"{\"}] [\\ \u00e9 \#(base)/Patient/pA"# : "SECRET-B"
        let observation = BulkStreamTests.line(
            "o\(random.number(0...20))", of: patient, category: random.pick(["laboratory", "vital-signs"]),
            note: note.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))
        let mode = random.pick([#","search":{"mode":"match","score":0.5}"#, "", #","search":{"mode":"include"}"#])
        return random.pick([
            #"{"fullUrl":"\#(base)/Observation/x","resource":\#(observation)\#(mode)}"#,
            #"{ "resource" :\#(observation)\#(mode) }"#, #"{"resource":\#(observation)\#(mode)}"#,
            #"{"resource":\#(observation)\#(mode)}"#,
            #"{"resource":{"resourceType":"Patient","id":"pB","birthDate":"SECRET-B"}}"#,
            #"{"resource":{"resourceType":"OperationOutcome","issue":[]},"search":{"mode":"outcome"}}"#,
            #"{"fullUrl":"x"}"#, #"{"resource":{"resourceType":"Nonsense"}}"#, "{}",
        ])
    }

    /// A searchset as some server may write it, good and bad.
    private static func bundle(_ random: inout SeededChoice) -> String {
        let entries = (0..<random.number(0...8)).map { entry($0, &random) }
        let space = random.pick(["", "", " ", "\n  "])
        var list = "[\(space)\(entries.joined(separator: "\(space),\(space)"))\(space)]"
        if random.number(0...15) == 0 {
            list = random.pick(["{}", "[1]", "[{},]", "[,]", "[null]", "null", "[{}", "[{]", #"["x"]"#])
        }
        let next = random.pick([
            "\(base)/Observation?page=2", "\(base)/Observation?page=3", "https://evil.example/x",
        ])
        var around = [
            #""total":\#(random.pick([entries.count, 3]))"#,
            #""link":[{"relation":"next","url":"\#(next)"},{"relation":"self","url":"\#(base)/Observation"}]"#,
            #""meta":{"lastUpdated":"2020-01-01T00:00:00Z","tag":[{"code":"{[\"entry\":["}]}"#,
            #""id":"\#(random.pick(["a", "b\\u0041"]))""#,
        ].filter { _ in random.number(0...2) == 0 }
        around += [
            #""link":[{"relation":"self"}]"#, #""type":"searchset""#, #""total":-1"#, #""total":1.5"#,
        ].filter { _ in random.number(0...19) == 0 }
        let name = random.pick(["entry", "entry", "entry", "entry", #"\u0065ntry"#])
        let before = around.indices.filter { _ in random.flip() }
        let after = around.indices.filter { !before.contains($0) }
        let type = random.pick(["searchset", "searchset", "searchset", "searchset", "searchset", "history"])
        around = before.map { around[$0] } + ["\"\(name)\"\(space):\(space)\(list)"] + after.map { around[$0] }
        var start = [#""resourceType":"Bundle""#, #""type":"\#(type)""#]
        if random.flip() { start.reverse() }
        let end = random.pick([
            "}", "}", "} ", "}", "}", "}", "}", "}\n", random.pick(["", "}}"]), random.pick([",}", "} x"]),
        ])
        return random.pick(["", " "]) + "{" + (start + around).joined(separator: ",") + end
    }

    private static func withoutSeals(_ text: String) -> String {
        guard let range = text.firstRange(of: "/_page/") else { return text }
        return "\(text[..<range.upperBound])\(withoutSeals(String(text[range.upperBound...].drop { $0 != "\"" })))"
    }

    @Test(.verifies("house@STREAMING"), arguments: 1...8)
    func `a searchset that comes entry by entry reads like one that was judged whole`(shard: Int) async throws {
        var (good, bad) = (0, 0)
        for seed in 0..<160 {
            var random = SeededChoice(seed: UInt64(shard * 1_000 + seed))
            let bundle = Self.bundle(&random)
            let lengths = (0..<random.number(1...4)).map { _ in random.pick([1, 2, 7, 63, 400]) }
            let reply = ScriptedUpstream.Reply.answer(Self.head, Array(bundle.utf8))
            let scope = random.pick([Self.lab, "patient/*.rs"])
            let target = random.pick(["/Observation", "/Observation", "/Observation", "/Observation?_elements=subject"])

            let whole = try await search(reply, target: target, scope: scope, limits: BulkStreamTests.limits(8 << 20))
            let parts = try await search(
                reply, target: target, scope: scope, limits: BulkStreamTests.limits(random.number(0...40)),
                pieces: BulkStreamTests.cutting(lengths))

            #expect(whole.parts == 0)
            if whole.status == 200 {
                good += 1
                #expect(parts.parts > 0 && !parts.isCut, "\(shard) \(seed) \(bundle)")
                #expect(Self.withoutSeals(parts.text) == Self.withoutSeals(whole.text), "\(bundle)")
                #expect(try BulkStreamTests.facts(parts) == BulkStreamTests.facts(whole), "\(bundle)")
                #expect(parts.records.map(\.index.phase) == [.opening, .closing])
                #expect(
                    parts.fields.filter { $0.name != "x-request-id" }.map(\.value)
                        == whole.fields.filter { $0.name != "x-request-id" }.map(\.value))
            } else {
                bad += 1
                #expect(parts.isCut || parts.status >= 400, "\(shard) \(seed) \(bundle)")
                #expect(!parts.isCut || parts.records.map(\.index.phase) == [.opening, .interrupted])
            }
        }
        #expect(good > 10 && bad > 10, "\(good) \(bad)")
    }

    // MARK: - what is not streamed

    private static let entries = (0..<20).map {
        #"{"resource":\#(BulkStreamTests.line("o\($0)", of: "pA")),"search":{"mode":"match"}}"#
    }.joined(separator: ",")

    private static func plain(_ around: String = #""resourceType":"Bundle","type":"searchset","#) -> [UInt8] {
        Array("{\(around)\"entry\":[\(entries)]}".utf8)
    }

    @Test(
        .verifies("house@STREAMING"),
        arguments: [
            ("GET", "/Observation?_include=Observation:encounter", []), ("GET", "/Observation?_summary=count", []),
            ("GET", "/Observation?_revinclude=Provenance:target", []),
            ("GET", "/Observation", [(name: "accept", value: "application/fhir+xml")]), ("HEAD", "/Observation", []),
        ] as [(String, String, [(name: String, value: String)])])
    func `what has to be judged whole is refused for its size`(
        method: String, target: String, headers: [(name: String, value: String)]
    ) async throws {
        let answer = try await search(
            .answer(Self.head, Self.plain()), target: target, limits: BulkStreamTests.limits(200),
            pieces: BulkStreamTests.cutting([100]), headers: headers, method: method)

        #expect(answer.status >= 400 && answer.parts == 0 && !answer.isCut)
        #expect(answer.records.map(\.index.phase) == [.whole])
    }

    @Test(
        .verifies("house@STREAMING"),
        arguments: [
            #""type":"searchset","#, #""resourceType":"Bundle","#, "", #""resourceType":"Bundle","type":"history","#,
            #""resourceType":"List","type":"searchset","#,
        ])
    func `a Bundle that does not say first what it is sends nothing`(around: String) async throws {
        let late = Self.plain(around).dropLast() + Array(#","resourceType":"Bundle","type":"searchset"}"#.utf8)

        for body in [Self.plain(around), Array(late)] {
            let answer = try await search(
                .answer(Self.head, body), limits: BulkStreamTests.limits(200), pieces: BulkStreamTests.cutting([100]))

            #expect(answer.status == 502 && answer.parts == 0 && !answer.isCut)
        }
    }

    @Test(.verifies("house@STREAMING"))
    func `one entry too many, or a large one, cuts the answer`() async throws {
        var few = BulkStreamTests.limits(200)
        few.streamedEntries = 10
        for limits in [few, BulkStreamTests.limits(200, piece: 300)] {
            let large = BulkStreamTests.line("large", of: "pA", note: String(repeating: "x", count: 400))
            let body = Self.plain().dropLast(2) + Array(#",{"resource":\#(large)}]}"#.utf8)

            let answer = try await search(
                .answer(Self.head, Array(body)), limits: limits, pieces: BulkStreamTests.cutting([100]))

            #expect(answer.isCut && !answer.text.contains("xxx"))
            #expect(answer.records.map(\.index.phase) == [.opening, .interrupted])
        }
    }
}
