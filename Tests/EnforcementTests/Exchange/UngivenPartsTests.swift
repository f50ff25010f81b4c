import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import FHIRXML
import RequirementTraits
import Testing

/// No entry of a batch or transaction that was not answered says that something was given (ADR 63, 78).
@Suite struct UngivenPartsTests {
    private func setUp(
        revocation: @escaping @Sendable (GrantedAccess) -> AccessTokenVerifier.RevocationStatus = { _ in .active },
        hangsUp: @escaping @Sendable (UpstreamRequest) -> Bool = { _ in false }
    ) throws -> (GatewayHarness, String?) {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        var harness = try GatewayHarness(upstream: store.upstream, revocation: revocation)
        harness.hangsUp = hangsUp
        return (harness, try AttackCatalogue.shared.get().token("Pw", from: harness))
    }

    private func send(
        _ entries: [String], as type: String = "batch", _ harness: GatewayHarness, _ token: String?
    ) async throws -> [AccessRecord] {
        let answer = await harness.send(
            "POST", "", token: token, headers: BundleBuilder.json, body: BundleBuilder.bundle(type, entries))
        return try Self.records(answer)
    }

    private static func records(_ answer: GatewayHarness.Answer) throws -> [AccessRecord] {
        try answer.records.filter { $0.index.phase != .opening }.compactMap { entry in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
    }

    private func expectNothingGiven(_ records: [AccessRecord], parts: Int) {
        #expect(records.filter { $0.parent != nil }.count == parts)
        #expect(records.allSatisfy { $0.released == 0 })
        #expect(!records.contains { $0.outcome == .permitted }, "\(records.map(\.outcome))")
    }

    private static let reads = [
        BundleBuilder.entry("GET", "Observation/obsA"), BundleBuilder.entry("GET", "Patient/pA"),
    ]

    @Test(.verifies("audit@parts-as-their-whole"))
    func `a client that hangs up between two reads was given neither`() async throws {
        let (harness, token) = try setUp(hangsUp: { $0.path == "/Patient/pA" })

        let records = try await send(Self.reads, harness, token)

        expectNothingGiven(records, parts: 2)
        #expect(records.allSatisfy { $0.outcome == .failed(reason: "upstream-abandoned") })
    }

    @Test(.verifies("audit@parts-as-their-whole"))
    func `a token that ends between two reads gives neither`() async throws {
        let asked = Counter()
        let (harness, token) = try setUp(revocation: { _ in asked.next() > 2 ? .revoked : .active })

        let records = try await send(Self.reads, harness, token)

        expectNothingGiven(records, parts: 2)
        let whole = try #require(records.last)
        #expect(whole.outcome.code == "refused")
        #expect(records.allSatisfy { $0.outcome == whole.outcome })
    }

    @Test(.verifies("audit@parts-as-their-whole"))
    func `what was written for a client that is gone is done and not answered`() async throws {
        let (harness, token) = try setUp(hangsUp: { $0.method == .delete })

        let records = try await send(
            Self.reads + [BundleBuilder.entry("DELETE", "Condition/condA")], harness, token)

        expectNothingGiven(records, parts: 3)
        #expect(records[2].interaction == .delete)
        #expect(records[2].outcome == .interrupted(reason: "done-not-answered: status-204"))
        #expect(records[3].outcome.code == "interrupted")
        #expect(records[0].outcome == records[3].outcome && records[1].outcome == records[3].outcome)
    }

    @Test(.verifies("audit@parts-as-their-whole"))
    func `a token that ends behind a write of a batch leaves it as done and not answered`() async throws {
        let asked = Counter()
        let (harness, token) = try setUp(revocation: { _ in asked.next() > 4 ? .revoked : .active })

        let records = try await send(
            [BundleBuilder.entry("DELETE", "Observation/obsA"), BundleBuilder.entry("GET", "Patient/pA")], harness,
            token)

        expectNothingGiven(records, parts: 2)
        #expect(records[0].outcome == .interrupted(reason: "done-not-answered: status-204"), "\(records)")
    }

    @Test(.verifies("audit@parts-as-their-whole"))
    func `a transaction whose client is gone when it is done has no part that was answered`() async throws {
        let (harness, token) = try setUp(hangsUp: { $0.method == .post })

        let records = try await send(
            [
                BundleBuilder.entry("POST", "Observation", BundleBuilder.observation()),
                BundleBuilder.entry("GET", "Patient/pA"),
            ], as: "transaction", harness, token)

        expectNothingGiven(records, parts: 2)
        #expect(records[0].outcome == .interrupted(reason: "done-not-answered: status-201"))
    }

    @Test(.verifies("audit@parts-as-their-whole"))
    func `a batch that cannot be written as XML has no part that was given`() async throws {
        let odd =
            #"{"resourceType":"Observation","id":"obsA","status":"final","code":{"text":"a"},"subject":{"reference":"Patient/pA"},"ours":1}"#
        let harness = try GatewayHarness(
            upstream: ScriptedUpstream { _ in
                .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(odd.utf8))
            })
        let batch = BundleBuilder.bundle("batch", [BundleBuilder.entry("GET", "Observation/obsA")])

        let answer = await harness.send(
            "POST", "", token: try harness.token(scope: "patient/*.rs", patient: "pA"),
            headers: [
                (name: "Accept", value: "application/fhir+xml"), (name: "Content-Type", value: "application/fhir+xml"),
            ], body: try ResourceXML.xml(fromJSON: batch))

        #expect(answer.status == 406)
        let records = try Self.records(answer)
        expectNothingGiven(records, parts: 1)
        #expect(records.allSatisfy { $0.outcome == .failed(reason: "answer-unwritable") })
    }

    // MARK: - HEAD

    @Test(.verifies("audit@head-releases-nothing"), arguments: ["/Patient/pA", "/Observation?patient=pA"])
    func `HEAD releases nothing`(target: String) async throws {
        let (harness, token) = try setUp()

        let whole = try Self.records(await harness.send("GET", target, token: token))
        let head = try Self.records(await harness.send("HEAD", target, token: token))

        #expect(whole.map(\.released).reduce(0, +) > 0)
        #expect(head.map(\.released) == [0])
        #expect(head.map(\.outcome) == [.permitted])
    }

    @Test(.verifies("audit@head-releases-nothing"))
    func `HEAD in a batch releases nothing`() async throws {
        let (harness, token) = try setUp()

        let records = try await send(
            [BundleBuilder.entry("HEAD", "Observation/obsA"), BundleBuilder.entry("GET", "Patient/pA")], harness, token)

        #expect(records.map(\.released) == [0, 1, 1])
    }
}
