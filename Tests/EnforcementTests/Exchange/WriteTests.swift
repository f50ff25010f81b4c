import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Writes: what is looked at first, what they are tied to, and what the record says.
@Suite(.underMutation) struct WriteTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private static func observation(_ id: String?, subject: String) -> [UInt8] {
        let idMember = id.map { #""id":"\#($0)","# } ?? ""
        return Array(
            #"{"resourceType":"Observation",\#(idMember)"status":"final","code":{"text":"x"},"subject":{"reference":"\#(subject)"}}"#
                .utf8)
    }

    private func setUp(_ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 }) throws -> (
        AttackCatalogue, ScriptedRecords, GatewayHarness, String
    ) {
        let catalogue = try AttackCatalogue.shared.get()
        let store = catalogue.store(.obedient)
        let harness = try GatewayHarness(upstream: change(store.upstream))
        return (catalogue, store, harness, try #require(try catalogue.token("Pw", from: harness)))
    }

    @Test(.verifies("attack@ATK-117"))
    func `a body that moves a record to another patient is refused before anything stored is read`() async throws {
        let (_, _, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Observation/obsA", token: token, headers: Self.json,
            body: Self.observation("obsA", subject: "Patient/pB"))

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-116"))
    func `a foreign record cannot be taken over`() async throws {
        let (_, store, harness, token) = try setUp()
        let key = try #require(InstanceKey("Observation/obsB"))
        let before = store.current(key)

        let answer = await harness.send(
            "PUT", "/Observation/obsB", token: token, headers: Self.json,
            body: Self.observation("obsB", subject: "Patient/pA"))

        #expect(answer.status == 404)
        #expect(answer.upstream.map(\.method) == [.get])
        #expect(store.current(key) == before)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-104"))
    func `a record cannot be made for another patient`() async throws {
        let (_, _, harness, token) = try setUp()

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(nil, subject: "Patient/pB"))

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `an update is tied to the version that was judged`() async throws {
        let (_, store, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Observation/obsA", token: token, headers: Self.json,
            body: Self.observation("obsA", subject: "Patient/pA"))

        #expect(answer.status == 200)
        #expect(answer.upstream.map(\.method) == [.get, .put])
        #expect(answer.upstream.last?.ifMatch == "W/\"1\"")
        #expect(answer.field("etag") == "W/\"2\"")
        #expect(answer.records.map(\.index.phase) == [.opening, .closing])
        let key = try #require(InstanceKey("Observation/obsA"))
        #expect(store.current(key)?["meta"]?["versionId"]?.string == "2")
    }

    @Test func `a delete is tied to the version that was judged`() async throws {
        let (_, store, harness, token) = try setUp()

        let answer = await harness.send("DELETE", "/Observation/obsA", token: token)

        #expect(answer.status == 204)
        #expect(answer.body.isEmpty)
        #expect(answer.upstream.last?.ifMatch == "W/\"1\"")
        #expect(store.current(try #require(InstanceKey("Observation/obsA"))) == nil)
    }

    @Test(arguments: [409, 412])
    func `a version that changed in between is a conflict and changes nothing`(status: Int) async throws {
        let raced = Mutex(false)
        let (_, store, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                guard request.method == .put else { return reply }
                raced.withLock { $0 = true }
                return .answer(UpstreamHead(status: status, contentType: "application/fhir+json"), [])
            }
        }
        _ = store

        let answer = await harness.send(
            "PUT", "/Observation/obsA", token: token, headers: Self.json,
            body: Self.observation("obsA", subject: "Patient/pA"))

        #expect(raced.withLock { $0 })
        #expect(answer.status == status)
        #expect(answer.records.map(\.index.outcome) == ["pending", "refused"])
    }

    @Test func `the client's own If-Match is held against the stored version`() async throws {
        let (_, _, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Observation/obsA", token: token, headers: Self.json + [(name: "If-Match", value: "W/\"9\"")],
            body: Self.observation("obsA", subject: "Patient/pA"))

        #expect(answer.status == 412)
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test func `a stored version without a version id cannot be written over`() async throws {
        let (_, _, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                guard request.method == .get else { return reply }
                return .answer(
                    UpstreamHead(status: 200, contentType: "application/fhir+json"),
                    Self.observation("obsA", subject: "Patient/pA"))
            }
        }

        let answer = await harness.send("DELETE", "/Observation/obsA", token: token)

        #expect(answer.status == 502)
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test(arguments: UpstreamFailure.allCases)
    func `a write whose outcome is not known is recorded as such`(failure: UpstreamFailure) async throws {
        let (_, _, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in request.method == .put ? .failure(failure) : reply }
        }

        let answer = await harness.send(
            "PUT", "/Observation/obsA", token: token, headers: Self.json,
            body: Self.observation("obsA", subject: "Patient/pA"))

        #expect(answer.status >= 500)
        let expected = failure.mayHaveReachedServer ? "interrupted" : "failed"
        #expect(answer.records.map(\.index.outcome) == ["pending", expected])
    }

    @Test(arguments: UpstreamFailure.allCases)
    func `a failed look at the stored version is no write`(failure: UpstreamFailure) async throws {
        let (_, _, harness, token) = try setUp { $0.mapping { _, _ in .failure(failure) } }

        let answer = await harness.send("DELETE", "/Observation/obsA", token: token)

        // What is too large to be judged may be anybody's, and looks like what is not there.
        #expect(failure == .tooLarge ? answer.status == 404 : answer.status >= 500)
        #expect(answer.upstream.count == 1)
        #expect(answer.records.map(\.index.outcome) == ["failed"])
    }
}

/// What happens when the log cannot be written.
@Suite(.underMutation) struct AuditFailureTests {
    private func send(_ method: String, failingAppend: Int) async throws -> GatewayHarness.Answer {
        let catalogue = try AttackCatalogue.shared.get()
        let count = Mutex(0)
        let box = Mutex<InMemoryAuditSink?>(nil)
        let sink = InMemoryAuditSink(gate: {
            let number = count.withLock { count in
                count += 1
                return count
            }
            box.withLock { $0 }?.behave(number >= failingAppend ? .fails : .works)
        })
        box.withLock { $0 = sink }
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream, sink: sink)
        let token = try catalogue.token("Pw", from: harness)
        return await harness.send(method, "/Observation/obsA", token: token)
    }

    @Test func `a read that cannot be recorded is answered without data`() async throws {
        let answer = try await send("GET", failingAppend: 1)

        #expect(answer.status == 503)
        #expect(!answer.text.contains("obsA"))
        #expect(answer.records.isEmpty)
        #expect(answer.field("x-request-id")?.isEmpty == false)
    }

    @Test func `a write that cannot be opened in the log is not forwarded`() async throws {
        let answer = try await send("DELETE", failingAppend: 1)

        #expect(answer.status == 503)
        #expect(answer.upstream.map(\.method) == [.get], "looked at, and not changed")
    }

    @Test func `a write that cannot be closed in the log stays open for recovery`() async throws {
        let answer = try await send("DELETE", failingAppend: 2)

        #expect(answer.status == 503)
        #expect(answer.upstream.map(\.method) == [.get, .delete])
        #expect(answer.records.map(\.index.phase) == [.opening])
    }

    @Test func `a refusal that cannot be recorded is not given either`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let sink = InMemoryAuditSink()
        let harness = try GatewayHarness(upstream: catalogue.store(.obedient).upstream, sink: sink)
        let token = try catalogue.token("PO", from: harness)
        sink.behave(.fails)

        let answer = await harness.send("GET", "/Condition/condA", token: token)

        #expect(answer.status == 503)
    }
}
