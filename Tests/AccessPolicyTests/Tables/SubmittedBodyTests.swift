import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Bodies of writes: what may enter.
@Suite(.underMutation) struct SubmittedBodyTests {
    static func status(_ json: String, _ token: Token, visible: Set<InstanceKey> = []) throws -> Int {
        let permit = try Exchange.permit("POST /Observation", token, body: json)
        switch admit(try Exchange.view(json), as: .submitted, under: permit, visible: visible) {
        case .release, .redact: return 201
        case .withhold(let reason): return permit.denial(for: reason, as: .submitted).status
        }
    }

    struct Row: Sendable, CustomTestStringConvertible {
        let json: String
        let token: Token
        let status: Int
        var testDescription: String { "\(status): \(json.suffix(90))" }
        init(_ json: String, _ token: Token, _ status: Int) {
            self.json = json
            self.token = token
            self.status = status
        }
    }

    @Test(
        .verifies(
            "attack@ATK-104", "attack@ATK-105", "attack@ATK-106", "attack@ATK-107", "attack@ATK-108", "attack@ATK-110",
            "attack@ATK-111", "attack@ATK-114"),
        arguments: [
            Row(Records.observation("o", of: "Patient/pB"), .pw, 403),
            Row(Records.observation("o", of: nil), .pw, 403),
            Row(Records.observation("o", extra: #","performer":[{"reference":"Patient/pB"}]"#), .pw, 403),
            Row(Records.observation("o", extra: Records.reference("focus", "Patient/pB")), .pw, 403),
            Row(Records.observation("o", of: nil, extra: #","subject":{"identifier":{"value":"B"}}"#), .pw, 403),
            Row(
                Records.observation(
                    "o", of: nil, extra: #","subject":{"reference":"Patient/pA","identifier":{"value":"B"}}"#), .pw, 403
            ),
            Row(Records.observation("o", extra: #","performer":[{"identifier":{"value":"B"}}]"#), .pw, 403),
            Row(
                Records.observation(
                    "o", extra: #","specimen":{"type":"Patient","display":"x"},"device":{"reference":"Patient/pB"}"#),
                .pw, 403),
            Row(Records.observation("o", of: "Patient/pA/_history/1"), .pw, 422),
            Row(Records.observation("o", of: "./Patient/pA"), .pw, 422),
            Row(Records.observation("o", of: "Patient/pA?x=1"), .pw, 422),
            Row(Records.observation("o", of: "http://upstream.internal:9090/r4/Patient/pA"), .pw, 403),
            Row(Records.observation("o", extra: Records.reference("encounter", "Encounter/encB")), .pw, 422),
            Row(Records.observation("o", extra: Records.reference("encounter", "Encounter?x=1")), .pw, 422),
            Row(Records.observation("o", extra: Records.reference("encounter", "urn:uuid:1")), .pw, 422),
            Row(Records.observation("o", extra: Records.reference("encounter", "#nothing")), .pw, 422),
            Row(Records.observation("o", extra: Records.reference("encounter", "../Encounter/x")), .pw, 422),
            Row(Records.observation("o", extra: #","focus":[{"reference":"Group/g"}]"#), .pw, 422),
            // Whoever points at a file opens it for themselves.
            Row(
                Records.observation("o", extra: #","extension":[{"url":"http://x","valueUrl":"Binary/binB"}]"#), .pw,
                422),
            Row(
                Records.observation(
                    "o", extra: #","extension":[{"url":"http://x","valueUrl":"https://gw.example/fhir/Binary/binB"}]"#),
                .pw, 422),
            Row(
                Records.observation(
                    "o",
                    extra:
                        #","contained":[{"resourceType":"Condition","id":"c","subject":{"reference":"Patient/pB"}}]"#),
                .pw, 403),
            Row(Records.observation("o", category: "vital-signs"), .gw, 403),
            Row(
                #"{"resourceType":"Observation","meta":{"tag":[{"system":"\#(Records.system)","code":"laboratory"}]},"subject":{"reference":"Patient/pA"}}"#,
                .gw, 403),
            Row(Records.observation("o", category: "laboratory"), .gx, 403),
            Row(Records.observation("o", of: "Patient/pB"), .uw, 403),
        ])
    func `a body that is not wholly the boundary's own is refused`(row: Row) throws {
        #expect(try SubmittedBodyTests.status(row.json, row.token) == row.status)
    }

    @Test(arguments: [
        Row(Records.observation("o"), .pw, 201),
        Row(Records.observation("o", of: "https://gw.example/fhir/Patient/pA"), .pw, 201),
        Row(
            Records.observation("o", extra: #","performer":[{"reference":"Practitioner/dr1"},{"display":"me"}]"#), .pw,
            201),
        Row(Records.observation("o", category: "laboratory"), .gw, 201),
        Row(Records.observation("o", category: "vital-signs"), .gx, 201),
        Row(Records.observation("o", of: "Patient/pB"), .sw, 201), Row(Records.observation("o"), .uw, 201),
    ])
    func `a body that is the boundary's own is accepted`(row: Row) throws {
        #expect(try SubmittedBodyTests.status(row.json, row.token) == row.status)
    }

    @Test func `a reference to something clinical is accepted once it was looked up`() throws {
        let json = Records.observation("o", extra: Records.reference("encounter", "Encounter/encA"))
        let encounter = try #require(InstanceKey("Encounter/encA"))
        let permit = try Exchange.permit("POST /Observation", .pw, body: json)

        #expect(permit.referencesToProve(in: try Exchange.view(json)) == [encounter])
        #expect(try SubmittedBodyTests.status(json, .pw) == 422)
        #expect(try SubmittedBodyTests.status(json, .pw, visible: [encounter]) == 201)
    }

    @Test func `what goes upstream has no id of the client's and no address of ours`() throws {
        let json =
            #"{"id":"mine","resourceType":"Observation","subject":{"reference":"https://gw.example/fhir/Patient/pA"}}"#
        let permit = try Exchange.permit("POST /Observation", .pw, body: json)
        let released = admit(try Exchange.view(json), as: .submitted, under: permit).released

        #expect(
            (released?.bytes).map { String(decoding: $0, as: UTF8.self) }
                == #"{"resourceType":"Observation","subject":{"reference":"Patient/pA"}}"#)
    }

    struct Update: Sendable, CustomTestStringConvertible {
        let stored: String
        let body: String
        let token: Token
        let isAccepted: Bool
        var testDescription: String { "\(isAccepted) \(token.scopes): \(body)" }
    }

    static let lab = Records.observation("o", category: "laboratory")
    static let vitals = Records.observation("o", category: "vital-signs")
    static let withB = Records.observation("o", extra: #","performer":[{"reference":"Patient/pB"}]"#)

    @Test(
        .verifies("attack@ATK-116", "attack@ATK-117", "attack@ATK-118", "attack@ATK-119"),
        arguments: [
            Update(
                stored: Records.observation("o", of: "Patient/pB"), body: Records.observation("o"), token: .pw,
                isAccepted: false),
            Update(
                stored: Records.observation("o"), body: Records.observation("o", of: "Patient/pB"), token: .pw,
                isAccepted: false),
            Update(stored: lab, body: vitals, token: .gw, isAccepted: false),
            Update(stored: vitals, body: lab, token: .gw, isAccepted: false),
            Update(stored: withB, body: Records.observation("o"), token: .pw, isAccepted: false),
            Update(stored: Records.observation("o"), body: vitals, token: .pw, isAccepted: true),
            Update(stored: lab, body: lab, token: .gw, isAccepted: true),
            Update(stored: withB, body: Records.observation("o", of: "Patient/pC"), token: .sw, isAccepted: true),
        ])
    func `an update passes only when what is stored and what replaces it both do`(row: Update) throws {
        let permit = try Exchange.permit("PUT /Observation/o", row.token, body: row.body)
        let admission = admitReplacement(
            try Exchange.view(row.body), of: try Exchange.view(row.stored), under: permit)

        #expect((admission.released != nil) == row.isAccepted)
        #expect(permit.precondition == InstanceKey("Observation/o").map(Precondition.currentVersion))
    }

    @Test(
        .verifies("attack@ATK-123", "attack@ATK-124"),
        arguments: [
            #","link":[{"other":{"reference":"Patient/pA"},"type":"seealso"}]"#, #","identifier":[{"value":"B200"}]"#,
        ])
    func `an update does not change who a patient is`(addition: String) throws {
        let stored = Records.patient("pA")
        let body = String(stored.dropLast()) + addition + "}"
        let permit = try Exchange.permit("PUT /Patient/pA", .pw, body: body)

        let changed = admitReplacement(try Exchange.view(body), of: try Exchange.view(stored), under: permit)
        let unchanged = try Exchange.permit("PUT /Patient/pA", .pw, body: stored)
        let same = admitReplacement(try Exchange.view(stored), of: try Exchange.view(stored), under: unchanged)

        #expect(changed.released == nil)
        #expect(permit.denial(for: .changesIdentity, as: .stored).status == 403)
        #expect(same.released != nil)
    }
}
