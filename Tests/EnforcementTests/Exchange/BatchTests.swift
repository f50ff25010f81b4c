import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Batches: every entry on its own, one record of the whole and one of each entry.
@Suite(.underMutation) struct BatchTests {
    private func setUp(
        _ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 },
        revocation: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active }
    ) throws -> (ScriptedRecords, GatewayHarness, String?) {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let harness = try GatewayHarness(upstream: change(store.upstream), revocation: revocation)
        return (store, harness, try AttackCatalogue.shared.get().token("Pw", from: harness))
    }

    private func send(
        _ entries: [String], _ harness: GatewayHarness, _ token: String?, prefer: String? = nil
    ) async -> GatewayHarness.Answer {
        await harness.send(
            "POST", "", token: token,
            headers: BundleBuilder.json + (prefer.map { [(name: "Prefer", value: $0)] } ?? []),
            body: BundleBuilder.bundle("batch", entries))
    }

    @Test(.verifies("attack@ATK-154"))
    func `answers stand in the order of the entries and changes are made in FHIR's order`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry("GET", "Observation/obsA"),
                BundleBuilder.entry(
                    "PUT", "Observation/obsA",
                    BundleBuilder.observation("obsA", more: #","issued":"2026-01-01T00:00:00Z""#)),
                BundleBuilder.entry("POST", "Observation", BundleBuilder.observation()),
                BundleBuilder.entry("GET", "Observation/obsB"),
                BundleBuilder.entry("DELETE", "Condition/condA"),
            ], harness, token)

        #expect(answer.status == 200)
        #expect(answer.json?["type"]?.string == "batch-response")
        #expect(answer.entryStatuses == [200, 200, 201, 404, 204], "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .get, .delete, .post, .put, .get, .get])
        // Reads see what the writes did.
        let first = answer.json?["entry"]?.array?.first?["resource"]
        #expect(first?["issued"]?.string == "2026-01-01T00:00:00Z")
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@bundle-records"))
    func `the opening record names everything that may be changed before anything is`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry("POST", "Observation", BundleBuilder.observation()),
                BundleBuilder.entry("PUT", "Observation/obsA", BundleBuilder.observation("obsA")),
                BundleBuilder.entry("DELETE", "Observation/obsB"), BundleBuilder.entry("GET", "Patient/pA"),
            ], harness, token)

        let opening = try #require(answer.records.first)
        #expect(opening.index.phase == .opening)
        guard case .access(let record) = try opening.statement().event else {
            Issue.record("no record of an access")
            return
        }
        #expect(record.interaction == .batch)
        #expect(record.targets == ["POST Observation", "PUT Observation/obsA", "DELETE Observation/obsB"])
        #expect(record.patients == ["pA"])
    }

    @Test(.verifies("house@bundle-records"))
    func `each entry has a record that names the whole`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry("PUT", "Observation/obsA", BundleBuilder.observation("obsA")),
                BundleBuilder.entry("GET", "Observation/obsB"), BundleBuilder.entry("GET", "https://x.test/y"),
            ], harness, token)

        let records = try answer.records.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .whole, .whole, .closing])
        let whole = try #require(records.last)
        let parts = records.filter { $0.parent != nil }
        #expect(parts.allSatisfy { $0.parent == whole.decisionID })
        #expect(parts.map(\.decisionID.text) == (1...3).map { "\(whole.decisionID.text).\($0)" })
        #expect(parts.map(\.interaction) == [.update, .read, .unclassified])
        #expect(parts.map(\.outcome.code) == ["permitted", "refused", "refused"])
        #expect(parts.map(\.resourceID) == ["obsA", "obsB", nil])
        #expect(whole.interaction == .batch)
        #expect(answer.field("x-request-id") == whole.decisionID.text)
    }

    @Test func `a batch of reads opens nothing`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [BundleBuilder.entry("GET", "Observation/obsA"), BundleBuilder.entry("GET", "Observation?code=718-7")],
            harness, token)

        #expect(answer.entryStatuses == [200, 200])
        #expect(answer.records.map(\.index.phase) == [.whole, .whole, .whole])
        #expect(answer.text.contains("searchset"))
        try expectNoLeak(answer)
    }

    @Test func `an empty batch is answered`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send([], harness, token)

        #expect(answer.status == 200)
        #expect(answer.json?["entry"] == nil)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `the preference of the whole is that of each entry`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [BundleBuilder.entry("POST", "Observation", BundleBuilder.observation())], harness, token,
            prefer: "return=minimal")

        #expect(answer.entryStatuses == [201])
        #expect(answer.json?["entry"]?.array?.first?["resource"] == nil)
        #expect(
            answer.json?["entry"]?.array?.first?["response"]?["location"]?.string?.hasPrefix("https://gw.example")
                == true)
    }

    @Test func `names of other entries mean nothing in a batch`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry("POST", "Encounter", BundleBuilder.encounter(), name: BundleBuilder.first),
                BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(more: #","encounter":{"reference":"\#(BundleBuilder.first)"}"#)),
            ], harness, token)

        #expect(answer.entryStatuses == [201, 422], "\(answer.text)")
    }

    @Test func `a patch in a Bundle is a Binary`() async throws {
        let (store, harness, token) = try setUp()
        // [{"op":"replace","path":"/status","value":"amended"}]
        let data = "W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9zdGF0dXMiLCJ2YWx1ZSI6ImFtZW5kZWQifV0="
        let binary =
            #"{"resourceType":"Binary","contentType":"application/json-patch+json","data":"\#(data)"}"#

        let answer = await send(
            [
                BundleBuilder.entry("PATCH", "Observation/obsA", binary),
                BundleBuilder.entry("PATCH", "Observation/obsA", #"{"resourceType":"Parameters"}"#),
                BundleBuilder.entry(
                    "PATCH", "Observation/obsA",
                    #"{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10"}"#),
            ], harness, token)

        #expect(answer.entryStatuses == [200, 415, 400], "\(answer.text)")
        #expect(store.current(try #require(InstanceKey("Observation/obsA")))?["status"]?.string == "amended")
    }

    @Test func `a server that fails for one entry fails for no other`() async throws {
        let (_, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in request.method == .post ? .failure(.timedOut) : reply }
        }

        let answer = await send(
            [
                BundleBuilder.entry("POST", "Observation", BundleBuilder.observation()),
                BundleBuilder.entry("PUT", "Observation/obsA", BundleBuilder.observation("obsA")),
            ], harness, token)

        #expect(answer.entryStatuses == [504, 200])
        let outcomes = answer.records.filter { $0.parent != nil }.map(\.index.outcome)
        #expect(outcomes == ["interrupted", "permitted"], "what may have happened is not told as a failure")
    }

    @Test func `a revoked token ends a batch where it stands`() async throws {
        let asked = Counter()
        let (store, harness, token) = try setUp(revocation: { _ in asked.next() > 4 ? .revoked : .active })

        let answer = await send(
            [
                BundleBuilder.entry("DELETE", "Observation/obsA"), BundleBuilder.entry("DELETE", "Condition/condA"),
                BundleBuilder.entry("GET", "Patient/pA"),
            ], harness, token)

        #expect(answer.status == 401)
        #expect(answer.upstream.map(\.method) == [.get, .get, .delete])
        #expect(store.current(try #require(InstanceKey("Condition/condA"))) != nil)
        #expect(answer.records.last?.index.outcome == "interrupted")
        #expect(!answer.text.contains("Alpha"))
        try expectNoLeak(answer)
    }

    @Test func `one request cannot ask for everything`() async throws {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        var limits = Enforcer.Limits()
        limits.answerBytes = 3_000
        let harness = try GatewayHarness(upstream: store.upstream, limits: limits)
        let token = try AttackCatalogue.shared.get().token("Pw", from: harness)

        let answer = await send(
            Array(repeating: BundleBuilder.entry("GET", "Observation/obsA"), count: 60), harness, token)

        #expect(answer.status == 200)
        #expect(answer.entryStatuses.first == 200)
        #expect(answer.entryStatuses.last == 413)
        #expect(answer.body.count < 30_000)
        #expect(answer.upstream.count < 60)
    }

    @Test(.verifies("attack@ATK-168"))
    func `a Bundle has a bounded number of entries`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            Array(repeating: BundleBuilder.entry("GET", "Observation/obsA"), count: 501), harness, token)

        #expect(answer.status == 413)
        #expect(answer.upstream.isEmpty)
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-168"))
    func `an entry has a bounded size`() async throws {
        let (_, harness, token) = try setUp()
        let large = String(repeating: "x", count: 9 << 20)

        let answer = await send(
            [
                BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(more: #","note":[{"text":"\#(large)"}]"#))
            ],
            harness, token)

        #expect(answer.status == 413)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `an entry's conditions are held as a request's`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry("DELETE", "Observation?_id=obsA,obsB"),
                BundleBuilder.entry(
                    "PUT", "Condition?_id=condB", #"{"resourceType":"Condition","subject":{"reference":"Patient/pA"}}"#),
                BundleBuilder.entry("DELETE", "Observation?status=final"),
            ], harness, token)

        #expect(answer.entryStatuses == [204, 201, 412], "\(answer.text)")
        try expectNoLeak(answer)
    }
}
