import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

/// An explanation says what the gateway does.
@Suite struct `Explanations` {
    private let harness: GatewayHarness

    init() throws {
        harness = try GatewayHarness(upstream: ScriptedRecords([], base: GatewayHarness.upstreamBase).upstream)
    }

    private func request(_ method: String, _ target: String, token: String?) -> ClientRequest {
        let sides = target.split(separator: "?", maxSplits: 1).map(String.init)
        return ClientRequest(
            method: method, path: sides[0], query: sides.count > 1 ? sides[1] : nil,
            headers: token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? [],
            receivedAt: GatewayHarness.now * 1000)
    }

    private func explain(_ method: String, _ target: String, scope: String, showing: String? = nil) throws
        -> Explanation
    {
        let token = try harness.token(scope: scope, patient: "pA")
        let shown = try showing.map { try ResourceView(try JSONDocument(Array($0.utf8)).root) }
        return harness.enforcer.explain(request(method, target, token: token), showing: shown)
    }

    @Test(
        .verifies("house@explain-is-the-decision"),
        arguments: [
            ("GET", "/Observation", "patient/Observation.rs"), ("GET", "/Observation", "patient/Condition.rs"),
            ("GET", "/Observation?patient=pB", "patient/Observation.rs"), ("GET", "/Patient/pB", "patient/*.rs"),
            ("GET", "/Patient/pA", "patient/*.rs"), ("GET", "/Observation/o1", "patient/Observation.r"),
            ("DELETE", "/Observation/o1", "patient/Observation.rs"), ("GET", "/Nonsense", "patient/*.rs"),
            ("GET", "/Observation?code:contains=x", "patient/*.rs"), ("GET", "/Observation/$lastn", "patient/*.rs"),
            ("GET", "/_history", "patient/*.rs"), ("GET", "/_page/abc", "patient/*.rs"),
            ("PUT", "/Observation/o1", "patient/*.cruds"),
        ])
    func `it refuses what the gateway refuses, for the same reason`(
        _ method: String, _ target: String, _ scope: String
    ) async throws {
        let token = try harness.token(scope: scope, patient: "pA")
        let explanation = harness.enforcer.explain(request(method, target, token: token))

        let answer = await harness.send(method, target, token: token)

        if explanation.verdict == .refused {
            #expect(answer.upstream.isEmpty)
            #expect(answer.status == explanation.status)
            let recorded = String(decoding: answer.records.last?.body ?? [], as: UTF8.self)
            #expect(recorded.contains(explanation.reason ?? "?"))
        } else {
            #expect(!answer.upstream.isEmpty)
        }
    }

    @Test func `it names scopes, boundary and what goes upstream`() throws {
        let explanation = try explain(
            "GET", "/Observation?code=1-8", scope: "patient/Observation.rs patient/Patient.rs")

        #expect(explanation.verdict == .permitted)
        #expect(explanation.determining.map(\.scope) == ["patient/Observation.rs"])
        let own = try #require(ResourceID("pA"))
        #expect(explanation.determining.first?.boundary == .patients([own]))
        #expect(explanation.forwarded?.hasPrefix("GET /Observation?") == true)
        #expect(explanation.forwarded?.contains("pA") == true)
        #expect(explanation.isNarrowed)
        #expect(explanation.narrowingIsExact == true)
        #expect(explanation.json["determining"]?.array?.first?["patients"] == ["pA"])
    }

    @Test(arguments: ["/Observation?patient=pA", "/Observation?patient=Patient/pA", "/Observation?subject=Patient/pA"])
    func `a search that names its own patient is not narrowed further`(_ target: String) throws {
        #expect(try !explain("GET", target, scope: "patient/Observation.rs").isNarrowed)
    }

    @Test func `a refusal names scopes that would have sufficed`() throws {
        let explanation = try explain("GET", "/Condition", scope: "patient/Observation.rs")

        #expect(explanation.verdict == .refused)
        #expect(explanation.reason == "type-not-granted")
        #expect(explanation.sufficientScopes.contains("patient/Condition.s"))
    }

    @Test(
        arguments: [
            (#"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/pA"}}"#, "release", nil),
            (
                #"{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/pB"}}"#, "withhold",
                "outside-boundary"
            ),
            (#"{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/pA"}}"#, "withhold", "not-granted"),
        ] as [(String, String, String?)])
    func `a resource that is shown is judged`(_ resource: String, _ admission: String, _ reason: String?) throws {
        let explanation = try explain("GET", "/Observation", scope: "patient/Observation.rs", showing: resource)

        #expect(explanation.resources.map(\.admission) == [admission])
        #expect(explanation.resources.first?.reason == reason)
    }

    @Test func `of a Bundle that is shown every entry is judged`() throws {
        let bundle = #"""
            {"resourceType":"Bundle","type":"searchset","entry":[
            {"resource":{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/pA"}}},
            {"resource":{"resourceType":"Observation","id":"x","subject":{"reference":"Patient/pB"}}}]}
            """#

        let explanation = try explain("GET", "/Observation", scope: "patient/Observation.rs", showing: bundle)

        #expect(explanation.resources.map(\.resource) == ["Observation/o", "Observation/x"])
        #expect(explanation.resources.map(\.admission) == ["release", "withhold"])
    }

    @Test func `without a token it says so, and the open document stays open`() {
        let refused = harness.enforcer.explain(request("GET", "/Observation", token: nil))
        #expect(refused.verdict == .refused)
        #expect(refused.reason == "token-missing")
        #expect(refused.status == 401)
        #expect(harness.enforcer.explain(request("GET", "/metadata", token: nil)).verdict == .permitted)
    }

    @Test func `as a header it is ASCII and short`() throws {
        let short = try explain("GET", "/Observation?code=%C3%A9", scope: "patient/Observation.rs").headerValue
        #expect(short.utf8.allSatisfy { (0x20...0x7E).contains($0) })
        #expect(try JSONValue(parsing: Array(short.utf8))["verdict"] == "permitted")

        let scopes = (0..<150).map { "patient/Observation.rs?code=http://loinc.org|\($0)" }.joined(separator: " ")
        let long = try explain("GET", "/Observation/o1", scope: scopes).headerValue
        #expect(long.utf8.count <= 4096)
        #expect(try JSONValue(parsing: Array(long.utf8))["truncated"] == true)
    }
}
