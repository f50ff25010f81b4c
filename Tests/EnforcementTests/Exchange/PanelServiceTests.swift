import AccessPolicy
import ChaperoneTesting
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

@testable import Enforcement

/// Panels that a service of the site's tells.
@Suite(.underMutation) struct PanelServiceTests {
    /// A service that says the same about everybody, and counts how often it was asked.
    private final class Service: Sendable {
        struct NoAnswer: Error {}

        let asked = Mutex<[String]>([])
        let says: Mutex<String?>

        init(_ text: String?) { says = Mutex(text) }

        func panels(_ types: Set<ResourceType> = [.practitioner], secondsKept: Int64 = 60) -> PanelSource {
            PanelSource.table(users: [:]).asking(
                PanelService(types: types, secondsKept: secondsKept) { user in
                    self.asked.withLock { $0.append(user.description) }
                    guard let text = self.says.withLock({ $0 }) else { throw NoAnswer() }
                    return Array(text.utf8)
                })
        }
    }

    /// What a request to the attack records comes to, prepared as the gateway's driver does it.
    private func answer(
        _ target: String, _ harness: GatewayHarness, scope: String = "user/*.rs", user: String? = "Practitioner/dr9",
        at now: Int64 = GatewayHarness.now
    ) async throws -> GatewayHarness.Answer {
        let token = try harness.token(scope: scope, fhirUser: user, expiresIn: 10_000)
        let parts = target.split(separator: "?", maxSplits: 1).map(String.init)
        let request = ClientRequest(
            method: "GET", path: parts[0], query: parts.count == 2 ? parts[1] : nil,
            headers: [("Authorization", "Bearer \(token)")], receivedAt: now * 1000)
        if harness.enforcer.needsPreparation(request) { await harness.enforcer.prepare(request) }
        return await harness.send(request)
    }

    private func harness(_ panels: PanelSource) throws -> GatewayHarness {
        try GatewayHarness(upstream: try AttackCatalogue.shared.get().store(.lenient).upstream, panels: panels)
    }

    @Test(
        .verifies("house@panel-service"),
        arguments: [
            nil, "", "{}", "[]", "null", "everyone", #"{"patients":null}"#, #"{"patients":"pA"}"#,
            #"{"patients":["pA",1]}"#, #"{"patients":["pA","not an id"]}"#, #"{"patients":["Patient/pA"]}"#,
            #"{"patients":["pA"],"patients":["pB"]}"#, #"{"patients":["pA"],"everyone":true}"#, #"{"patients":["*"]}"#,
        ])
    func `no answer is no panel, and nothing is asked of the FHIR server`(text: String?) async throws {
        let harness = try harness(Service(text).panels())

        let answer = try await answer("/Observation", harness)

        #expect(answer.status == 503 && answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@panel-service")) func `an empty list is nobody`() async throws {
        let harness = try harness(Service(#"{"patients":[]}"#).panels())

        let search = try await answer("/Observation", harness)
        let read = try await answer("/Patient/pA", harness)

        #expect(search.status == 200 && !search.keys.contains { $0.hasPrefix("Observation/") })
        #expect(read.status == 404)
    }

    @Test(.verifies("house@panel-service")) func `the patients of the list are the user's, and nobody else`()
        async throws
    {
        let service = Service(#"{"patients":["pA"]}"#)
        let harness = try harness(service.panels())

        let own = try await answer("/Patient/pA", harness)
        let other = try await answer("/Patient/pB", harness)
        let search = try await answer("/Observation", harness)

        #expect(own.status == 200 && other.status == 404)
        #expect(search.keys.contains("Observation/obsA"))
        try expectNoLeak(search)
        #expect(service.asked.withLock { $0 } == ["Practitioner/dr9"], "an answer is kept")
    }

    @Test(.verifies("house@panel-service")) func `an answer is believed for its time and asked for again after it`()
        async throws
    {
        let service = Service(#"{"patients":["pA"]}"#)
        let harness = try harness(service.panels(secondsKept: 60))
        _ = try await answer("/Patient/pA", harness)
        service.says.withLock { $0 = #"{"patients":[]}"# }

        let before = try await answer("/Patient/pA", harness, at: GatewayHarness.now + 59)
        let after = try await answer("/Patient/pA", harness, at: GatewayHarness.now + 60)

        #expect(before.status == 200 && after.status == 404)
    }

    @Test(.verifies("house@panel-service")) func `a failure is not remembered`() async throws {
        let service = Service(nil)
        let harness = try harness(service.panels())

        let first = try await answer("/Patient/pA", harness)
        service.says.withLock { $0 = #"{"patients":["pA"]}"# }
        let second = try await answer("/Patient/pA", harness)

        #expect(first.status == 503 && second.status == 200)
    }

    @Test(.verifies("house@panel-service"))
    func `about whom the service is not meant, it is not asked`() async throws {
        let service = Service(#"{"patients":["pA","pB"]}"#)
        let harness = try harness(service.panels())

        let related = try await answer("/Patient/pA", harness, user: "RelatedPerson/rp1")
        let patient = try await answer("/Patient/pA", harness, user: "Patient/pB")
        let nobody = try await answer("/Patient/pA", harness, user: nil)
        let own = try await answer("/Patient/pA", harness, scope: "patient/*.rs", user: "Practitioner/dr9")

        #expect([related, patient, nobody, own].allSatisfy { $0.status == 403 || $0.status == 404 })
        #expect(service.asked.withLock { $0.isEmpty })
    }

    @Test(.verifies("house@panel-service")) func `a list of the configuration's goes before the service`() async throws
    {
        let service = Service(#"{"patients":["pB"]}"#)
        let user = try #require(InstanceKey("Practitioner/dr9"))
        let listed = PanelSource.table(users: [user: .patients([try #require(ResourceID("pA"))])])
            .asking(
                PanelService(types: [.practitioner]) { user in
                    service.asked.withLock { $0.append(user.description) }
                    return []
                })
        let harness = try harness(listed)

        let answer = try await answer("/Patient/pA", harness)

        #expect(answer.status == 200 && service.asked.withLock { $0.isEmpty })
    }

    @Test(.verifies("house@panel-service")) func `whoever has no token that counts asks nothing of the service`()
        async throws
    {
        let service = Service(#"{"patients":["pA"]}"#)
        let harness = try harness(service.panels())
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr9", expiresIn: 1)
        let late = ClientRequest(
            method: "GET", path: "/Patient/pA", query: nil, headers: [("Authorization", "Bearer \(token)")],
            receivedAt: (GatewayHarness.now + 10) * 1000)

        #expect(!harness.enforcer.needsPreparation(late))
        await harness.enforcer.prepare(late)

        #expect(service.asked.withLock { $0.isEmpty })
    }

    @Test(.verifies("house@panel-service")) func `a list longer than a panel may be is no answer`() {
        let ids = (0...PanelService.maxPatients).map { "\"p\($0)\"" }
        let text = "{\"patients\":[\(ids.joined(separator: ","))]}"

        #expect(PanelService.panel(in: Array(text.utf8)) == nil)
        #expect(PanelService.panel(in: Array("{\"patients\":[\(ids.dropLast().joined(separator: ","))]}".utf8)) != nil)
    }
}
