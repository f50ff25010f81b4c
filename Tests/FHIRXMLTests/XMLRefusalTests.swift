import FHIRXML
import RequirementTraits
import Testing

/// What is not the XML of a resource of R4, one row for each way of not being it.
@Suite struct XMLRefusalTests {
    struct Row: CustomTestStringConvertible {
        let xml: String
        let code: XMLConversionError.Code
        let path: String

        init(_ xml: String, _ code: XMLConversionError.Code, _ path: String = "") {
            self.xml = xml
            self.code = code
            self.path = path
        }

        /// A Patient with this content.
        static func patient(_ content: String, _ code: XMLConversionError.Code, _ path: String = "") -> Row {
            Row(Convert.patient(content), code, path)
        }

        var testDescription: String { "\(code.rawValue): \(xml.prefix(100))" }
    }

    private static let narrative = "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">"

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            Row("<Nothing xmlns=\"http://hl7.org/fhir\"/>", .unknownType),
            Row("<HumanName xmlns=\"http://hl7.org/fhir\"><family value=\"a\"/></HumanName>", .unknownType),
            Row("<Resource xmlns=\"http://hl7.org/fhir\"/>", .unknownType),
            Row("<DomainResource xmlns=\"http://hl7.org/fhir\"/>", .unknownType),
            Row("<PatientContact xmlns=\"http://hl7.org/fhir\"/>", .unknownType),
            .patient("<nothing value=\"1\"/>", .unknownElement, "Patient"),
            .patient("<Active value=\"true\"/>", .unknownElement, "Patient"),
            .patient("<deceased value=\"true\"/>", .unknownElement, "Patient"),
            .patient("<deceasedString value=\"a\"/>", .unknownElement, "Patient"),
            .patient("<resourceType value=\"Patient\"/>", .unknownElement, "Patient"),
            .patient("<name><nothing value=\"1\"/></name>", .unknownElement, "Patient.name"),
            .patient("<active value=\"true\"><value value=\"1\"/></active>", .unknownElement, "Patient.active"),
            .patient("<id value=\"a\"><extension url=\"u\"/></id>", .unknownElement, "Patient.id"),
        ]) func `what R4 does not know is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            Row("<Patient/>", .wrongNamespace),
            Row("<Patient xmlns=\"http://hl7.org/fhir/\"/>", .wrongNamespace),
            Row("<Patient xmlns=\"urn:hl7-org:v3\"/>", .wrongNamespace),
            Row("<div xmlns=\"http://www.w3.org/1999/xhtml\"/>", .wrongNamespace, "div"),
            .patient("<active xmlns=\"\" value=\"true\"/>", .wrongNamespace),
            .patient("<x:active xmlns:x=\"urn:x\" value=\"true\"/>", .wrongNamespace),
            .patient(
                "<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"/etc/passwd\"/>", .wrongNamespace),
            .patient(
                "<text><status value=\"generated\"/><div value=\"a\"/></text>", .wrongNamespace, "Patient.text.div"),
            .patient("<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>", .unknownElement, "Patient"),
            .patient(
                "<name><div xmlns=\"http://www.w3.org/1999/xhtml\">a</div></name>", .unknownElement, "Patient.name"),
            .patient("<active x:value=\"true\" xmlns:x=\"http://hl7.org/fhir\"/>", .unknownAttribute),
            Row(
                "<Patient xmlns=\"http://hl7.org/fhir\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
                    + "xsi:schemaLocation=\"http://hl7.org/fhir x.xsd\"/>", .unknownAttribute),
            .patient("<active value=\"true\" xml:lang=\"de\"/>", .unknownAttribute),
            .patient("<active value=\"true\" valu=\"true\"/>", .unknownAttribute),
            Row("<Patient xmlns=\"http://hl7.org/fhir\" id=\"a\"/>", .unknownAttribute, "Patient"),
            Row("<Patient xmlns=\"http://hl7.org/fhir\" value=\"a\"/>", .unknownAttribute, "Patient"),
            .patient("<id value=\"a\" id=\"b\"/>", .unknownAttribute, "Patient.id"),
            .patient("<name value=\"a\"/>", .unknownAttribute, "Patient.name"),
            .patient("<name url=\"a\"><family value=\"a\"/></name>", .unknownAttribute, "Patient.name"),
            .patient("<active value=\"true\" url=\"a\"/>", .unknownAttribute, "Patient.active"),
            .patient("<contained id=\"a\"><Basic/></contained>", .unknownAttribute, "Patient.contained"),
        ]) func `what is of another namespace or an attribute of another element is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            .patient("<birthDate value=\"2020\"/><active value=\"true\"/>", .wrongOrder, "Patient.active"),
            .patient("<active value=\"true\"/><id value=\"a\"/>", .wrongOrder, "Patient.id"),
            .patient(
                "<name><family value=\"a\"/></name><telecom><value value=\"1\"/></telecom>"
                    + "<name><family value=\"b\"/></name>", .wrongOrder, "Patient.name[1]"),
            .patient("<active value=\"true\"/><active value=\"true\"/>", .duplicate, "Patient.active[1]"),
            .patient("<id value=\"a\"/><id value=\"b\"/>", .duplicate, "Patient.id[1]"),
            .patient(
                "<deceasedBoolean value=\"true\"/><deceasedDateTime value=\"2020\"/>", .duplicate,
                "Patient.deceasedDateTime"),
            .patient(
                "<extension url=\"u\"><valueString value=\"a\"/><valueCode value=\"a\"/></extension>", .duplicate,
                "Patient.extension.valueCode"),
            .patient("<contained><Basic/><Basic/></contained>", .duplicate, "Patient.contained"),
            .patient(
                "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\"/>"
                    + "<div xmlns=\"http://www.w3.org/1999/xhtml\"/></text>", .duplicate, "Patient.text.div[1]"),
        ] as [Row]) func `what stands in another place or too often is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            .patient("<active/>", .empty, "Patient.active"),
            .patient("<active></active>", .empty, "Patient.active"),
            .patient("<active id=\"a\"/>", .empty, "Patient.active"),
            .patient("<active value=\"\"/>", .empty, "Patient.active"),
            .patient("<id/>", .empty, "Patient.id"),
            .patient("<name/>", .empty, "Patient.name"),
            .patient("<name id=\"a\"></name>", .empty, "Patient.name"),
            .patient("<name id=\"\"><family value=\"a\"/></name>", .empty, "Patient.name"),
            .patient("<extension/>", .empty, "Patient.extension"),
            .patient("<extension url=\"\"/>", .empty, "Patient.extension"),
            .patient("<contained/>", .empty, "Patient.contained"),
            .patient("<contained><HumanName/></contained>", .unknownType),
            .patient("<active value=\"TRUE\"/>", .wrongValue, "Patient.active"),
            .patient("<active value=\"1\"/>", .wrongValue, "Patient.active"),
            .patient("<active value=\" true\"/>", .wrongValue, "Patient.active"),
            .patient("<multipleBirthInteger value=\"+1\"/>", .wrongValue, "Patient.multipleBirthInteger"),
            .patient("<multipleBirthInteger value=\"01\"/>", .wrongValue, "Patient.multipleBirthInteger"),
            .patient("<multipleBirthInteger value=\"-0\"/>", .wrongValue, "Patient.multipleBirthInteger"),
            .patient("<multipleBirthInteger value=\"1.0\"/>", .wrongValue, "Patient.multipleBirthInteger"),
            .patient("<multipleBirthInteger value=\"1 \"/>", .wrongValue, "Patient.multipleBirthInteger"),
            .patient("<multipleBirthInteger value=\"true\"/>", .wrongValue, "Patient.multipleBirthInteger"),
        ] as [Row]) func `what is empty or no value of its type is refused`(row: Row)
    {
        expectRefusal(row)
    }

    @Test(arguments: [".5", "1.", "01.5", "1e", "1e+", "+1.0", "NaN", "INF", "1,5", "0x1", "--1", "-", "1.2.3", "1_0"])
    func `what is no decimal of JSON is refused`(text: String) {
        let xml = Convert.patient("<extension url=\"u\"><valueDecimal value=\"\(text)\"/></extension>")
        #expect(Convert.refusal(ofXML: xml.utf8)?.code == .wrongValue)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            .patient("a", .strayText), .patient("&#97;", .strayText),
            .patient("<name>a<family value=\"a\"/></name>", .strayText),
            .patient("<active value=\"true\">a</active>", .strayText), .patient("<![CDATA[ ]]>", .strayText),
            .patient("\u{A0}", .strayText), .patient("&amp;", .strayText),
            .patient("\(narrative)<x:b xmlns:x=\"urn:x\">a</x:b></div></text>", .wrongNamespace),
            .patient("\(narrative)<b xmlns=\"http://hl7.org/fhir\">a</b></div></text>", .wrongNamespace),
            .patient("\(narrative)<svg xmlns=\"http://www.w3.org/2000/svg\"/></div></text>", .wrongNamespace),
            .patient(
                "\(narrative)<h:b xmlns:h=\"http://www.w3.org/1999/xhtml\">a</h:b></div></text>", .badNarrative),
            .patient("\(narrative)<b x:y=\"z\" xmlns:x=\"urn:x\">a</b></div></text>", .badNarrative),
            .patient(
                "<text><status value=\"generated\"/><p xmlns=\"http://www.w3.org/1999/xhtml\">a</p></text>",
                .badNarrative),
            .patient(
                "<text><status value=\"generated\"/><h:div xmlns:h=\"http://www.w3.org/1999/xhtml\">a</h:div></text>",
                .badNarrative),
            Row(
                "<f:Patient xmlns:f=\"http://hl7.org/fhir\" xmlns=\"http://www.w3.org/1999/xhtml\"><f:text>"
                    + "<f:status value=\"generated\"/><div>a</div></f:text></f:Patient>", .badNarrative),
            .patient("\(narrative)&nbsp;</div></text>", .malformedXML),
        ] as [Row]) func `stray text and what is no plain narrative is refused`(row: Row)
    {
        expectRefusal(row)
    }

    private func expectRefusal(_ row: Row) {
        let refusal = Convert.refusal(ofXML: row.xml.utf8)
        #expect(refusal?.code == row.code, "\(row.xml): \(String(describing: refusal))")
        #expect(refusal?.path == row.path, "\(row.xml)")
        #expect(refusal.map { $0.offset >= 0 && $0.offset <= row.xml.utf8.count } == true)
    }
}
