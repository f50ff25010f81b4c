import AccessPolicy
import Audit
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Testing

@testable import Enforcement

/// What a gateway that shows us no answer may forward.
@Suite(.underMutation) struct `Decisions for foreign gateways` {
    private let harness: GatewayHarness

    init() throws {
        let panels = PanelSource(
            ofUser: { _ in .patients([try #require(ResourceID("pA"))]) }, ofClient: { _ in .everyone })
        let declared = ResourceType.allCases.map { ($0, Set(R4.searchParameters(for: $0).map(\.code))) }
        harness = try GatewayHarness(
            upstream: ScriptedRecords([], base: GatewayHarness.upstreamBase).upstream, panels: panels,
            supportedParameters: Dictionary(uniqueKeysWithValues: declared))
    }

    private func decide(
        _ method: String, _ target: String, token: String?, headers: [(name: String, value: String)] = []
    ) throws -> GatewayVerdict {
        try #require(verdict(method, target, token: token, headers: headers, of: harness))
    }

    private func verdict(
        _ method: String, _ target: String, token: String?, headers: [(name: String, value: String)] = [],
        of harness: GatewayHarness
    ) -> GatewayVerdict? {
        let sides = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return harness.enforcer.decide(
            forGateway: ClientRequest(
                method: method, path: sides[0], query: sides.count > 1 ? sides[1] : nil,
                headers: headers + (token.map { [(name: "authorization", value: "Bearer \($0)")] } ?? []),
                receivedAt: GatewayHarness.now * 1000))
    }

    private func patientToken(_ scope: String = "patient/*.rs") throws -> String {
        try harness.token(scope: scope, patient: "pA")
    }

    @Test(
        .verifies("house@gateway-decision-unseen"),
        arguments: [
            ("GET", "/Observation/o1", "owner-unseen"), ("GET", "/Observation/o1/_history/1", "stored-version-unseen"),
            ("GET", "/Observation/o1/_history", "stored-version-unseen"), ("GET", "/Binary/b", "narrowing-not-exact"),
            ("GET", "/Observation?_include=Observation:performer", "include-unseen"),
            ("GET", "/Patient?_revinclude=Observation:patient", "include-unseen"),
            ("GET", "/Condition", "redaction-unseen"), ("GET", "/Provenance", "narrowing-not-exact"),
            ("GET", "/List", "narrowing-not-exact"), ("GET", "/Observation?_elements=code", "projection-unseen"),
            ("GET", "/Observation?_summary=text", "projection-unseen"), ("POST", "/Observation/_search", "body-unseen"),
        ])
    func `what only the answer could tell is refused`(_ method: String, _ target: String, _ reason: String) throws {
        let verdict = try decide(method, target, token: try patientToken())

        #expect(verdict.status == 403)
        #expect(verdict.record.outcome == .refused(reason: reason))
        #expect(!verdict.fields.contains { $0.name == "x-chaperone-query" })
    }

    @Test(.verifies("house@gateway-decision-unseen"))
    func `a search that takes several queries is refused`() throws {
        let token = try patientToken("patient/Observation.rs?category=a patient/Observation.rs?code=b")

        let verdict = try decide("GET", "/Observation", token: token)

        #expect(verdict.status == 403)
        #expect(verdict.record.outcome == .refused(reason: "several-requests"))
    }

    @Test(
        .verifies("house@gateway-decision-unseen"),
        arguments: [
            ("DELETE", "/Observation/o1"), ("PUT", "/Observation/o1"), ("POST", "/Observation"),
            ("PATCH", "/Observation/o1"),
            ("POST", ""), ("GET", "/_page/abc"),
        ])
    func `what writes or pages is refused`(_ method: String, _ target: String) throws {
        let verdict = try decide(method, target, token: try patientToken("patient/*.cruds"))

        #expect(verdict.status == 403)
        if case .refused = verdict.record.outcome {} else { Issue.record("it was \(verdict.record.outcome)") }
    }

    @Test(
        .verifies("house@gateway-decision-unseen"),
        arguments: [
            ("/Observation", "/Observation", "?patient=Patient/pA"),
            ("/Observation?code=1234-5", "/Observation", "?code=1234-5&patient=Patient/pA"),
            ("/Observation?patient=pA", "/Observation", "?patient=Patient/pA"),
            ("/Patient", "/Patient", "?_id=pA"), ("/Patient/pA", "/Patient/pA", ""),
            ("/Practitioner/d", "/Practitioner/d", ""), ("/Organization?name=x", "/Organization", "?name=x"),
        ])
    func `what can be had without the answer goes narrowed`(_ target: String, _ path: String, _ query: String) throws {
        let verdict = try decide("GET", target, token: try patientToken())

        #expect(verdict.status == 200)
        let fields = Dictionary(verdict.fields.map { ($0.name, $0.value) }) { $1 }
        #expect(fields["x-chaperone-path"] == path)
        #expect(fields["x-chaperone-query"]?.replacing("%2F", with: "/") == query)
    }

    @Test(.verifies("house@gateway-decision-unseen"))
    func `a server that does not say that it knows the narrowing is asked for nothing narrowed`() throws {
        let silent = try GatewayHarness(upstream: ScriptedRecords([], base: GatewayHarness.upstreamBase).upstream)
        let token = try silent.token(scope: "patient/*.rs", patient: "pA")

        let narrowed = try #require(verdict("GET", "/Observation", token: token, of: silent))
        let open = try #require(verdict("GET", "/Organization", token: token, of: silent))

        #expect(narrowed.status == 403)
        #expect(narrowed.record.outcome == .refused(reason: "narrowing-not-declared"))
        #expect(open.status == 200)
    }

    @Test(.verifies("house@gateway-decision-recorded"))
    func `a flood without tokens gets no verdicts, and so no records`() throws {
        var limits = Enforcer.Limits()
        limits.anonymousRecords = RefusalLedger.Limits(burst: 2)
        let flooded = try GatewayHarness(
            upstream: ScriptedRecords([], base: GatewayHarness.upstreamBase).upstream, limits: limits)

        let verdicts = (0..<10).map { _ in verdict("GET", "/Observation", token: nil, of: flooded) != nil }

        #expect(verdicts == [true, true] + Array(repeating: false, count: 8))
    }

    @Test(.verifies("house@gateway-decision-unseen"))
    func `a scope with a constraint does not open a read, and one over everybody does`() throws {
        let constrained = try patientToken("patient/Practitioner.rs?_id=d")
        #expect(try decide("GET", "/Practitioner/d", token: constrained).status == 403)

        let everyone = try harness.token(scope: "system/Observation.rs", client: "backend", subject: nil)
        #expect(try decide("GET", "/Observation/o1", token: everyone).status == 200)
    }

    @Test(.verifies("house@gateway-decision-unseen"))
    func `an include that the scopes do not reach is dropped from the query, one that they reach is refused`() throws {
        let target = "/Observation?_include=Observation:performer"

        let alone = try harness.token(scope: "system/Observation.rs", client: "backend", subject: nil)
        let dropped = try decide("GET", target, token: alone)
        #expect(dropped.status == 200)
        #expect(dropped.fields.contains { $0.name == "x-chaperone-query" && !$0.value.contains("_include") })

        let both = try harness.token(
            scope: "system/Observation.rs system/Practitioner.rs", client: "backend", subject: nil)
        let reached = try decide("GET", target, token: both)
        #expect(reached.status == 403)
        #expect(reached.record.outcome == .refused(reason: "include-unseen"))
    }

    @Test(.verifies("house@gateway-decision-recorded"))
    func `a refusal keeps its status beside the one that gateways know, and its challenge`() throws {
        let none = try decide("GET", "/Observation", token: nil)
        #expect(none.status == 401)
        #expect(none.fields.contains { $0.name == "www-authenticate" && $0.value.hasPrefix("Bearer") })

        let foreign = try decide("GET", "/Patient/pB", token: try patientToken())
        #expect(foreign.status == 403)
        #expect(foreign.fields.contains { $0.name == "x-chaperone-status" && $0.value == "404" })

        let scope = try decide("GET", "/Condition", token: try patientToken("patient/Observation.rs"))
        #expect(scope.status == 403)
        #expect(scope.fields.contains { $0.name == "www-authenticate" && $0.value.contains("patient/Condition.s") })
    }

    @Test(.verifies("house@gateway-decision-recorded"))
    func `the record says that a decision was given, and its receipt is the answer's price`() async throws {
        let recorder = try AuditRecorder(sink: InMemoryAuditSink(), node: "decisions")
        let verdict = try decide("GET", "/Observation", token: try patientToken())
        let other = try decide("GET", "/Observation", token: try patientToken())

        #expect(verdict.record.outcome == .decisionGiven)
        #expect(verdict.record.queryNarrowed?.contains("pA") == true)
        #expect(verdict.record.scopes == ["patient/*.rs"])
        let withForeignReceipt = isNil(verdict.given(try await recorder.record(other.record)))
        let withItsOwn = isNil(verdict.given(try await recorder.record(verdict.record)))
        #expect(withForeignReceipt)
        #expect(!withItsOwn)
    }

    private func isNil(_ decision: consuming GivenDecision?) -> Bool {
        switch consume decision {
        case .none: true
        case .some: false
        }
    }

    @Test(.verifies("house@gateway-decision-unseen"))
    func `headers that turn the request into another one refuse it`() throws {
        let verdict = try decide(
            "GET", "/Observation", token: try patientToken(),
            headers: [(name: "x-http-method-override", value: "DELETE")])

        #expect(verdict.status == 403)
    }
}
