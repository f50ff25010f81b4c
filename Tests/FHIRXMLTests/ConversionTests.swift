import FHIRCore
import FHIRXML
import RequirementTraits
import Testing

/// Resources in both formats, spelled out.
@Suite struct ConversionTests {
    struct Row: CustomTestStringConvertible {
        let json: String
        let xml: String

        init(_ json: String, _ xml: String) {
            self.json = json
            self.xml = xml
        }

        var testDescription: String { json }
    }

    private static let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"

    @Test(
        .verifies("house@xml-lossless"),
        arguments: [
            Row(#"{"resourceType":"Patient"}"#, "<Patient xmlns=\"http://hl7.org/fhir\"></Patient>"),
            Row(
                #"{"resourceType":"Patient","id":"a","active":true,"birthDate":"2020-02-29"}"#,
                Convert.patient("<id value=\"a\"/><active value=\"true\"/><birthDate value=\"2020-02-29\"/>")),
            Row(
                #"{"resourceType":"Patient","name":[{"id":"n","family":"a","given":["b","c"]},{"text":"d"}]}"#,
                Convert.patient(
                    "<name id=\"n\"><family value=\"a\"/><given value=\"b\"/><given value=\"c\"/></name>"
                        + "<name><text value=\"d\"/></name>")),
            Row(
                #"{"resourceType":"Patient","birthDate":"2020","_birthDate":{"id":"b","extension":[{"url":"u","valueString":"x"}]}}"#,
                Convert.patient(
                    "<birthDate id=\"b\" value=\"2020\"><extension url=\"u\"><valueString value=\"x\"/></extension></birthDate>"
                )),
            Row(
                #"{"resourceType":"Patient","_birthDate":{"extension":[{"url":"u"}]}}"#,
                Convert.patient("<birthDate><extension url=\"u\"/></birthDate>")),
            Row(
                #"{"resourceType":"Patient","name":[{"given":["a",null,"b"],"_given":[null,{"extension":[{"url":"u"}]},{"id":"x"}]}]}"#,
                Convert.patient(
                    "<name><given value=\"a\"/><given><extension url=\"u\"/></given><given id=\"x\" value=\"b\"/></name>"
                )),
            Row(
                #"{"resourceType":"Patient","name":[{"_given":[{"extension":[{"url":"u"}]}]}]}"#,
                Convert.patient("<name><given><extension url=\"u\"/></given></name>")),
            Row(
                #"{"resourceType":"Patient","extension":[{"id":"e","url":"u","extension":[{"url":"v","valueDecimal":1.50}]}]}"#,
                Convert.patient(
                    "<extension id=\"e\" url=\"u\"><extension url=\"v\"><valueDecimal value=\"1.50\"/></extension></extension>"
                )),
            Row(
                #"{"resourceType":"Patient","contained":[{"resourceType":"Basic","id":"x"},{"resourceType":"Patient"}],"deceasedDateTime":"2020"}"#,
                Convert.patient(
                    "<contained><Basic><id value=\"x\"/></Basic></contained><contained><Patient></Patient></contained>"
                        + "<deceasedDateTime value=\"2020\"/>")),
        ]) func `both formats say the same`(row: Row) throws
    {
        #expect(try Convert.xml(row.json) == Self.declaration + row.xml)
        #expect(try Convert.json(row.xml) == row.json)
        #expect(try Convert.json(Self.declaration + row.xml) == row.json)
    }

    @Test(.verifies("house@xml-lossless"))
    func `entries, outcomes and parameters hold resources`() throws {
        let bundle =
            #"{"resourceType":"Bundle","type":"searchset","total":0,"link":[{"relation":"self","url":"http://x/?a=1&b=2"}],"#
            + #""entry":[{"fullUrl":"urn:x","resource":{"resourceType":"Basic","id":"a"},"search":{"mode":"match","score":0.50}},"#
            + #"{"response":{"status":"200","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid"}]}}}]}"#
        let xml =
            "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"searchset\"/><total value=\"0\"/><link><relation value=\"self\"/>"
            + "<url value=\"http://x/?a=1&amp;b=2\"/></link><entry><fullUrl value=\"urn:x\"/><resource><Basic><id value=\"a\"/>"
            + "</Basic></resource><search><mode value=\"match\"/><score value=\"0.50\"/></search></entry><entry><response>"
            + "<status value=\"200\"/><outcome><OperationOutcome><issue><severity value=\"error\"/><code value=\"invalid\"/>"
            + "</issue></OperationOutcome></outcome></response></entry></Bundle>"

        #expect(try Convert.xml(bundle) == Self.declaration + xml)
        #expect(try Convert.json(xml) == bundle)

        let parameters =
            #"{"resourceType":"Parameters","parameter":[{"name":"a","resource":{"resourceType":"Patient","id":"p"}},"#
            + #"{"name":"b","part":[{"name":"c","valueReference":{"reference":"Patient/p"}}]}]}"#
        #expect(try Convert.json(try Convert.xml(parameters)) == parameters)
    }

    @Test(.verifies("house@xml-lossless"))
    func `members in any order are written in the order of the definition`() throws {
        #expect(
            try Convert.xml(
                #"{"birthDate":"2020","_birthDate":{"id":"b"},"active":true,"resourceType":"Patient","id":"a"}"#)
                == Self.declaration
                + Convert.patient("<id value=\"a\"/><active value=\"true\"/><birthDate id=\"b\" value=\"2020\"/>"))
    }

    @Test(
        .verifies("house@xml-lossless"),
        arguments: [
            "0", "-0", "0.0", "1.00", "-1.50", "100", "1e5", "1E+5", "1.0e-10", "0.000000000000000000001",
            "12345678901234567890.12345678901234567890", "1.7976931348623157e999",
        ]) func `a decimal keeps its characters`(text: String) throws
    {
        let json = "{\"resourceType\":\"Patient\",\"extension\":[{\"url\":\"u\",\"valueDecimal\":\(text)}]}"

        let xml = try Convert.xml(json)

        #expect(xml.contains("<valueDecimal value=\"\(text)\"/>"))
        #expect(try Convert.json(xml) == json)
    }

    @Test(
        .verifies("house@xml-lossless"),
        arguments: [
            " ", "  a  b  ", "a\tb", "a\nb", "a\r\nb", "\r", "\n\n", "&", "&amp;", "&lt;", "&#38;", "<b>", "]]>", "\"'",
            "a\\b", "/", "é", "€", "😀", "\u{7F}", "\u{85}", "\u{2028}", "\u{FEFF}",
            String(Unicode.Scalar(0xFDD0 as UInt16)!), "\u{1FFFE}", "<!--", "<?x?>",
            "%", "\u{200F}\u{0301}",
        ]) func `a string keeps its characters`(text: String) throws
    {
        let json = JSONValue.object([
            JSONMemberValue("resourceType", "Patient"), JSONMemberValue("id", .string(text)),
            JSONMemberValue("extension", [["id": .string(text), "url": .string(text), "valueString": .string(text)]]),
        ])

        let xml = try ResourceXML.xml(fromJSON: json.serialized)
        let back = try ResourceXML.json(fromXML: xml)

        #expect(try JSONValue(parsing: back) == json)
        #expect(try ResourceXML.xml(fromJSON: back) == xml)
    }

    @Test(
        .verifies("house@xml-narrative"),
        arguments: [
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>", "<div xmlns='http://www.w3.org/1999/xhtml' />",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"/>",
            "<div\n  xmlns = \"http://www.w3.org/1999/xhtml\"  class='a' >a</div >",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">&lt;&amp;&#160;&#xA0; é 😀 \u{A0}</div>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p xml:lang=\"de\" id='x'>a<br/>b<br />c</p>\n\t<!-- a > b -->\r\n</div>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><![CDATA[<b>&nope;]]></div>",
            "<div lang=\"de\" xmlns=\"http://www.w3.org/1999/xhtml\"><a title=\"a > b\" href=\"x?a=1&amp;b=2\">a</a></div>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p xmlns=\"http://www.w3.org/1999/xhtml\">a</p></div>",
        ]) func `a narrative keeps its characters`(narrative: String) throws
    {
        let json = JSONValue.object([
            JSONMemberValue("resourceType", "Patient"),
            JSONMemberValue("text", ["status": "generated", "div": .string(narrative)]),
            JSONMemberValue("active", true),
        ])

        let xml = String(decoding: try ResourceXML.xml(fromJSON: json.serialized), as: UTF8.self)

        #expect(xml.contains("<status value=\"generated\"/>\(narrative)</text><active value=\"true\"/>"))
        #expect(try JSONValue(parsing: Array(Convert.json(xml).utf8)) == json)
    }

    @Test(
        .verifies("house@xml-narrative"),
        arguments: [
            ("a&nbsp;b&reg;", "a&#160;b&#174;"), ("&amp;reg;&lt;&gt;&quot;&apos;", "&amp;reg;&lt;&gt;&quot;&apos;"),
            ("<!-- &reg; --><b title='&copy;'>&thetasym;</b>", "<!-- &reg; --><b title='&#169;'>&#977;</b>"),
            ("<![CDATA[&reg;]]>&reg;", "<![CDATA[&reg;]]>&#174;"), ("<!-->&reg;-->", "<!-->&reg;-->"),
        ]) func `an entity of HTML becomes its character`(written: String, expected: String) throws
    {
        func resource(_ content: String) -> String {
            let div = "<div xmlns='http://www.w3.org/1999/xhtml'>\(content)</div>"
            return JSONValue.object([
                JSONMemberValue("resourceType", "Patient"),
                JSONMemberValue("text", ["status": "generated", "div": .string(div)]),
            ]).text
        }

        let xml = try Convert.xml(resource(written))

        #expect(xml.contains(">\(expected)</div>"))
        #expect(try JSONValue(parsing: Array(Convert.json(xml).utf8)).text == resource(expected))
    }

    @Test func `white space around a narrative in JSON goes`() throws {
        let div = "<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\">a</div>"
        let json = "{\"resourceType\":\"Patient\",\"text\":{\"status\":\"generated\",\"div\":\"\\n \(div)\\t\"}}"

        #expect(try Convert.json(Convert.xml(json)).contains("\"div\":\"\(div)\""))
    }

    @Test(
        arguments: [
            "\n  <id value=\"a\"/>\n  <active value=\"true\"/>\n",
            "<!-- x --><id value='a'></id><!-- y --><active value=\"true\" />",
            "<id\nvalue\t=\r\n'a'/><active value=\"&#116;rue\"/>",
            "&#32;<id value=\"&#97;\"/>&#10;<active value=\"true\"></active>",
            "<id value=\"a\" xmlns=\"http://hl7.org/fhir\"/><f:active xmlns:f=\"http://hl7.org/fhir\" value=\"true\"/>",
        ]) func `other spellings of the same XML are the same`(content: String) throws
    {
        let expected = #"{"resourceType":"Patient","id":"a","active":true}"#

        #expect(try Convert.json(Convert.patient(content)) == expected)
        #expect(
            try Convert.json(
                "\u{FEFF}<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n\(Convert.patient(content))\n<!-- -->"
            ) == expected)
    }

    @Test func `all elements can be prefixed`() throws {
        let xml =
            "<f:Patient xmlns:f=\"http://hl7.org/fhir\"><f:text><f:status value=\"generated\"/>"
            + "<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div></f:text></f:Patient>"

        #expect(
            try Convert.json(xml)
                == #"{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}}"#
        )
    }

    @Test func `white space in an attribute is what XML makes of it`() throws {
        #expect(
            try Convert.json(Convert.patient("<birthDate value=\"a\n\tb&#10;c&amp;lt;\"/>"))
                == #"{"resourceType":"Patient","birthDate":"a  b\nc&lt;"}"#)
    }
}
