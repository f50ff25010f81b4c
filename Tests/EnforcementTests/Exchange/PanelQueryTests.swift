import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Synchronization
import Testing

/// Whom a user may see, asked of the protected server (enforcer.md b.1, boundary of `user/`; finding 8).
@Suite(.underMutation) struct PanelQueryTests {
    private static let records: [JSONValue] = [
        patient("pA", of: "dr1"), patient("pB", of: "dr2"), patient("pC", of: "dr1", active: false),
        observation("obsA", of: "pA"), observation("obsB", of: "pB"), observation("obsC", of: "pC"),
        related("rp1", of: "pA"), related("rp2", of: "pB", end: "2020-01-01"), related("rp3", of: "pB", active: false),
        related("rp4", of: "pB", start: "2999-01"),
    ]

    private static func patient(_ id: String, of doctor: String, active: Bool = true) -> JSONValue {
        [
            "resourceType": "Patient", "id": .string(id), "active": .bool(active),
            "generalPractitioner": [["reference": .string("Practitioner/\(doctor)")]],
        ]
    }

    private static func team(_ id: String, of patient: String, _ members: [(String, ended: String?)]) -> JSONValue {
        [
            "resourceType": "CareTeam", "id": .string(id), "status": "active",
            "subject": ["reference": .string("Patient/\(patient)")],
            "participant": .array(
                members.map { member, ended in
                    var members = [
                        JSONMemberValue("member", ["reference": .string("Practitioner/\(member)")]),
                        JSONMemberValue("role", [["text": "nurse"]]),
                    ]
                    if let ended { members.append(JSONMemberValue("period", ["end": .string(ended)])) }
                    return .object(members)
                }),
        ]
    }

    private static func observation(_ id: String, of patient: String) -> JSONValue {
        GatheredAnswerTests.observation(
            id, of: patient, category: "laboratory", code: patient == "pA" ? "x" : "SECRET-B")
    }

    private static func related(
        _ id: String, of patient: String, active: Bool = true, start: String = "2000", end: String? = nil
    ) -> JSONValue {
        var period: [JSONMemberValue] = [JSONMemberValue("start", .string(start))]
        if let end { period.append(JSONMemberValue("end", .string(end))) }
        return [
            "resourceType": "RelatedPerson", "id": .string(id), "active": .bool(active),
            "patient": ["reference": .string("Patient/\(patient)")], "period": .object(period),
        ]
    }

    private func harness(
        _ obedience: ScriptedRecords.Obedience = .obedient,
        change: @escaping @Sendable (UpstreamRequest, ScriptedUpstream.Reply) -> ScriptedUpstream.Reply = { $1 }
    ) throws -> GatewayHarness {
        let rules: [ResourceType: PanelQuery.Rule] = [
            .practitioner: try #require(PanelQuery.Rule(.patient, by: "general-practitioner")),
            .relatedPerson: .relatedPerson,
        ]
        let listed = PanelSource.table(
            users: [try #require(InstanceKey("Practitioner/dr-empty")): .patients([])])
        let store = ScriptedRecords(Self.records, base: GatewayHarness.upstreamBase, obedience: obedience)
        return try GatewayHarness(
            upstream: store.upstream.mapping(change), panels: listed.asking(PanelQuery(rules: rules)))
    }

    @Test(.verifies("attack@ATK-279", "attack@ATK-282"), arguments: [ScriptedRecords.Obedience.obedient, .lenient])
    func `a user sees the patients who name the user, whatever else the server gives`(
        obedience: ScriptedRecords.Obedience
    ) async throws {
        let harness = try harness(obedience)
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")

        let search = await harness.send("GET", "/Observation", token: token)
        let foreign = await harness.send("GET", "/Observation/obsB", token: token)
        let patient = await harness.send("GET", "/Patient/pC", token: token)

        #expect(search.status == 200 && search.keys == ["Observation/obsA"])
        #expect(search.upstream.map(\.path) == ["/Patient", "/Observation"])
        #expect(search.upstream.first?.query == "general-practitioner=Practitioner/dr1&_count=500")
        #expect(foreign.status == 404 && patient.status == 404)
        // Asked once, and believed for a while.
        #expect(foreign.upstream.map(\.path) == ["/Observation/obsB"])
        try expectNoLeak(search)
    }

    @Test func `an answer is believed for a minute only`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1", expiresIn: 1_000)

        _ = await harness.send("GET", "/Observation/obsA", token: token)
        let soon = await harness.send("GET", "/Observation/obsA", token: token, at: GatewayHarness.now + 59)
        let later = await harness.send("GET", "/Observation/obsA", token: token, at: GatewayHarness.now + 60)

        #expect(soon.upstream.count == 1 && later.upstream.map(\.path) == ["/Patient", "/Observation/obsA"])
    }

    @Test(arguments: ["rp2", "rp3", "rp4", "nobody"])
    func `a relation that is over, void, not yet or unknown shows nobody`(id: String) async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", fhirUser: "RelatedPerson/\(id)")

        let search = await harness.send("GET", "/Observation", token: token)

        #expect(search.status == 200 && search.keys.isEmpty)
        #expect(await harness.send("GET", "/Observation/obsB", token: token).status == 404)
    }

    @Test func `a related person sees the patient whom the own resource names`() async throws {
        let harness = try harness()
        let token = try harness.token(scope: "user/*.rs", fhirUser: "RelatedPerson/rp1")

        #expect(await harness.send("GET", "/Observation", token: token).keys == ["Observation/obsA"])
    }

    @Test(.verifies("attack@ATK-282"), arguments: ["Practitioner/dr3", "Practitioner/dr-empty"])
    func `an empty panel is nobody`(user: String) async throws {
        let harness = try harness(.lenient)
        let token = try harness.token(scope: "user/*.rs", fhirUser: user)

        for target in ["/Observation", "/Patient", "/?_type=Observation,Patient"] {
            let answer = await harness.send("GET", target, token: token)
            #expect(answer.status == 200 && answer.keys.isEmpty, "\(target) \(answer.text)")
        }
    }

    @Test(
        .verifies("attack@ATK-282"),
        arguments: [
            #"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"http://evil.example/"}]}"#,
            #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{}}]}"#, "{", "",
            #"{"resourceType":"OperationOutcome"}"#,
        ])
    func `a look-up that fails is an error and never a panel`(body: String) async throws {
        let harness = try harness { request, reply in
            request.path == "/Patient"
                ? .answer(UpstreamHead(status: 200, contentType: "application/fhir+json"), Array(body.utf8)) : reply
        }
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/dr1")

        let answer = await harness.send("GET", "/Observation", token: token)

        #expect(answer.status == 503)
        #expect(answer.upstream.map(\.path) == ["/Patient"])
        #expect(answer.records.count == 1)
        try expectNoLeak(answer)
    }

    @Test(
        .verifies("attack@ATK-279"),
        arguments: [("left", []), ("here", ["Observation/obsA"]), ("again", ["Observation/obsA"]), ("other", [])]
            as [(String, [String])])
    func `who has left a care team sees nobody through it`(doctor: String, sees: [String]) async throws {
        let records =
            Self.records + [
                Self.team(
                    "t1", of: "pA",
                    [("left", "2020-01-01"), ("here", nil), ("again", "2019-06"), ("again", "2999-01-01")])
            ]
        let rules = [ResourceType.practitioner: try #require(PanelQuery.Rule(.careTeam, by: "participant"))]
        let store = ScriptedRecords(records, base: GatewayHarness.upstreamBase, obedience: .lenient)
        let harness = try GatewayHarness(
            upstream: store.upstream, panels: PanelSource.table(users: [:]).asking(PanelQuery(rules: rules)))
        let token = try harness.token(scope: "user/*.rs", fhirUser: "Practitioner/\(doctor)")

        #expect(await harness.send("GET", "/Observation", token: token).keys == sees)
    }

    @Test func `other tokens are not looked up`() async throws {
        let harness = try harness()

        for token in [
            try harness.token(scope: "patient/*.rs", patient: "pA"), try harness.token(scope: "user/*.rs"),
            try harness.token(scope: "user/*.rs", fhirUser: "Patient/pA"),
            try harness.token(scope: "user/*.rs", fhirUser: "Organization/o"),
        ] {
            let answer = await harness.send("GET", "/Observation/obsA", token: token)
            #expect(!answer.upstream.contains { $0.path == "/Patient" })
        }
    }

    @Test(arguments: [
        (ResourceType.organization, "partof"), (.patient, "name"), (.patient, "nothing"), (.observation, "code"),
    ])
    func `a rule that names no reference of a patient's resource is no rule`(type: ResourceType, code: String) {
        #expect(PanelQuery.Rule(type, by: code) == nil)
    }
}
