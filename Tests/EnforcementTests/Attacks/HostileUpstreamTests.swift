import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// A protected server that is wrong, broken or captured: nothing of another patient leaves, and every request is
/// recorded once.
@Suite(.underMutation) struct HostileUpstreamTests {
    static let targets = [
        "/Observation/obsA", "/Observation", "/Patient/pA", "/Observation/obsA/_history",
        "/Observation/obsA/_history/1", "/Coverage?_include=Coverage:subscriber",
        "/Patient?_id=pA&_revinclude=Observation:patient",
    ]

    @Test(.verifies("attack@ATK-209"), arguments: UpstreamHostility.allCases, targets)
    func `nothing foreign leaves`(hostility: UpstreamHostility, target: String) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let foreign = catalogue.records(of: "pB")
        let harness = try GatewayHarness(
            upstream: catalogue.store(.lenient).upstream.hostile(hostility, foreign: foreign))
        let token = try catalogue.token("P", from: harness)

        let answer = await harness.send("GET", target, token: token)

        #expect([200, 404, 502].contains(answer.status), "\(answer.status) \(answer.text)")
        try expectNoLeak(answer)
    }

    /// What hangs on the content of one resource, and what hangs on the server.
    static let ofContent: [UpstreamHostility] = [
        .brokenJSON, .html, .emptyBody, .endlessBody, .duplicateMember, .invalidUTF8,
    ]
    static let ofServer: [UpstreamHostility] = [.compressedBody, .cutShort, .serverError, .redirect]

    @Test(arguments: ofContent, ["/Observation/obsB", "/Observation/none", "/Observation/obsB/_history/1"])
    func `a foreign record that cannot be judged looks like none`(
        hostility: UpstreamHostility, target: String
    ) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream.hostile(hostility, foreign: []))
        let token = try catalogue.token("P", from: harness)
        let answer = await harness.send("GET", target, token: token)

        #expect(answer.status == 404)
        #expect(answer.json?["issue"]?.array?.first?["code"]?.string == "not-found")
        try expectNoLeak(answer)
    }

    @Test(arguments: ofContent)
    func `who may see everything is told that the answer cannot be judged`(hostility: UpstreamHostility) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream.hostile(hostility, foreign: []),
            panels: .table(users: [:], clients: [ClientID("backend"): .everyone]))
        let token = try harness.token(scope: "system/*.rs", client: "backend", subject: nil)

        let answer = await harness.send("GET", "/Observation/obsA", token: token)

        #expect(answer.status == 502)
        #expect(answer.records.map(\.index.outcome) == ["failed"])
    }

    @Test(arguments: ofContent + ofServer)
    func `an answer that cannot be judged is not passed on`(hostility: UpstreamHostility) async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream.hostile(hostility, foreign: []))
        let token = try catalogue.token("P", from: harness)

        let answer = await harness.send("GET", "/Patient/pA", token: token)

        #expect(answer.status == (Self.ofContent.contains(hostility) ? 404 : 502))
        #expect(answer.json?["resourceType"]?.string == "OperationOutcome")
        #expect(answer.records.map(\.index.outcome) == ["failed"])
    }

    @Test func `a next link to another host is not re-issued`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream.hostile(.nextLinkElsewhere, foreign: []))
        let token = try catalogue.token("P", from: harness)

        let answer = await harness.send("GET", "/Observation", token: token)

        let next = answer.json?["link"]?.array?.first { $0["relation"]?.string == "next" }
        #expect(next == nil)
    }

    @Test func `a total that counts hidden rows does not leave`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.lenient).upstream)
        let token = try catalogue.token("P", from: harness)

        let answer = await harness.send("GET", "/Observation", token: token)

        let visible = answer.keys.filter { $0.hasPrefix("Observation/") }.count
        let total = answer.json?["total"]?.int.map(Int.init)
        #expect(total == nil || total == visible)
    }

    @Test func `a place on another host does not leave after a create`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream.hostile(.locationElsewhere, foreign: []))
        let token = try catalogue.token("Pw", from: harness)
        let body =
            #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: [("Content-Type", "application/fhir+json")],
            body: Array(body.utf8))

        #expect(answer.field("location") == nil)
        #expect(answer.status == 502)
        #expect(
            answer.records.map(\.index.outcome) == ["pending", "interrupted"],
            "it was written, so it is no plain failure")
    }
}
