import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Updates are judged against what they replace, and bodies against what they refer to.
@Suite(.underMutation) struct ReplacementTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]

    private func setUp(_ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 }) throws -> (
        ScriptedRecords, GatewayHarness, String
    ) {
        let catalogue = try AttackCatalogue.shared.get()
        let store = catalogue.store(.obedient)
        let harness = try GatewayHarness(upstream: change(store.upstream))
        return (store, harness, try #require(try catalogue.token("Pw", from: harness)))
    }

    private static func patient(_ members: String) -> [UInt8] {
        Array(
            #"{"resourceType":"Patient","id":"pA",\#(members)"name":[{"family":"Alpha"}],"birthDate":"1970-01-01"}"#
                .utf8)
    }

    private static let ownNumber = #""identifier":[{"system":"http://mrn.example","value":"A100"}],"#

    @Test(
        .verifies("attack@ATK-123", "attack@ATK-124"),
        arguments: [
            #""identifier":[{"system":"http://mrn.example","value":"B123"}],"#, "",
            ownNumber + #""link":[{"other":{"reference":"Patient/pA"},"type":"seealso"}],"#,
        ])
    func `an update cannot change who a patient is`(members: String) async throws {
        let (store, harness, token) = try setUp()
        let key = try #require(InstanceKey("Patient/pA"))
        let before = store.current(key)

        let answer = await harness.send(
            "PUT", "/Patient/pA", token: token, headers: Self.json, body: Self.patient(members))

        #expect(answer.status == 403)
        #expect(answer.upstream.map(\.method) == [.get])
        #expect(store.current(key) == before)
        try expectNoLeak(answer)
    }

    @Test func `an update may change what does not say who a patient is`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "PUT", "/Patient/pA", token: token, headers: Self.json, body: Self.patient(Self.ownNumber))

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .put])
    }

    private static func observation(_ references: String) -> [UInt8] {
        Array(
            #"{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"},\#(references)}"#
                .utf8)
    }

    @Test(arguments: ["Encounter/encB", "Encounter/none", "Group/g1"])
    func `a body cannot refer to what its token cannot read`(reference: String) async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(#""encounter":{"reference":"\#(reference)"}"#))

        #expect(answer.status == 422)
        #expect(!answer.upstream.contains { $0.method == .post })
        try expectNoLeak(answer)
    }

    @Test func `a foreign reference and an absent one are answered alike`() async throws {
        let (_, harness, token) = try setUp()
        var bodies: Set<[UInt8]> = []

        for id in ["encB", "none"] {
            let answer = await harness.send(
                "POST", "/Observation", token: token, headers: Self.json,
                body: Self.observation(#""encounter":{"reference":"Encounter/\#(id)"}"#))
            bodies.insert(answer.body)
        }

        #expect(bodies.count == 1)
    }

    @Test func `a token that may not read a type cannot refer to it`() async throws {
        let (_, harness, _) = try setUp()
        let token = try harness.token(scope: "patient/Observation.cu", patient: "pA")

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(#""encounter":{"reference":"Encounter/encA"}"#))

        #expect(answer.status == 422)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `a body with too many references is refused before anything is read`() async throws {
        let (_, harness, token) = try setUp()
        let references = (0..<17).map { #"{"reference":"Observation/o\#($0)"}"# }.joined(separator: ",")

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(#""hasMember":[\#(references)]"#))

        #expect(answer.status == 422)
        #expect(answer.upstream.isEmpty)
    }

    @Test(arguments: UpstreamFailure.allCases)
    func `a failed look at a reference is no write`(failure: UpstreamFailure) async throws {
        let (_, harness, token) = try setUp { $0.mapping { _, _ in .failure(failure) } }

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(#""encounter":{"reference":"Encounter/encA"}"#))

        #expect(answer.status >= 422)
        #expect(answer.upstream.count == 1)
        #expect(answer.records.map(\.index.phase) != [.opening, .closing])
    }

    @Test func `a body may refer to the patient's own records`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await harness.send(
            "POST", "/Observation", token: token, headers: Self.json,
            body: Self.observation(
                #""encounter":{"reference":"Encounter/encA"},"hasMember":[{"reference":"Observation/obsA"}]"#))

        #expect(answer.status == 201, "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .get, .post])
    }
}

/// A grant that ends while its request is under way.
@Suite(.underMutation) struct EndingTokenTests {
    private func send(_ method: String, _ target: String, revokedAfter count: Int) async throws -> GatewayHarness.Answer
    {
        let catalogue = try AttackCatalogue.shared.get()
        let asked = Mutex(0)
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream,
            revocation: { _ in
                asked.withLock { asked in
                    asked += 1
                    return asked > count ? .revoked : .active
                }
            })
        return await harness.send(method, target, token: try catalogue.token("Pw", from: harness))
    }

    @Test(arguments: ["/Observation/obsA", "/Observation", "/Observation/obsA/_history"])
    func `an answer that comes after revocation is not released`(target: String) async throws {
        let answer = try await send("GET", target, revokedAfter: 1)

        #expect(answer.status == 401)
        #expect(answer.keys.isEmpty)
        try expectNoLeak(answer)
    }

    @Test func `a token that ran out meanwhile gets nothing`() async throws {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream, clock: { GatewayHarness.now + 400 })

        let answer = await harness.send(
            "GET", "/Observation/obsA", token: try harness.token(scope: "patient/*.rs", patient: "pA"))

        #expect(answer.status == 401)
    }

    @Test(arguments: [1, 2])
    func `a write is not forwarded after revocation`(count: Int) async throws {
        let answer = try await send("DELETE", "/Observation/obsA", revokedAfter: count)

        #expect(answer.status == 401)
        #expect(answer.upstream.map(\.method) == [.get])
    }

    @Test func `a write that was done before revocation is recorded as done`() async throws {
        let answer = try await send("DELETE", "/Observation/obsA", revokedAfter: 3)

        #expect(answer.status == 401)
        #expect(answer.upstream.map(\.method) == [.get, .delete])
        #expect(answer.records.map(\.index.outcome) == ["pending", "interrupted"])
    }
}

/// Whose records a write touched, for tokens that name no patient.
@Suite(.underMutation) struct WriteRecordTests {
    private func backend() throws -> (GatewayHarness, String) {
        let catalogue = try AttackCatalogue.shared.get()
        let harness = try GatewayHarness(
            upstream: catalogue.store(.obedient).upstream,
            panels: .table(users: [:], clients: [ClientID("backend"): .everyone]))
        return (harness, try harness.token(scope: "system/*.cruds", client: "backend", subject: nil))
    }

    @Test(arguments: ["return=minimal", "return=representation"])
    func `both records of an update name the patient`(prefer: String) async throws {
        let (harness, token) = try backend()

        let answer = await harness.send(
            "PUT", "/Observation/obsB", token: token,
            headers: [(name: "Content-Type", value: "application/fhir+json"), (name: "Prefer", value: prefer)],
            body: Array(
                #"{"resourceType":"Observation","id":"obsB","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#
                    .utf8))

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.records.map { Set($0.index.patients) } == [["pA", "pB"], ["pA", "pB"]])
    }

    @Test func `both records of a delete name the patient`() async throws {
        let (harness, token) = try backend()

        let answer = await harness.send("DELETE", "/Observation/obsB", token: token)

        #expect(answer.status == 204)
        #expect(answer.records.map { $0.index.patients } == [["pB"], ["pB"]])
    }
}
