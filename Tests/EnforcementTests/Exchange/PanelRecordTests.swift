import AccessPolicy
import ChaperoneTesting
import Enforcement
import FHIRCore
import RequirementTraits
import Testing

/// Records by which the site gives patients to users are not written by whoever has a boundary (ADR 0069).
@Suite struct PanelRecordTests {
    private static let json = [(name: "Content-Type", value: "application/fhir+json")]
    private static let patch = [(name: "Content-Type", value: "application/json-patch+json")]

    private static func patient(_ more: String = "", doctors: [String] = ["dr1"], active: Bool = true) -> String {
        let list = doctors.map { #"{"reference":"Practitioner/\#($0)"}"# }.joined(separator: ",")
        let element = doctors.isEmpty ? "" : #","generalPractitioner":[\#(list)]"#
        return #"{"resourceType":"Patient","id":"pA","active":\#(active)\#(element)\#(more)}"#
    }

    private static func team(_ id: String?, member: String) -> String {
        let id = id.map { #""id":"\#($0)","# } ?? ""
        return
            #"{"resourceType":"CareTeam",\#(id)"status":"active","subject":{"reference":"Patient/pA"},"participant":[{"member":{"reference":"Practitioner/\#(member)"}}]}"#
    }

    private static func related(_ id: String?) -> String {
        let id = id.map { #""id":"\#($0)","# } ?? ""
        return #"{"resourceType":"RelatedPerson",\#(id)"patient":{"reference":"Patient/pA"}}"#
    }

    /// A site whose users' patients are found by a rule; `dr1` and the backend stand in its lists.
    private static func site(
        _ rule: (ResourceType, String)?
    ) throws -> (store: ScriptedRecords, harness: GatewayHarness) {
        let records = [patient(), team("ctA", member: "dr1"), related("rpA")]
        let store = ScriptedRecords(
            try records.map { try JSONValue(parsing: Array($0.utf8)) }, base: GatewayHarness.upstreamBase)
        var panels = PanelSource.table(
            users: [try #require(InstanceKey("Practitioner/dr1")): .patients([try #require(ResourceID("pA"))])],
            clients: [ClientID("backend"): .everyone])
        if let rule {
            panels = panels.asking(
                PanelQuery(rules: [
                    .practitioner: try #require(PanelQuery.Rule(rule.0, by: rule.1)), .relatedPerson: .relatedPerson,
                ]))
        }
        return (store, try GatewayHarness(upstream: store.upstream, panels: panels))
    }

    private static func tokens(_ harness: GatewayHarness) throws -> [String] {
        [
            try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1"),
            try harness.token(scope: "patient/*.cruds", patient: "pA"),
            try harness.token(scope: "patient/CareTeam.cu patient/RelatedPerson.cu patient/Patient.u", patient: "pA"),
        ]
    }

    private static func bundle(_ type: String, _ method: String, _ url: String, _ resource: String) -> String {
        #"{"resourceType":"Bundle","type":"\#(type)","entry":[{"fullUrl":"urn:uuid:1","resource":\#(resource),"request":{"method":"\#(method)","url":"\#(url)"}}]}"#
    }

    private static func submission(_ resource: String) -> String {
        let claim = #"{"resourceType":"Claim","id":"c","patient":{"reference":"Patient/pA"}}"#
        return
            #"{"resourceType":"Bundle","type":"collection","entry":[{"resource":\#(claim)},{"resource":\#(resource)}]}"#
    }

    struct Write: Sendable, CustomTestStringConvertible {
        let method: String
        let target: String
        let body: String
        var headers = PanelRecordTests.json
        var testDescription: String { "\(method) \(target) \(body.prefix(40))" }
    }

    static let ofTeams: [Write] = [
        Write(method: "POST", target: "/CareTeam", body: team(nil, member: "dr9")),
        Write(method: "PUT", target: "/CareTeam/ctA", body: team("ctA", member: "dr9")),
        Write(method: "PUT", target: "/CareTeam?_id=ctA", body: team("ctA", member: "dr9")),
        Write(
            method: "POST", target: "/CareTeam", body: team(nil, member: "dr9"),
            headers: json + [(name: "If-None-Exist", value: "_id=ctB")]),
        Write(
            method: "PATCH", target: "/CareTeam/ctA",
            body: #"[{"op":"replace","path":"/participant/0/member/reference","value":"Practitioner/dr9"}]"#,
            headers: patch),
        Write(
            method: "PATCH", target: "/CareTeam?_id=ctA",
            body: #"[{"op":"replace","path":"/participant/0/member/reference","value":"Practitioner/dr9"}]"#,
            headers: patch),
        Write(method: "POST", target: "/", body: bundle("transaction", "POST", "CareTeam", team(nil, member: "dr9"))),
        Write(method: "POST", target: "/", body: bundle("batch", "PUT", "CareTeam/ctA", team("ctA", member: "dr9"))),
        Write(method: "POST", target: "/", body: bundle("batch", "POST", "CareTeam", team(nil, member: "dr9"))),
        Write(method: "POST", target: "/RelatedPerson", body: related(nil)),
        Write(method: "PUT", target: "/RelatedPerson/rpA", body: related("rpA")),
        Write(method: "POST", target: "/Claim/$submit", body: submission(team("ctB", member: "dr9"))),
        Write(method: "POST", target: "/Claim/$submit", body: submission(related("rpB"))),
    ]

    @Test(.verifies("house@PAN-01"), arguments: ofTeams.indices)
    func `nobody inside a boundary writes what gives patients to others`(place: Int) async throws {
        let write = Self.ofTeams[place]
        for number in 0..<3 {
            let (store, harness) = try Self.site((.careTeam, "participant"))
            let before = store.currentRecords
            let token = try Self.tokens(harness)[number]

            let answer = await harness.send(
                write.method, write.target, token: token, headers: write.headers, body: Array(write.body.utf8))

            #expect(!answer.upstream.contains { ![.get].contains($0.method) }, "\(write.testDescription)")
            #expect(store.currentRecords == before)
            if write.body.contains(#""batch""#) {
                #expect(answer.text.contains(#""status":"403""#), "\(answer.text)")
            } else {
                #expect(answer.status == 403, "\(write.testDescription) \(answer.text)")
            }
        }
    }

    private static let moved = patient(doctors: ["dr1", "dr9"])

    static let ofPatients: [Write] = [
        Write(method: "PUT", target: "/Patient/pA", body: moved),
        Write(method: "PUT", target: "/Patient/pA", body: patient(doctors: ["dr9"])),
        Write(method: "PUT", target: "/Patient/pA", body: patient(doctors: [])),
        Write(method: "PUT", target: "/Patient/pA", body: patient(active: false)),
        Write(method: "PUT", target: "/Patient?_id=pA", body: moved),
        Write(
            method: "PATCH", target: "/Patient/pA",
            body: #"[{"op":"add","path":"/generalPractitioner/-","value":{"reference":"Practitioner/dr9"}}]"#,
            headers: patch),
        Write(method: "POST", target: "/", body: bundle("transaction", "PUT", "Patient/pA", moved)),
        Write(method: "POST", target: "/", body: bundle("batch", "PUT", "Patient/pA", moved)),
        Write(method: "POST", target: "/Claim/$submit", body: submission(moved)),
    ]

    @Test(.verifies("house@PAN-01"), arguments: ofPatients.indices)
    func `an update of a patient keeps the element that gives the patient to somebody`(place: Int) async throws {
        let write = Self.ofPatients[place]
        let (store, harness) = try Self.site((.patient, "general-practitioner"))
        let before = store.currentRecords
        let token = try harness.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1")

        let answer = await harness.send(
            write.method, write.target, token: token, headers: write.headers, body: Array(write.body.utf8))

        #expect(!answer.upstream.contains { ![.get].contains($0.method) }, "\(write.testDescription)")
        #expect(store.currentRecords == before)
        if write.body.contains(#""batch""#) {
            #expect(answer.text.contains(#""status":"403""#), "\(answer.text)")
        } else {
            #expect(answer.status == 403, "\(write.testDescription) \(answer.text)")
        }
    }

    @Test func `what decides nothing is written as before`() async throws {
        let (_, byDoctor) = try Self.site((.patient, "general-practitioner"))
        let (_, unruled) = try Self.site(nil)
        let (_, byTeam) = try Self.site((.careTeam, "participant"))
        func send(_ harness: GatewayHarness, _ token: String, _ method: String, _ target: String, _ body: String)
            async -> Int
        {
            await harness.send(method, target, token: token, headers: Self.json, body: Array(body.utf8)).status
        }
        let doctor = try byDoctor.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1")
        let other = try unruled.token(scope: "user/*.cruds", fhirUser: "Practitioner/dr1")
        let backend = try byTeam.token(scope: "system/*.cruds", client: "backend", subject: nil)

        #expect(
            await send(byDoctor, doctor, "PUT", "/Patient/pA", Self.patient(#","birthDate":"1970-01-01""#)) == 200)
        #expect(await send(byDoctor, doctor, "POST", "/CareTeam", Self.team(nil, member: "dr9")) == 201)
        #expect(await send(unruled, other, "POST", "/CareTeam", Self.team(nil, member: "dr9")) == 201)
        #expect(await send(byTeam, backend, "POST", "/CareTeam", Self.team(nil, member: "dr9")) == 201)
        #expect(await send(byTeam, backend, "POST", "/RelatedPerson", Self.related(nil)) == 201)
    }
}
