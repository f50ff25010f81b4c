import AccessPolicy
import Audit
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Transactions: all or nothing, sent once, made of judged entries.
@Suite(.underMutation) struct TransactionTests {
    private func setUp(
        token: String = "Pw", _ change: (ScriptedUpstream) -> ScriptedUpstream = { $0 }
    ) throws -> (ScriptedRecords, GatewayHarness, String?) {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let harness = try GatewayHarness(upstream: change(store.upstream))
        return (store, harness, try AttackCatalogue.shared.get().token(token, from: harness))
    }

    private func send(
        _ entries: [String], _ harness: GatewayHarness, _ token: String?
    ) async -> GatewayHarness.Answer {
        await harness.send(
            "POST", "", token: token, headers: BundleBuilder.json,
            body: BundleBuilder.bundle("transaction", entries))
    }

    private func sentBundle(_ answer: GatewayHarness.Answer) throws -> JSONValue {
        let request = try #require(answer.upstream.first { $0.method == .post && $0.path.isEmpty })
        return try JSONValue(parsing: request.body)
    }

    private static let four = [
        BundleBuilder.entry(
            "POST", "Observation",
            BundleBuilder.observation(more: #","encounter":{"reference":"\#(BundleBuilder.first)"}"#)),
        BundleBuilder.entry("POST", "Encounter", BundleBuilder.encounter(), name: BundleBuilder.first),
        BundleBuilder.entry("PUT", "Observation/obsA", BundleBuilder.observation("obsA")),
        BundleBuilder.entry("DELETE", "Condition/condA"),
    ]

    @Test(.verifies("house@transaction"))
    func `what is sent is one transaction of judged entries tied to their versions`() async throws {
        let (store, harness, token) = try setUp()

        let answer = await send(Self.four, harness, token)

        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.json?["type"]?.string == "transaction-response")
        #expect(answer.entryStatuses == [201, 201, 200, 204], "\(answer.text)")
        #expect(answer.upstream.map(\.method) == [.get, .get, .post])
        let sent = try sentBundle(answer)
        let requests = try #require(sent["entry"]?.array).compactMap { $0["request"] }
        #expect(requests.map { $0["method"]?.string } == ["POST", "POST", "PUT", "DELETE"])
        #expect(
            requests.map { $0["url"]?.string } == ["Observation", "Encounter", "Observation/obsA", "Condition/condA"])
        #expect(requests.map { $0["ifMatch"]?.string } == [nil, nil, "W/\"1\"", "W/\"1\""])
        let made = store.currentRecords.filter { $0.key.id.text.hasPrefix("new-") }
        let encounter = try #require(made.keys.first { $0.type == .encounter })
        let observation = try #require(made.first { $0.key.type == .observation }?.value)
        #expect(observation["encounter"]?["reference"]?.string == encounter.description)
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@bundle-records"))
    func `the records name every change and every entry`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(Self.four, harness, token)

        let records = try answer.records.compactMap { entry -> AccessRecord? in
            guard case .access(let record) = try entry.statement().event else { return nil }
            return record
        }
        #expect(answer.records.map(\.index.phase) == [.opening, .whole, .whole, .whole, .whole, .closing])
        #expect(
            records.first?.targets == [
                "POST Observation", "POST Encounter", "PUT Observation/obsA", "DELETE Condition/condA",
            ])
        #expect(records.filter { $0.parent != nil }.map(\.interaction) == [.create, .create, .update, .delete])
        #expect(records.first?.interaction == .transaction)
    }

    struct Refused: CustomTestStringConvertible {
        let why: String
        let entry: String
        let status: Int
        var testDescription: String { why }
    }

    @Test(
        .verifies("house@transaction"),
        arguments: [
            Refused(
                why: "a foreign body",
                entry: BundleBuilder.entry("POST", "Observation", BundleBuilder.observation(subject: "Patient/pB")),
                status: 403),
            Refused(why: "a foreign record", entry: BundleBuilder.entry("DELETE", "Observation/obsB"), status: 404),
            Refused(
                why: "a record that is not there", entry: BundleBuilder.entry("DELETE", "Observation/none"), status: 404
            ),
            Refused(why: "a foreign search", entry: BundleBuilder.entry("GET", "Observation?patient=pB"), status: 403),
            Refused(
                why: "a version that is gone",
                entry: BundleBuilder.entry("DELETE", "Observation/obsA-vitals", more: #","ifMatch":"W/\"4\"""#),
                status: 412),
            Refused(
                why: "several matches", entry: BundleBuilder.entry("DELETE", "Observation?status=final"), status: 412),
            Refused(why: "no match", entry: BundleBuilder.entry("DELETE", "Observation?_id=obsB"), status: 404),
            Refused(
                why: "an operation",
                entry: BundleBuilder.entry("POST", "Patient/$match", #"{"resourceType":"Parameters"}"#), status: 400),
            Refused(
                why: "an address elsewhere", entry: BundleBuilder.entry("GET", "https://x.test/Patient/pA"), status: 400
            ),
            Refused(
                why: "a method that is none",
                entry: BundleBuilder.entry("post", "Observation", BundleBuilder.observation()), status: 400),
            Refused(
                why: "a name that nobody has",
                entry: BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(more: #","encounter":{"reference":"\#(BundleBuilder.second)"}"#)),
                status: 422),
            Refused(
                why: "a condition as a reference",
                entry: BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(more: #","encounter":{"reference":"Encounter?_id=encA"}"#)), status: 422),
            Refused(
                why: "a foreign reference",
                entry: BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(more: #","encounter":{"reference":"Encounter/encB"}"#)), status: 422),
            Refused(
                why: "a patch that fails",
                entry: BundleBuilder.entry(
                    "PATCH", "Observation/obsA-vitals",
                    #"{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL25vdGhpbmcifV0="}"#
                ), status: 422),
            Refused(
                why: "a name that is an address",
                entry: BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(), name: "https://x.test/fhir/Observation/1"),
                status: 400),
        ])
    func `one refused entry refuses all before anything is sent`(row: Refused) async throws {
        let (store, harness, token) = try setUp()
        let before = store.currentRecords

        let answer = await send(Self.four + [row.entry], harness, token)

        #expect(answer.status == row.status, "\(answer.text)")
        #expect(!answer.upstream.contains { $0.method != .get })
        #expect(store.currentRecords == before)
        #expect(answer.records.allSatisfy { $0.index.outcome == "refused" })
        try expectNoLeak(answer)
    }

    @Test(.verifies("attack@ATK-164"))
    func `a foreign and an absent target are refused alike`() async throws {
        let (_, harness, token) = try setUp()
        var faces: Set<[UInt8]> = []

        for id in ["obsB", "none"] {
            faces.insert(
                await send(Self.four + [BundleBuilder.entry("DELETE", "Observation/\(id)")], harness, token).body)
        }

        #expect(faces.count == 1)
    }

    @Test(.verifies("attack@ATK-170"))
    func `a foreign and an absent read are answered alike and fail nothing`() async throws {
        for id in ["obsB", "none"] {
            let (store, harness, token) = try setUp()

            let answer = await send(
                [BundleBuilder.entry("DELETE", "Observation/obsA"), BundleBuilder.entry("GET", "Observation/\(id)")],
                harness, token)

            #expect(answer.entryStatuses == [204, 404])
            #expect(answer.upstream.map(\.method) == [.get, .post, .get])
            #expect(store.current(try #require(InstanceKey("Observation/obsA"))) == nil)
        }
    }

    enum Mixture: String, CaseIterable {
        case fewer, more, reordered, wrongType, withoutResponse, noBundle, foreignLocation, wrongInstance
    }

    @Test(.verifies("attack@ATK-169"), arguments: Mixture.allCases)
    func `an answer that does not fit the entries is not answered`(mixture: Mixture) async throws {
        let (_, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                guard request.path.isEmpty, case .answer(let head, let body) = reply,
                    let bundle = try? JSONValue(parsing: body), var entries = bundle["entry"]?.array
                else { return reply }
                switch mixture {
                case .fewer: entries.removeLast()
                case .more: entries.append(entries[0])
                case .reordered: entries.swapAt(0, 1)
                case .wrongType:
                    entries[0] = [
                        "resource": ["resourceType": "Condition", "id": "condB", "note": "SECRET-B"],
                        "response": ["status": "201"],
                    ]
                case .withoutResponse: entries[0] = ["resource": entries[0]["resource"] ?? .null]
                case .noBundle: return .answer(head, Array(#"{"resourceType":"Observation","id":"obsB"}"#.utf8))
                case .foreignLocation:
                    entries[0] = ["response": ["status": "201", "location": "https://evil.example/fhir/Observation/1"]]
                case .wrongInstance:
                    entries[2] = ["response": ["status": "200", "location": "Observation/obsB/_history/2"]]
                }
                return .answer(
                    head,
                    JSONValue.object([
                        JSONMemberValue("resourceType", "Bundle"), JSONMemberValue("type", "transaction-response"),
                        JSONMemberValue("entry", .array(entries)),
                    ]).serialized)
            }
        }

        let answer = await send(Self.four, harness, token)

        #expect(answer.status == 502, "\(answer.text)")
        #expect(answer.json?["resourceType"]?.string == "OperationOutcome")
        #expect(answer.records.last?.index.outcome == "interrupted", "it was done, so it is no plain failure")
        try expectNoLeak(answer)
    }

    @Test(arguments: [(400, 422), (409, 409), (412, 412), (422, 422), (404, 502), (500, 502), (503, 503)])
    func `a transaction that the server refuses is refused whole`(theirs: Int, ours: Int) async throws {
        let (_, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                request.path.isEmpty
                    ? .answer(
                        UpstreamHead(status: theirs, contentType: "application/fhir+json"),
                        OperationOutcome.json(severity: "error", code: "processing", diagnostics: "SECRET-B")) : reply
            }
        }

        let answer = await send(Self.four, harness, token)

        #expect(answer.status == ours)
        #expect(
            answer.records.last?.index.outcome == (theirs >= 500 ? "interrupted" : theirs == 404 ? "failed" : "refused")
        )
        try expectNoLeak(answer)
    }

    @Test(arguments: UpstreamFailure.allCases)
    func `a transaction whose end is not known is recorded as such`(failure: UpstreamFailure) async throws {
        let (_, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in request.path.isEmpty ? .failure(failure) : reply }
        }

        let answer = await send(Self.four, harness, token)

        #expect(answer.status >= 500)
        let expected = failure.mayHaveReachedServer ? "interrupted" : "failed"
        #expect(
            answer.records.filter { $0.index.phase != .opening }.allSatisfy {
                $0.index.outcome == expected || $0.index.outcome == "refused"
            })
        #expect(answer.records.last?.index.outcome == expected)
    }

    @Test func `names of known instances become their addresses`() async throws {
        let (store, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(
                        more:
                            #","encounter":{"reference":"\#(BundleBuilder.first)"},"hasMember":[{"reference":"\#(BundleBuilder.second)"}]"#
                    )),
                BundleBuilder.entry(
                    "PUT", "Encounter/encA", BundleBuilder.encounter("encA"), name: BundleBuilder.first),
                BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(), name: BundleBuilder.second,
                    more: #","ifNoneExist":"_id=obsA,obsB""#),
            ], harness, token)

        #expect(answer.entryStatuses == [201, 200, 200], "\(answer.text)")
        let sent = try sentBundle(answer)
        #expect(sent["entry"]?.array?.count == 2, "what is there already is not sent")
        let body = sent["entry"]?.array?.first?["resource"]
        #expect(body?["encounter"]?["reference"]?.string == "Encounter/encA")
        #expect(body?["hasMember"]?.array?.first?["reference"]?.string == "Observation/obsA")
        #expect(store.currentRecords.keys.count { $0.id.text.hasPrefix("new-") } == 1)
        try expectNoLeak(answer)
    }

    @Test(.verifies("house@transaction"))
    func `what is created goes on under a name of ours, whatever a server makes of names`() async throws {
        let (_, harness, token) = try setUp()
        // Two names for us, and one for whoever reads a UUID without regard to case (RFC 9562 §4).
        let (lower, upper) = (
            "urn:uuid:abcdefab-0000-4000-8000-000000000001", "urn:uuid:ABCDEFAB-0000-4000-8000-000000000001"
        )
        var sets: [[String]] = []

        for _ in 0..<2 {
            let answer = await send(
                [
                    BundleBuilder.entry(
                        "POST", "Observation",
                        BundleBuilder.observation(more: #","encounter":{"reference":"\#(upper)"}"#), name: lower),
                    BundleBuilder.entry("POST", "Encounter", BundleBuilder.encounter(), name: upper),
                ], harness, token)

            #expect(answer.entryStatuses == [201, 201], "\(answer.text)")
            let entries = try #require(try sentBundle(answer)["entry"]?.array)
            let names = entries.compactMap { $0["fullUrl"]?.string }
            #expect(entries[0]["resource"]?["encounter"]?["reference"]?.string == names.last)
            sets.append(names)
        }

        let all = Set(sets.flatMap { $0 })
        #expect(all.count == 4 && all.allSatisfy { $0.hasPrefix("urn:uuid:") })
        #expect(Set(all.map { $0.lowercased() }).isDisjoint(with: [lower]))
    }

    @Test func `what a conditional create has found is written by no other entry`() async throws {
        let (store, harness, token) = try setUp()
        let before = store.currentRecords

        let answer = await send(
            [
                BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(), name: BundleBuilder.second,
                    more: #","ifNoneExist":"_id=obsA,obsB""#),
                BundleBuilder.entry("DELETE", "Observation/obsA"),
            ], harness, token)

        #expect(answer.status == 400, "\(answer.text)")
        #expect(store.currentRecords == before)
    }

    @Test func `a conditional create is sent with its condition narrowed`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send(
            [
                BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(),
                    more: #","ifNoneExist":"code=http://loinc.org|none""#)
            ],
            harness, token)

        #expect(answer.entryStatuses == [201], "\(answer.text)")
        let request = try sentBundle(answer)["entry"]?.array?.first?["request"]
        #expect(request?["ifNoneExist"]?.string == "code=http://loinc.org%7Cnone&patient=Patient/pA")
    }

    @Test(.verifies("attack@ATK-143"))
    func `a match that the server claims within a transaction is not told`() async throws {
        let (_, harness, token) = try setUp { upstream in
            upstream.mapping { request, reply in
                guard request.path.isEmpty, case .answer(let head, _) = reply else { return reply }
                let body =
                    #"{"resourceType":"Bundle","type":"transaction-response","entry":[{"response":{"status":"200 OK","location":"Observation/obsB/_history/1"}}]}"#
                return .answer(head, Array(body.utf8))
            }
        }

        let answer = await send(
            [
                BundleBuilder.entry(
                    "POST", "Observation", BundleBuilder.observation(),
                    more: #","ifNoneExist":"code=http://loinc.org|none""#)
            ], harness, token)

        #expect(answer.status == 502)
        #expect(!answer.text.contains("obsB"))
        try expectNoLeak(answer)
    }

    @Test func `a patient that a transaction makes is no performer of another's record`() async throws {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: .table(users: [:], clients: [ClientID("app"): .everyone]))
        let token = try harness.token(scope: "patient/Observation.c system/Patient.c", patient: "pA")

        let answer = await send(
            [
                BundleBuilder.entry("POST", "Patient", #"{"resourceType":"Patient"}"#, name: BundleBuilder.first),
                BundleBuilder.entry(
                    "POST", "Observation",
                    BundleBuilder.observation(more: #","performer":[{"reference":"\#(BundleBuilder.first)"}]"#)),
            ], harness, token)

        #expect(answer.status == 403)
        #expect(answer.upstream.isEmpty)
    }

    @Test func `what an entry moves out of sight is no reference for another`() async throws {
        let store = try AttackCatalogue.shared.get().store(.obedient)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: .table(users: [:], clients: [ClientID("app"): .everyone]))
        let token = try harness.token(
            scope: "patient/Observation.c patient/Encounter.r system/Encounter.u", patient: "pA")
        let referring = BundleBuilder.entry(
            "POST", "Observation",
            BundleBuilder.observation(more: #","encounter":{"reference":"Encounter/encA"}"#))

        let moved = await send(
            [
                referring,
                BundleBuilder.entry("PUT", "Encounter/encA", BundleBuilder.encounter("encA", subject: "Patient/pB")),
            ],
            harness, token)
        let kept = await send(
            [referring, BundleBuilder.entry("PUT", "Encounter/encA", BundleBuilder.encounter("encA"))], harness, token)

        #expect(moved.status == 422, "\(moved.text)")
        #expect(!moved.upstream.contains { $0.method == .post })
        #expect(kept.status == 200, "\(kept.text)")
    }

    @Test func `a transaction of reads sends none`() async throws {
        let (_, harness, token) = try setUp()

        let answer = await send([BundleBuilder.entry("GET", "Observation/obsA")], harness, token)

        #expect(answer.entryStatuses == [200])
        #expect(answer.upstream.map(\.method) == [.get])
        #expect(answer.records.map(\.index.phase) == [.whole, .whole])
    }
}
