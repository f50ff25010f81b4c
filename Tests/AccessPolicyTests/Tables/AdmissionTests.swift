import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// What passes and what does not, resource by resource.
@Suite(.underMutation) struct AdmissionTests {
    static func admission(_ json: String, _ line: String, _ token: Token, as role: ResourceRole = .match) throws
        -> String
    {
        switch admit(try Exchange.view(json), as: role, under: try Exchange.permit(line, token)) {
        case .release: "release"
        case .redact: "redact"
        case .withhold(let reason): reason.rawValue
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let json: String
        let line: String
        let token: Token
        let expected: String
        var testDescription: String { "\(line) under \(token.scopes): \(expected)" }
        init(_ json: String, _ line: String, _ token: Token, _ expected: String) {
            self.json = json
            self.line = line
            self.token = token
            self.expected = expected
        }
    }

    static let observation = "GET /Observation/o"

    @Test(
        .verifies("attack@ATK-003", "attack@ATK-012", "attack@ATK-276", "attack@ATK-275"),
        arguments: [
            // whose it is
            Row(Records.observation("o", of: "Patient/pB"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: nil), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "Patient/pA2"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "Group/pA"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "#pA"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "urn:uuid:pA"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "Patient?_id=pA"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "./Patient/pA"), observation, .p, "outside-boundary"),
            Row(Records.observation("o", of: "Patient/pB/../pA"), observation, .p, "outside-boundary"),
            Row(
                Records.observation("o", of: "https://other.example/fhir/Patient/pA"), observation, .p,
                "outside-boundary"),
            Row(
                Records.observation("o", of: nil, extra: #","subject":{"identifier":{"value":"A100"}}"#), observation,
                .p,
                "outside-boundary"),
            Row(
                Records.observation("o", of: "Patient/pB", extra: Records.reference("focus", "Patient/pA")),
                observation,
                .p, "outside-boundary"),
            Row(
                Records.observation("o", of: "Patient/pB", extra: #","performer":[{"reference":"Patient/pA"}]"#),
                observation, .p, "outside-boundary"),
            // what was asked for
            Row(Records.observation("other"), observation, .p, "unexpected"),
            Row(Records.patient("pA"), observation, .p, "unexpected"),
            // constraints
            Row(Records.observation("o"), observation, .g, "outside-constraint"),
            Row(Records.observation("o", category: "vital-signs"), observation, .g, "outside-constraint"),
            Row(
                #"{"resourceType":"Observation","id":"o","status":"final","category":[{"coding":[{"system":"http://other","code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#,
                observation, .g, "outside-constraint"),
            Row(
                #"{"resourceType":"Observation","id":"o","meta":{"tag":[{"system":"\#(Records.system)","code":"laboratory"}]},"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/pA"}}"#,
                observation, .g, "outside-constraint"),
            Row(
                Records.observation("o", of: "Patient/pB", category: "laboratory"), observation, .g, "outside-boundary"),
            // one text to the eye, two to a FHIR server: é composed, and e with a combining accent
            Row(
                Records.observation("o", category: "caf\u{65}\u{301}"), observation,
                Token.patient("patient/Observation.rs?category=caf%C3%A9"), "outside-constraint"),
            // several patients
            Row(
                #"{"resourceType":"Account","id":"a","status":"active","subject":[{"reference":"Patient/pA"},{"reference":"Patient/pB"}]}"#,
                "GET /Account/a", .p, "other-patients"),
            Row(
                #"{"resourceType":"List","id":"l","status":"current","mode":"working","subject":{"reference":"Patient/pA"},"entry":[{"item":{"reference":"Patient/pB"}}]}"#,
                "GET /List/l", .p, "other-patients"),
            Row(
                #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Observation/o"}],"recorded":"2020-01-01"}"#,
                "GET /Provenance/v", .p, "outside-boundary"),
            Row(
                #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Patient/pA"},{"reference":"Patient/pB"}]}"#,
                "GET /Provenance/v", .p, "outside-boundary"),
            Row(
                #"{"resourceType":"Observation","id":"o","contained":[{"resourceType":"Nonsense"}],"subject":{"reference":"Patient/pA"}}"#,
                observation, .p, "unreadable"),
            Row(
                #"{"resourceType":"Binary","id":"b","contentType":"text/plain"}"#, "GET /Binary/b", .p,
                "outside-boundary"),
            Row(
                #"{"resourceType":"Binary","id":"b","securityContext":{"reference":"Patient/pB"}}"#, "GET /Binary/b",
                .p,
                "outside-boundary"),
        ])
    func `what is nobody's inside the boundary, or not of the granted kind, is withheld`(row: Row) throws {
        #expect(try AdmissionTests.admission(row.json, row.line, row.token) == row.expected)
    }

    @Test(arguments: [
        Row(Records.observation("o"), observation, .p, "release"),
        Row(Records.observation("o", of: "Patient/pA/_history/2"), observation, .p, "release"),
        Row(Records.observation("o", of: "https://gw.example/fhir/Patient/pA"), observation, .p, "release"),
        Row(Records.observation("o", of: "http://upstream.internal:9090/r4/Patient/pA"), observation, .p, "release"),
        Row(Records.observation("o", category: "laboratory"), observation, .g, "release"),
        Row(Records.observation("o", category: "vital-signs"), observation, .g2, "release"),
        Row(Records.patient("pA"), "GET /Patient/pA", .p, "release"),
        Row(Records.patient("pB"), "GET /Patient/pB", .m, "release"),
        Row(
            Records.observation("o", extra: #","performer":[{"reference":"Patient/pB"}]"#), observation, .p, "release"),
        Row(
            #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Patient/pA"},{"reference":"Organization/g"}]}"#,
            "GET /Provenance/v", .p, "release"),
        Row(
            #"{"resourceType":"Binary","id":"b","securityContext":{"reference":"Patient/pA"}}"#, "GET /Binary/b", .p,
            "release"),
        Row(#"{"resourceType":"Organization","id":"g"}"#, "GET /Organization/g", .p, "release"),
        Row(Records.observation("o", of: nil), observation, .s, "release"),
        Row(#"{"resourceType":"Group","id":"g"}"#, "GET /Group/g", .s, "release"),
        Row(
            #"{"resourceType":"Device","id":"d","patient":{"reference":"Patient/pA"}}"#, "GET /Device/d", .p, "release"),
    ])
    func `what is the patient's own and of the granted kind passes`(row: Row) throws {
        #expect(try AdmissionTests.admission(row.json, row.line, row.token) == row.expected)
    }

    @Test func `who else takes part in an appointment is cut out by its bytes`() throws {
        let json =
            #"{ "resourceType" : "Appointment" , "id":"a","text":{"status":"generated","div":"<div>Bob</div>"},"participant":[{"actor":{"reference":"Patient/pA"}},{"actor":{ "reference":"Patient/pB","display":"Bob"},"status":"accepted"}]}"#
        let admission = admit(
            try Exchange.view(json), as: .match, under: try Exchange.permit("GET /Appointment/a", .p))

        guard case .redact(let released, _) = admission else {
            Issue.record("expected a redaction")
            return
        }
        #expect(
            String(decoding: released.bytes, as: UTF8.self)
                == #"{ "meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]},"resourceType" : "Appointment" , "id":"a","participant":[{"actor":{"reference":"Patient/pA"}},{"actor":{"display":"redacted"},"status":"accepted"}]}"#
        )
    }

    @Test func `a contained resource of somebody else is reduced to its type and local id`() throws {
        let json =
            ##"{"resourceType":"Observation","id":"o","meta":{"tag":[{"code":"t"}]},"contained":[{"resourceType":"Condition","id":"c","code":{"text":"HIV"},"subject":{"reference":"Patient/pB"}}],"subject":{"reference":"Patient/pA"},"focus":[{"reference":"#c"}]}"##
        let admission = admit(try Exchange.view(json), as: .match, under: try Exchange.permit("GET /Observation/o", .p))

        let released = try #require(admission.released)
        let text = String(decoding: released.bytes, as: UTF8.self)
        #expect(text.contains(##""contained":[{"resourceType":"Condition","id":"c"}]"##))
        #expect(text.contains("SUBSETTED"))
        #expect(!text.contains("HIV"))
        #expect(throws: Never.self) { try JSONDocument(released.bytes) }
    }

    @Test func `addresses of the upstream become ours and nothing else changes`() throws {
        let json =
            #"{"resourceType":"DocumentReference","id":"d","subject":{"reference":"http://upstream.internal:9090/r4/Patient/pA"},"author":[{"reference":"http:\/\/upstream.internal:9090\/r4\/Practitioner\/x\/_history\/2"}],"content":[{"attachment":{"url":"http://upstream.internal:9090/r4/Binary/b","title":"http://upstream.internal:9090/r4/Binary/b"}}],"identifier":[{"system":"http://upstream.internal:9090/r4/mrn"}],  "status":"current"}"#
        let admission = admit(
            try Exchange.view(json), as: .match, under: try Exchange.permit("GET /DocumentReference/d", .p))

        #expect(
            (admission.released?.bytes).map { String(decoding: $0, as: UTF8.self) }
                == #"{"resourceType":"DocumentReference","id":"d","subject":{"reference":"https://gw.example/fhir/Patient/pA"},"author":[{"reference":"https://gw.example/fhir/Practitioner/x/_history/2"}],"content":[{"attachment":{"url":"https://gw.example/fhir/Binary/b","title":"https://gw.example/fhir/Binary/b"}}],"identifier":[{"system":"https://gw.example/fhir/mrn"}],  "status":"current"}"#
        )
    }

    @Test(.verifies("attack@ATK-277"), arguments: ResourceRole.allCases.filter { $0 != .submitted })
    func `a user's grant on one type never opens another type of the patient's grant`(role: ResourceRole) throws {
        let admission = try AdmissionTests.admission(
            Records.observation("o", of: "Patient/pB"), "GET /Observation/o", .m, as: role)

        #expect(admission == "outside-boundary")
    }

    @Test func `letters and constraints of two grants are never exchanged`() throws {
        let vitals = Records.observation("o", category: "vital-signs")

        #expect(try AdmissionTests.admission(vitals, "GET /Observation/o", .gx) == "outside-constraint")
        #expect(try AdmissionTests.admission(vitals, "GET /Observation", .gx) == "outside-constraint")
    }
}
