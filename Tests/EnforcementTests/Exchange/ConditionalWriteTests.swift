import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Conditional writes: what is asked, what is bound, and how a race ends.
@Suite(.underMutation) struct ConditionalWriteTests {
    static let json = [(name: "Content-Type", value: "application/fhir+json")]

    static func observation(_ id: String? = nil, code: String = "new-1") -> [UInt8] {
        let idMember = id.map { #""id":"\#($0)","# } ?? ""
        return Array(
            #"{"resourceType":"Observation",\#(idMember)"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"\#(code)"}]},"subject":{"reference":"Patient/pA"}}"#
                .utf8)
    }

    static func condition(_ text: String) -> [(name: String, value: String)] {
        json + [(name: "If-None-Exist", value: text)]
    }

    private func setUp(
        _ obedience: ScriptedRecords.Obedience = .obedient, token: String = "Pw",
        _ change: (ScriptedUpstream, ScriptedRecords) -> ScriptedUpstream = { upstream, _ in upstream }
    ) throws -> (ScriptedRecords, GatewayHarness, String?) {
        let store = try AttackCatalogue.shared.get().store(obedience)
        let harness = try GatewayHarness(upstream: change(store.upstream, store))
        return (store, harness, try AttackCatalogue.shared.get().token(token, from: harness))
    }

    @Test func `a condition is searched inside the boundary and sent with the create in the same words`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.condition("code=http://loinc.org|new-1"),
            body: Self.observation())

        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .post])
        #expect(answer.upstream.map(\.path) == ["/Observation", "/Observation"])
        let narrowed = "code=http://loinc.org%7Cnew-1&patient=Patient/pA"
        #expect(answer.upstream.first?.query == narrowed)
        #expect(answer.upstream.last?.ifNoneExist == narrowed)
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
        #expect(answer.records.map(\.index.interaction) == ["create", "create"])
    }

    @Test func `a second create finds the first one`() async throws {
        let (store, harness, token) = try setUp()
        let headers = Self.condition("code=http://loinc.org|new-1")
        let first = await harness.send("POST", "/Observation", token: token, headers: headers, body: Self.observation())
        let before = store.currentRecords

        let second = await harness.send(
            "POST", "/Observation", token: token, headers: headers, body: Self.observation())

        #expect(second.status == 200)
        #expect(second.field("location") == first.field("location"))
        #expect(second.json?["id"] == first.json?["id"])
        #expect(second.upstream.map(\.method) == [.get])
        #expect(store.currentRecords == before)
    }

    @Test func `what is there is not shown when it was not asked for`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "POST", "/Observation", token: token,
            headers: Self.condition("_id=obsA") + [(name: "Prefer", value: "return=minimal")], body: Self.observation())

        #expect(answer.status == 200)
        #expect(answer.body.isEmpty)
        #expect(answer.field("location") == "https://gw.example/fhir/Observation/obsA/_history/1")
    }

    @Test func `a race that the server notices ends with what the other one made`() async throws {
        let others = Mutex(false)
        let (store, harness, token) = try setUp { upstream, store in
            upstream.mapping { request, reply in
                // Between the look and the create somebody else makes the same.
                if request.method == .get, !others.withLock({ $0 }) {
                    others.withLock { $0 = true }
                    store.add(Self.observation("other"))
                }
                return reply
            }
        }

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.condition("code=http://loinc.org|new-1"),
            body: Self.observation())

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.field("location")?.contains("Observation/other") == true)
        #expect(answer.upstream.map(\.method) == [.get, .post, .get])
        #expect(store.currentRecords.keys.filter { $0.id.text.hasPrefix("new-") }.isEmpty)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-143"), arguments: [200, 412])
    func `a match that the server claims and the token does not see counts for nothing`(status: Int) async throws {
        let (store, harness, token) = try setUp { upstream, _ in
            ScriptedUpstream { request in
                guard request.ifNoneExist != nil else { return upstream.reply(to: request) }
                // It looks outside the boundary and finds a record of somebody else.
                return .answer(
                    UpstreamHead(
                        status: status, contentType: "application/fhir+json",
                        location: "http://upstream.example:8082/fhir/Observation/obsB/_history/1"),
                    Array(#"{"resourceType":"Observation","id":"obsB","valueString":"SECRET-B"}"#.utf8))
            }
        }

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.condition("code=http://loinc.org|new-1"),
            body: Self.observation())

        #expect(answer.upstream.map(\.method) == [.get, .post, .get, .post])
        #expect(answer.upstream.last?.ifNoneExist == nil)
        // The store itself was not reached by the first create, the second one is plain.
        #expect(answer.status == 201, "\(answer.text)")
        #expect(!answer.text.contains("obsB"))
        #expect(store.currentRecords.keys.contains { $0.id.text.hasPrefix("new-") })
        try expectNoLeak(answer)
    }

    @Test func `an update by a condition is tied to the version that met it`() async throws {
        let (store, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Observation?_id=obsA", token: token, headers: Self.json, body: Self.observation())

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .get, .put])
        #expect(answer.upstream.last?.path == "/Observation/obsA")
        #expect(answer.upstream.last?.ifMatch == "W/\"1\"")
        #expect(store.current(try #require(InstanceKey("Observation/obsA")))?["id"]?.string == "obsA")
        #expect(answer.records.map(\.index.interaction) == ["update", "update"])
    }

    @Test(arguments: ["PUT", "DELETE"])
    func `a version that changes after the look is a conflict`(method: String) async throws {
        let changed = Mutex(false)
        let (store, harness, token) = try setUp { upstream, store in
            upstream.mapping { request, reply in
                if request.path == "/Observation", !changed.withLock({ $0 }) {
                    changed.withLock { $0 = true }
                    store.add(Self.observation("obsA", code: "changed"))
                }
                return reply
            }
        }

        let answer = await harness.send(
            method, "/Observation?_id=obsA", token: token, headers: method == "PUT" ? Self.json : [],
            body: method == "PUT" ? Self.observation() : [])

        #expect(answer.status == 412)
        #expect(answer.upstream.map(\.method) == [.get, .get])
        let stored = store.current(try #require(InstanceKey("Observation/obsA")))
        #expect(stored?["meta"]?["versionId"]?.string == "2")
    }

    @Test func `the client's own version is held against what is found`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "DELETE", "/Observation?_id=obsA", token: token, headers: [(name: "If-Match", value: "W/\"7\"")])

        #expect(answer.status == 412)
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test func `an update where nothing matches is a create under the condition`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Observation?code=http://loinc.org|new-1", token: token, headers: Self.json,
            body: Self.observation())

        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .post])
        #expect(answer.upstream.last?.ifNoneExist == "code=http://loinc.org%7Cnew-1&patient=Patient/pA")
    }

    @Test func `a match without a version is not written`() async throws {
        let (store, harness, token) = try setUp { upstream, _ in
            upstream.mapping { request, reply in
                guard request.path == "/Observation", case .answer(let head, let body) = reply else { return reply }
                let text = String(decoding: body, as: UTF8.self)
                return .answer(head, Array(text.replacing(#""versionId":"1","#, with: "").utf8))
            }
        }
        let before = store.currentRecords

        let answer = await harness.send("DELETE", "/Observation?_id=obsA", token: token)

        #expect(answer.status == 502)
        #expect(store.currentRecords == before)
    }

    /// A server that ignores conditions pages through the whole type; only what meets the condition counts.
    @Test func `all pages are looked at before nothing is said to match`() async throws {
        let (_, harness, token) = try setUp(.lenient) { upstream, store in
            ScriptedUpstream { request in store.paged(request, by: 2) ?? upstream.reply(to: request) }
        }

        let answer = await harness.send("DELETE", "/Observation?_id=obsA-vitals", token: token)

        #expect(answer.status == 204, "\(answer.text)")
        #expect(answer.upstream.count > 4)
    }

    @Test func `pages without an end are given up`() async throws {
        let (store, harness, token) = try setUp { upstream, _ in
            upstream.mapping { request, reply in
                guard request.path == "/Observation" || request.pageTarget != nil else { return reply }
                let bundle =
                    #"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://upstream.example:8082/fhir/Observation?page=2"}]}"#
                return .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(bundle.utf8))
            }
        }
        let before = store.currentRecords

        let answer = await harness.send("DELETE", "/Observation?_id=obsA", token: token)

        #expect(answer.status == 502)
        #expect(answer.upstream.count == 20)
        #expect(store.currentRecords == before)
    }

    @Test(arguments: UpstreamFailure.allCases)
    func `a failed look is no write`(failure: UpstreamFailure) async throws {
        let (_, harness, token) = try setUp { upstream, _ in upstream.mapping { _, _ in .failure(failure) } }

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.condition("_id=x"), body: Self.observation())

        #expect(answer.status >= 500)
        #expect(answer.upstream.count == 1)
        #expect(answer.records.map(\.index.outcome) == ["failed"])
    }

    /// No single query says "laboratory, or that code": both searches are looked at before nothing is said to match.
    @Test func `a condition under several limits is looked up in several searches`() async throws {
        let (store, harness, _) = try setUp()
        let category = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
        let token = try harness.token(
            scope:
                "patient/Observation.cds?category=\(category) patient/Observation.cds?code=http://loinc.org|8867-4",
            patient: "pA")

        let both = await harness.send("DELETE", "/Observation?_id=obsA,obsA-vitals", token: token)
        let second = await harness.send("DELETE", "/Observation?_id=obsA-vitals,obsB", token: token)
        let made = await harness.send(
            "POST", "/Observation", token: token, headers: Self.condition("_id=none"),
            body: Self.observation(code: "8867-4"))

        #expect(both.status == 412, "\(both.text)")
        #expect(second.status == 204, "\(second.text)")
        #expect(second.upstream.map(\.method) == [.get, .get, .get, .delete])
        #expect(store.current(try #require(InstanceKey("Observation/obsA-vitals"))) == nil)
        #expect(made.status == 201, "\(made.text)")
        #expect(made.upstream.last?.ifNoneExist == nil, "no one condition says both")
    }

    @Test func `every part of a condition is read strictly`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "DELETE", "/Observation?_id=obsA&unknown=1", token: token,
            headers: [(name: "Prefer", value: "handling=lenient")])

        #expect(answer.status == 400)
        #expect(answer.upstream.isEmpty)
    }
}
