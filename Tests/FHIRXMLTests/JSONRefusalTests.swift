import FHIRXML
import RequirementTraits
import Testing

/// What cannot be said in XML, or is no JSON of a resource of R4.
@Suite struct JSONRefusalTests {
    struct Row: CustomTestStringConvertible {
        let json: String
        let code: XMLConversionError.Code
        let path: String

        init(_ json: String, _ code: XMLConversionError.Code, _ path: String = "") {
            self.json = json
            self.code = code
            self.path = path
        }

        /// A Patient with these members.
        static func patient(_ members: String, _ code: XMLConversionError.Code, _ path: String = "Patient") -> Row {
            Row("{\"resourceType\":\"Patient\",\(members)}", code, path)
        }

        var testDescription: String { "\(code.rawValue): \(json.prefix(100))" }
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            Row("", .malformedJSON), Row("{", .malformedJSON), Row("<Patient/>", .malformedJSON),
            Row(#"{"resourceType":"Patient","id":"a","id":"b"}"#, .malformedJSON),
            Row("[]", .wrongKind), Row("\"Patient\"", .wrongKind), Row("null", .wrongKind), Row("{}", .unknownType),
            Row(#"{"resourceType":"Nothing"}"#, .unknownType), Row(#"{"resourceType":"HumanName"}"#, .unknownType),
            Row(#"{"resourceType":"DomainResource"}"#, .unknownType), Row(#"{"resourceType":1}"#, .unknownType),
            .patient(#""nothing":1"#, .unknownElement), .patient(#""deceased":true"#, .unknownElement),
            .patient(#""deceasedString":"a""#, .unknownElement), .patient(#""fhir_comments":["a"]"#, .unknownElement),
            .patient(#""name":[{"resourceType":"HumanName"}]"#, .unknownElement, "Patient.name[0]"),
            .patient(#""name":[{"family":"a"},{"value":"b"}]"#, .unknownElement, "Patient.name[1]"),
            .patient(#""_name":[{"id":"a"}]"#, .unknownElement),
            .patient(#""_resourceType":{"id":"a"}"#, .unknownElement),
            .patient(#""_id":{"extension":[{"url":"u"}]}"#, .unknownElement),
            .patient(#""__active":{}"#, .unknownElement),
            .patient(#""extension":[{"url":"u","_url":{"id":"a"}}]"#, .unknownElement, "Patient.extension[0]"),
            .patient(#""text":{"status":"generated","_div":{"id":"a"}}"#, .unknownElement, "Patient.text"),
            .patient(#""_active":{"value":true}"#, .unknownElement, "Patient._active"),
            .patient(#""deceasedBoolean":true,"deceasedDateTime":"2020""#, .duplicate, "Patient.deceasedDateTime"),
            .patient(
                #""deceasedBoolean":true,"_deceasedDateTime":{"extension":[{"url":"u"}]}"#, .duplicate,
                "Patient._deceasedDateTime"),
        ]) func `what R4 does not know is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            .patient(#""active":"true""#, .wrongKind, "Patient.active"),
            .patient(#""active":1"#, .wrongKind, "Patient.active"),
            .patient(#""active":null"#, .wrongKind, "Patient.active"),
            .patient(#""active":[true]"#, .wrongKind, "Patient.active"),
            .patient(#""birthDate":2020"#, .wrongKind, "Patient.birthDate"),
            .patient(#""id":1"#, .wrongKind, "Patient.id"),
            .patient(#""name":{"family":"a"}"#, .wrongKind, "Patient.name"),
            .patient(#""name":["a"]"#, .wrongKind, "Patient.name[0]"),
            .patient(#""name":[null]"#, .wrongKind, "Patient.name[0]"),
            .patient(#""maritalStatus":[]"#, .wrongKind, "Patient.maritalStatus"),
            .patient(#""name":[{"given":"a"}]"#, .wrongKind, "Patient.name[0].given"),
            .patient(#""name":[{"id":1,"family":"a"}]"#, .wrongKind, "Patient.name[0].id"),
            .patient(#""_active":[{"id":"a"}],"active":true"#, .wrongKind, "Patient._active"),
            .patient(#""_active":"a""#, .wrongKind, "Patient._active"),
            .patient(#""contained":["a"]"#, .wrongKind, "Patient.contained[0]"),
            .patient(#""multipleBirthInteger":"1""#, .wrongKind, "Patient.multipleBirthInteger"),
            .patient(#""multipleBirthInteger":1.0"#, .wrongValue, "Patient.multipleBirthInteger"),
            .patient(#""multipleBirthInteger":1e2"#, .wrongValue, "Patient.multipleBirthInteger"),
            .patient(#""multipleBirthInteger":-0"#, .wrongValue, "Patient.multipleBirthInteger"),
            .patient(
                #""extension":[{"url":"u","valueDecimal":"1.0"}]"#, .wrongKind, "Patient.extension[0].valueDecimal"),
            .patient(#""text":{"status":"generated","div":{"a":1}}"#, .wrongKind, "Patient.text.div"),
        ] as [Row]) func `a value of another kind than the element's is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            .patient(#""name":[]"#, .empty, "Patient.name"), .patient(#""name":[{}]"#, .empty, "Patient.name[0]"),
            .patient(#""name":[{"id":"a"}]"#, .empty, "Patient.name[0]"),
            .patient(#""birthDate":"""#, .empty, "Patient.birthDate"),
            .patient(#""maritalStatus":{}"#, .empty, "Patient.maritalStatus"),
            .patient(#""id":"""#, .empty, "Patient.id"),
            .patient(#""_active":{}"#, .empty, "Patient._active"),
            .patient(#""_active":{"id":"a"}"#, .empty, "Patient._active"),
            .patient(#""active":true,"_active":{}"#, .empty, "Patient._active"),
            .patient(#""extension":[{}]"#, .empty, "Patient.extension[0]"),
            .patient(#""contained":[{}]"#, .unknownType, "Patient.contained[0]"),
            .patient(#""name":[{"given":[]}]"#, .empty, "Patient.name[0].given"),
            .patient(#""name":[{"given":[null]}]"#, .empty, "Patient.name[0].given[0]"),
            .patient(#""name":[{"given":["a",null],"_given":[null,null]}]"#, .empty, "Patient.name[0].given[1]"),
            .patient(#""name":[{"_given":[null,{"extension":[{"url":"u"}]}]}]"#, .empty, "Patient.name[0]._given[0]"),
            .patient(
                #""name":[{"given":["a","b"],"_given":[{"id":"x"}]}]"#, .mismatchedCompanion, "Patient.name[0]._given"),
            .patient(
                #""name":[{"given":["a"],"_given":[{"id":"x"},{"id":"y"}]}]"#, .mismatchedCompanion,
                "Patient.name[0]._given"),
        ] as [Row]) func `what is empty or does not belong together is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [#"\u0000"#, #"\u0001"#, #"\b"#, #"\f"#, #"\u001f"#, #"\ufffe"#, #"\uffff"#, "\u{FFFE}"])
    func `a character that XML does not have is refused`(character: String) {
        expectRefusal(.patient("\"birthDate\":\"a\(character)b\"", .illegalCharacter, "Patient.birthDate"))
        expectRefusal(
            .patient("\"name\":[{\"id\":\"\(character)\",\"family\":\"a\"}]", .illegalCharacter, "Patient.name[0].id"))
        expectRefusal(
            .patient(
                "\"text\":{\"status\":\"generated\",\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">\(character)</div>\"}",
                .illegalCharacter, "Patient.text.div"))
    }

    @Test(
        .verifies("house@xml-narrative"),
        arguments: [
            "a", "<div>a</div>", "<p xmlns='http://www.w3.org/1999/xhtml'>a</p>",
            "<div xmlns='http://hl7.org/fhir'>a</div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'>a</div></text><active value='false'/><text>",
            "<div xmlns='http://www.w3.org/1999/xhtml'>a</div><div xmlns='http://www.w3.org/1999/xhtml'>b</div>",
            "a<div xmlns='http://www.w3.org/1999/xhtml'>a</div>", "<div xmlns='http://www.w3.org/1999/xhtml'>a</div>b",
            "<!-- a --><div xmlns='http://www.w3.org/1999/xhtml'>a</div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'>a",
            "<div xmlns='http://www.w3.org/1999/xhtml'>a</div><!-- a -->",
            "<div xmlns='http://www.w3.org/1999/xhtml'><br></div>",
            "<?xml version='1.0'?><div xmlns='http://www.w3.org/1999/xhtml'>a</div>",
            "<!DOCTYPE div [<!ENTITY a 'b'>]><div xmlns='http://www.w3.org/1999/xhtml'>&a;</div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'><?x y?></div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'>&nothing;</div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'><b xmlns='http://hl7.org/fhir'/></div>",
            "<h:div xmlns:h='http://www.w3.org/1999/xhtml'>a</h:div>",
            "<div xmlns='http://www.w3.org/1999/xhtml'><x:b/></div>",
            "<div xmlns='http://www.w3.org/1999/xhtml' xmlns:x='urn:x'><b x:y='z'/></div>", " ",
            "<Patient xmlns='http://hl7.org/fhir'><text><div xmlns='http://www.w3.org/1999/xhtml'/></text></Patient>",
            "\u{FEFF}<div xmlns='http://www.w3.org/1999/xhtml'>a</div>",
        ]) func `a narrative that would be something else in XML is refused`(narrative: String)
    {
        expectRefusal(
            .patient("\"text\":{\"status\":\"generated\",\"div\":\"\(narrative)\"}", .badNarrative, "Patient.text.div"))
    }

    @Test(.verifies("house@xml-bounded"))
    func `what is too deep or too large is refused`() {
        let deep = String(repeating: #"{"url":"u","extension":["#, count: 40)
        let json =
            "{\"resourceType\":\"Patient\",\"extension\":[\(deep){\"url\":\"u\"}" + String(repeating: "]}", count: 40)
            + "]}"
        #expect(Convert.refusal(ofJSON: json)?.code == .tooDeep)
        let plain = #"{"resourceType":"Patient","active":true}"#
        #expect(Convert.refusal(ofJSON: plain, limits: XMLLimits(maxBytes: 20))?.code == .tooLarge)
        #expect(Convert.refusal(ofJSON: plain, limits: XMLLimits(maxOutputBytes: 40))?.code == .tooLarge)
    }

    private func expectRefusal(_ row: Row) {
        let refusal = Convert.refusal(ofJSON: row.json)
        #expect(refusal?.code == row.code, "\(row.json): \(String(describing: refusal))")
        #expect(refusal?.path == row.path, "\(row.json)")
        #expect(refusal.map { $0.offset >= 0 && $0.offset <= row.json.utf8.count } == true)
    }
}
