import AccessPolicy
import FHIRCore
import RequirementTraits
import Testing

/// Other people inside a resource of the patient's own: contained, referred to, or spelt so that they look like nobody.
@Suite(.underMutation) struct HiddenPeopleTests {
    static func released(_ json: String, _ line: String, _ token: Token = .p) throws -> String? {
        let admission = admit(try Exchange.view(json), as: .match, under: try Exchange.permit(line, token))
        return admission.released.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    static func containing(_ contained: String, extra: String = "") -> String {
        Records.observation("o", extra: #","contained":[\#(contained)]\#(extra)"#)
    }

    @Test(
        .verifies("attack@ATK-231"),
        arguments: [
            #"{"resourceType":"Patient","id":"p","name":[{"family":"SECRET"}]}"#,
            #"{"resourceType":"Patient","id":"pA","name":[{"family":"SECRET"}]}"#,
            #"{"resourceType":"Bundle","id":"b","type":"collection","entry":[{"resource":{"resourceType":"Patient","id":"pB","gender":"SECRET"}}]}"#,
            #"{"resourceType":"Parameters","id":"b","parameter":[{"name":"x","valueString":"SECRET"}]}"#,
            #"{"resourceType":"Group","id":"g","name":"SECRET","type":"person","actual":true}"#,
            #"{"resourceType":"Binary","id":"b","data":"SECRET"}"#,
            #"{"resourceType":"Binary","id":"b","securityContext":{"reference":"Patient/pB"},"data":"SECRET"}"#,
            ##"{"resourceType":"Condition","id":"c","code":{"text":"SECRET"},"subject":{"reference":"#p"}}"##,
            #"{"resourceType":"Condition","id":"c","code":{"text":"SECRET"},"subject":{"identifier":{"value":"B"}}}"#,
            #"{"resourceType":"Condition","id":"c","code":{"text":"SECRET"},"subject":{"reference":"./Patient/pB"}}"#,
            #"{"resourceType":"Condition","id":"c","code":{"text":"SECRET"},"subject":{"reference":"urn:uuid:1"}}"#,
        ])
    func `a contained resource that is not surely the patient's own keeps its type and local id alone`(
        contained: String
    ) throws {
        let text = try #require(
            try HiddenPeopleTests.released(HiddenPeopleTests.containing(contained), "GET /Observation/o"))

        #expect(!text.contains("SECRET"))
        #expect(text.contains("SUBSETTED"))
        #expect(throws: Never.self) { try JSONDocument(Array(text.utf8)) }
        // Under no boundary there is nothing to hide.
        #expect(
            try HiddenPeopleTests.released(HiddenPeopleTests.containing(contained), "GET /Observation/o", .s)?
                .contains("SECRET") == true)
    }

    /// A resource of the kind in which other patients are masked.
    private static func encounter(_ extra: String) throws -> String {
        let json =
            #"{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/pA"}\#(extra)}"#
        return try #require(try HiddenPeopleTests.released(json, "GET /Encounter/e"))
    }

    @Test(.verifies("attack@ATK-231"))
    func `somebody of whom only type and name are said is masked as a patient, and kept as anybody else`() throws {
        func released(_ individual: String) throws -> String {
            try Self.encounter(#","participant":[{"individual":\#(individual)}]"#)
        }

        #expect(try !released(#"{"type":"Patient","display":"SECRET"}"#).contains("SECRET"))
        #expect(try released(#"{"type":"Practitioner","display":"KEPT"}"#).contains("KEPT"))
    }

    @Test(.verifies("attack@ATK-231"))
    func `nobody hides below what looks like a contained resource inside an element`() throws {
        let text = try Self.encounter(
            #","extension":[{"url":"x","valueReference":{"resourceType":"Device","contained":[{"patient":{"reference":"Patient/pB","display":"SECRET"}}]}}]"#
        )

        #expect(!text.contains("SECRET") && !text.contains("pB"))
    }

    @Test(arguments: [
        #"{"resourceType":"Organization","id":"c","name":"KEPT"}"#,
        #"{"resourceType":"Coverage","id":"c","type":{"text":"KEPT"}}"#,
        #"{"resourceType":"Condition","id":"c","code":{"text":"KEPT"},"subject":{"reference":"Patient/pA"}}"#,
    ])
    func `a contained resource of nobody else stays`(contained: String) throws {
        let json = HiddenPeopleTests.containing(contained)

        #expect(try HiddenPeopleTests.released(json, "GET /Observation/o") == json)
    }

    @Test(.verifies("attack@ATK-231"))
    func `a directory entry that contains somebody loses them`() throws {
        let json =
            #"{"resourceType":"PractitionerRole","id":"r","contained":[{"resourceType":"Patient","id":"p","gender":"SECRET"}]}"#

        #expect(try HiddenPeopleTests.released(json, "GET /PractitionerRole/r")?.contains("SECRET") == false)
    }

    @Test(.verifies("attack@ATK-231"))
    func `what contains a resource that contains others is withheld`() throws {
        let json = HiddenPeopleTests.containing(
            #"{"resourceType":"Coverage","id":"c","contained":[{"resourceType":"Patient","id":"p"}]}"#)

        #expect(try HiddenPeopleTests.released(json, "GET /Observation/o") == nil)
    }

    static func appointment(_ actor: String) -> String {
        #"{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/pA"}},{"actor":\#(actor)}]}"#
    }

    @Test(arguments: [
        #"{"reference":"Patient/pB"}"#, #"{"reference":"Patient/pB/"}"#, #"{"reference":"./Patient/pB"}"#,
        #"{"reference":"Patient/pB?x"}"#, #"{"reference":"/Patient/pB"}"#, #"{"reference":"patient/pB"}"#,
        #"{"reference":"urn:uuid:pB"}"#, #"{"reference":"https://elsewhere.example/fhir/Patient/pB"}"#,
        #"{"identifier":{"value":"pB"}}"#, #"{"identifier":{"value":"pB"},"display":"Bob"}"#,
        #"{"type":"Patient","identifier":{"value":"pB"}}"#, #"{"reference":7,"display":"pB"}"#,
        #"{"reference":"Practitioner/../Patient/pB","type":"Practitioner"}"#,
    ])
    func `whoever is not surely the patient, or surely no patient, is masked`(actor: String) throws {
        let text = try #require(
            try HiddenPeopleTests.released(HiddenPeopleTests.appointment(actor), "GET /Appointment/a"))

        #expect(!text.contains("pB"))
        #expect(text.contains(#"{"display":"redacted"}"#))
    }

    @Test(arguments: [
        #"{"reference":"Patient/pA"}"#, #"{"reference":"Practitioner/dr1"}"#, #"{"reference":"Location/l"}"#,
        ##"{"reference":"#x"}"##, #"{"type":"Practitioner","identifier":{"value":"NPI"}}"#, #"{"display":"Dr. X"}"#,
        #"{"reference":"https://elsewhere.example/fhir/Practitioner/x"}"#,
    ])
    func `whoever is surely the patient, or no patient, stays`(actor: String) throws {
        let json = HiddenPeopleTests.appointment(actor)

        #expect(try HiddenPeopleTests.released(json, "GET /Appointment/a") == json)
    }

    @Test func `an element that can never be a patient keeps its identifier`() throws {
        let json =
            #"{"resourceType":"Encounter","id":"e","subject":{"reference":"Patient/pA"},"serviceProvider":{"identifier":{"value":"NPI"}}}"#

        #expect(try HiddenPeopleTests.released(json, "GET /Encounter/e") == json)
    }

    @Test(.verifies("attack@ATK-053"))
    func `a Provenance stands on every clinical resource that it is about`() throws {
        let json =
            #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Patient/pA"},{"reference":"Observation/obsB"}]}"#
        let alone = #"{"resourceType":"Provenance","id":"v","target":[{"reference":"Patient/pA"}]}"#

        #expect(try HiddenPeopleTests.released(json, "GET /Provenance/v") == nil)
        #expect(try HiddenPeopleTests.released(alone, "GET /Provenance/v") == alone)
    }

    // MARK: - resources that hold others

    @Test(arguments: ["Bundle", "Parameters"])
    func `a resource that wraps others is not read, searched or written`(type: String) throws {
        let body = #"{"resourceType":"\#(type)","id":"b"}"#

        #expect(try Exchange.denial("GET /\(type)/b", .s).reason == .typeRefused)
        #expect(try Exchange.denial("GET /\(type)", .s).reason == .typeRefused)
        #expect(try Exchange.denial("PUT /\(type)/b", .sw, body: body).reason == .typeRefused)
    }

    // MARK: - several cuts

    @Test(arguments: ["text", "id", "participant", "status"])
    func `what is masked and then projected is still JSON`(elements: String) throws {
        let json =
            #"{"resourceType":"Appointment","id":"a","participant":[{"actor":{"reference":"Patient/pA"}},{"actor":{"reference":"Patient/pB"}}],"status":"booked","text":{"status":"generated","div":"<div>pB</div>"}}"#
        let permit = try Exchange.permit("GET /Appointment?_elements=\(elements)", .p)
        let answer = try Exchange.released(Exchange.answer(Records.searchset([json])), permit)

        let resource = try #require(answer.json["entry"]?.array?.first?["resource"])
        #expect(resource["id"]?.string == "a")
        #expect(resource["text"] == nil)
        #expect(!String(decoding: answer.body.bytes, as: UTF8.self).contains("pB"))
    }

    // MARK: - the upstream's own address

    @Test(arguments: [
        ("http://upstream.internal:9090/r4/Patient/pA", "https://gw.example/fhir/Patient/pA"),
        ("http://upstream.internal:9090/r4/mrn", "https://gw.example/fhir/mrn"),
        ("http://upstream.internal:9090/r4", "https://gw.example/fhir"),
        ("http://upstream.internal:9090/r4/Binary/b?x=y#z", "https://gw.example/fhir/Binary/b?x=y#z"),
        ("http://upstream.internal:9090/admin", "http://gw.example/admin"),
        ("https://UPSTREAM.internal/x", "https://gw.example/x"),
        ("see //upstream.internal:9090.", "see //gw.example."),
        ("<a href='http://upstream.internal:9090/r4/Patient/pA'>", "<a href='https://gw.example/fhir/Patient/pA'>"),
        ("upstream.internally speaking", "upstream.internally speaking"),
        ("http://upstream.internal2/x", "http://upstream.internal2/x"),
    ])
    func `no text tells where the protected server stands`(text: String, expected: String) throws {
        let quoted = String(decoding: JSONValue.string(text).serialized, as: UTF8.self)
        let escaped = quoted.replacing("/", with: "\\/")
        for spelling in [quoted, escaped] {
            let json = Records.observation("o", extra: #","note":[{"text":\#(spelling)}],"identifier":[\#(spelling)]"#)
            let permit = try Exchange.permit("GET /Observation/o", .p)
            let answer = try Exchange.released(Exchange.answer(json), permit)

            #expect(answer.json["note"]?.array?.first?["text"]?.string == expected)
            #expect(answer.json["identifier"]?.array?.first?.string == expected)
        }
    }

    // MARK: - tokens of several grants

    @Test(.verifies("attack@ATK-115"))
    func `a grant that could not permit the write does not admit its body`() throws {
        let token = Token(
            scopes: "system/Patient.c?active=true patient/Patient.c", patient: "pA", systemPanel: .everyone)
        let own = #"{"resourceType":"Patient","id":"pA"}"#
        let active = #"{"resourceType":"Patient","active":true}"#

        func admission(_ body: String) throws -> Admission {
            admit(
                try Exchange.view(body), as: .submitted, under: try Exchange.permit("POST /Patient", token, body: body))
        }
        #expect(try admission(own).released == nil)
        #expect(try admission(active).released != nil)
    }

    @Test(.verifies("attack@ATK-115"))
    func `a patient's own grant does not admit a delete that only another grant may do`() throws {
        let token = Token(
            scopes: "system/Patient.d?active=false patient/Patient.d", patient: "pA", systemPanel: .everyone)
        let permit = try Exchange.permit("DELETE /Patient/pA", token)

        #expect(admit(try Exchange.view(Records.patient("pA")), as: .stored, under: permit).released == nil)
    }

    @Test(.verifies("attack@ATK-123"))
    func `an unlimited grant lifts the limits of an update only where it admits the update`() throws {
        let token = Token(
            scopes: "system/Patient.u?active=true patient/Patient.u", patient: "pA", systemPanel: .everyone)
        let stored = Records.patient("pA")
        let body = String(stored.dropLast()) + #","identifier":[{"value":"B"}]}"#
        let permit = try Exchange.permit("PUT /Patient/pA", token, body: body)

        #expect(admitReplacement(try Exchange.view(body), of: try Exchange.view(stored), under: permit).released == nil)
    }

    @Test(arguments: [false, true])
    func `a body with somebody contained who is not the patient is refused`(isBundle: Bool) throws {
        let contained =
            isBundle
            ? #"{"resourceType":"Bundle","type":"collection"}"# : #"{"resourceType":"Patient","gender":"male"}"#
        let body = Records.observation("o", extra: #","contained":[\#(contained)]"#)

        #expect(try SubmittedBodyTests.status(body, .pw) == 403)
    }
}
