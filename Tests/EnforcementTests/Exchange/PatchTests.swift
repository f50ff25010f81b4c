import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Patches are computed here and judged by what they make.
@Suite(.underMutation) struct PatchTests {
    private static let patch = [(name: "Content-Type", value: "application/json-patch+json")]

    private func setUp(
        token: String = "Pw", _ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 }
    ) throws -> (ScriptedRecords, GatewayHarness, String?) {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let harness = try GatewayHarness(upstream: change(store.upstream))
        return (store, harness, try AttackCatalogue.shared.get().token(token, from: harness))
    }

    private func send(
        _ operations: String, to target: String = "/Observation/obsA", _ harness: GatewayHarness, _ token: String?,
        headers: [(name: String, value: String)] = []
    ) async -> GatewayHarness.Answer {
        await harness.send(
            "PATCH", target, token: token, headers: Self.patch + headers, body: Array(operations.utf8))
    }

    @Test(.verifies("attack@ATK-128"))
    func `what a patch makes is sent as an update of the version that it was made of`() async throws {
        let (store, harness, token) = try setUp()

        let answer = await send(
            #"[{"op":"test","path":"/status","value":"final"},{"op":"replace","path":"/status","value":"amended"},{"op":"add","path":"/note","value":[{"text":"x"}]}]"#,
            harness, token)

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .put])
        #expect(answer.upstream.last?.ifMatch == "W/\"1\"")
        #expect(answer.upstream.last?.contentType == "application/fhir+json")
        let stored = store.current(try #require(InstanceKey("Observation/obsA")))
        #expect(stored?["status"]?.string == "amended")
        #expect(stored?["note"]?.array?.count == 1)
        #expect(stored?["subject"]?["reference"]?.string == "Patient/pA")
        #expect(answer.records.map(\.index.interaction) == ["patch", "patch"])
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
    }

    @Test(arguments: [
        #"[{"op":"test","path":"/status","value":"other"}]"#, #"[{"op":"remove","path":"/nothing"}]"#,
        #"[{"op":"replace","path":"","value":[]}]"#, #"[{"op":"remove","path":"/resourceType"}]"#,
        #"[{"op":"add","path":"/Bad name","value":1}]"#, #"[{"op":"remove","path":"/id"}]"#,
    ])
    func `a patch that cannot be applied or makes no resource changes nothing`(operations: String) async throws {
        let (store, harness, token) = try setUp()
        let before = store.currentRecords

        let answer = await send(operations, harness, token)

        #expect(answer.status == 422, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get])
        #expect(store.currentRecords == before)
        #expect(answer.records.map(\.index.outcome) == ["refused"])
    }

    @Test func `the client's own version is held against the stored one`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send("[]", harness, token, headers: [(name: "If-Match", value: "W/\"9\"")])

        #expect(answer.status == 412)
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test func `a version that changes meanwhile is a conflict`() async throws {
        let (store, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                request.method == .put
                    ? .answer(UpstreamHead(status: 412, contentType: "application/fhir+json"), []) : reply
            }
        }
        _ = store

        let answer = await send(#"[{"op":"replace","path":"/status","value":"amended"}]"#, harness, token)

        #expect(answer.status == 412)
        #expect(answer.records.map(\.index.outcome) == ["pending", "refused"])
    }

    @Test func `addresses that a patch does not touch stay the server's own`() async throws {
        let (store, harness, token) = try setUp()
        store.add(
            Array(
                #"{"resourceType":"DocumentReference","id":"docA","status":"current","subject":{"reference":"http://upstream.example:8082/fhir/Patient/pA"},"content":[{"attachment":{"url":"http://upstream.example:8082/fhir/Binary/b1"}}]}"#
                    .utf8))

        let answer = await send(
            #"[{"op":"test","path":"/content/0/attachment/url","value":"https://gw.example/fhir/Binary/b1"},{"op":"replace","path":"/status","value":"superseded"}]"#,
            to: "/DocumentReference/docA", harness, token)

        #expect(answer.status == 200, "\(answer.text)")
        let stored = store.current(try #require(InstanceKey("DocumentReference/docA")))
        #expect(stored?["subject"]?["reference"]?.string == "Patient/pA")
        #expect(
            stored?["content"]?.array?.first?["attachment"]?["url"]?.string
                == "http://upstream.example:8082/fhir/Binary/b1")
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-213"))
    func `nobody opens a file for themselves by pointing at it`() async throws {
        let (store, harness, token) = try setUp()
        store.add(
            Array(
                #"{"resourceType":"DocumentReference","id":"docA","status":"current","subject":{"reference":"Patient/pA"},"content":[{"attachment":{"url":"Binary/b1"}}]}"#
                    .utf8))

        let moved = await send(
            #"[{"op":"replace","path":"/content/0/attachment/url","value":"Binary/binB"}]"#,
            to: "/DocumentReference/docA", harness, token)
        let made = await harness.send(
            "POST", "/DocumentReference", token: token, headers: [("Content-Type", "application/fhir+json")],
            body: Array(
                #"{"resourceType":"DocumentReference","status":"current","subject":{"reference":"Patient/pA"},"content":[{"attachment":{"url":"Binary/binB"}}]}"#
                    .utf8))

        #expect((400...499).contains(moved.status), "\(moved.text)")
        #expect((400...499).contains(made.status), "\(made.text)")
        #expect(!(moved.upstream + made.upstream).contains { $0.method != .get })
    }

    @Test(.verifies("attack@ATK-131"))
    func `a foreign record and none are answered alike`() async throws {
        let (_, harness, token) = try setUp()
        var faces: Set<[UInt8]> = []

        for id in ["obsB", "none", "obs-orphan", "obsA-deleted"] {
            let answer = await send(
                #"[{"op":"test","path":"/status","value":"x"}]"#, to: "/Observation/\(id)", harness, token)
            #expect(answer.status == 404)
            faces.insert(answer.body)
        }

        #expect(faces.count == 1)
    }

    @Test func `a body that is cut for its reader is not written back cut`() async throws {
        let (store, harness, token) = try setUp()
        store.add(
            Array(
                #"{"resourceType":"Encounter","id":"encShared","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/pA"},"participant":[{"individual":{"reference":"Patient/pB"}}]}"#
                    .utf8))
        let before = store.currentRecords

        let answer = await send(
            #"[{"op":"replace","path":"/status","value":"cancelled"}]"#, to: "/Encounter/encShared", harness, token)

        #expect(answer.status == 403)
        #expect(store.currentRecords == before)
    }

    @Test func `a patch tells nothing of what its reader would not see`() async throws {
        let (store, harness, token) = try setUp()
        store.add(
            Array(
                #"{"resourceType":"Encounter","id":"encShared","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/pA"},"participant":[{"individual":{"reference":"Patient/pB"}}]}"#
                    .utf8))
        let place = #"[{"op":"test","path":"/participant/0/individual/reference","value":"#

        let right = await send(place + #""Patient/pB"}]"#, to: "/Encounter/encShared", harness, token)
        let wrong = await send(place + #""Patient/pC"}]"#, to: "/Encounter/encShared", harness, token)

        #expect((403...404).contains(right.status), "\(right.text)")
        #expect(right.status == wrong.status)
        #expect(right.body == wrong.body)
    }

    @Test func `a revoked token patches nothing`() async throws {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let asked = Counter()
        let harness = try GatewayHarness(
            upstream: store.upstream, revocation: { _ in asked.next() > 1 ? .revoked : .active })
        let token = try AttackCatalogue.shared.get().token("Pw", from: harness)
        let before = store.currentRecords

        let answer = await send(#"[{"op":"replace","path":"/status","value":"amended"}]"#, harness, token)

        #expect(answer.status == 401)
        #expect(store.currentRecords == before)
    }
}
