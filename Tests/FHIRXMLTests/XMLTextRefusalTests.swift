import FHIRXML
import RequirementTraits
import Testing

/// What is refused before anybody asks what the elements mean: the attacks on XML parsers, and texts that are no XML.
@Suite struct XMLTextRefusalTests {
    typealias Row = XMLRefusalTests.Row

    private static let patient = Convert.patient("<active value=\"true\"/>")

    @Test(
        .verifies("house@xml-no-dtd"),
        arguments: [
            "<!DOCTYPE Patient>", "<!doctype Patient>", "<!DOCTYPE Patient SYSTEM \"file:///etc/passwd\">",
            "<!DOCTYPE Patient PUBLIC \"-//X\" \"http://127.0.0.1:1/x.dtd\">",
            "<!DOCTYPE Patient [<!ENTITY a \"b\">]>", "<!DOCTYPE Patient [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>",
            "<!DOCTYPE Patient [<!ENTITY % a SYSTEM \"http://127.0.0.1:1/\"> %a;]>",
            "<!DOCTYPE Patient [<!ENTITY a \"&b;&b;&b;\"><!ENTITY b \"&c;&c;&c;\"><!ENTITY c \"x\">]>",
            "<!DOCTYPE Patient [<!ATTLIST active value CDATA \"true\">]>", "<!-- a --><!DOCTYPE Patient>",
            "<!ENTITY a \"b\">", "<!ELEMENT Patient ANY>", "<!>", "<!x",
        ]) func `a document type declaration is refused, whatever is in it`(declaration: String)
    {
        #expect(Convert.refusal(ofXML: (declaration + Self.patient).utf8)?.code == .documentType)
        #expect(
            Convert.refusal(ofXML: ("<?xml version=\"1.0\"?>\n" + declaration + Self.patient).utf8)?.code
                == .documentType)
        #expect(Convert.refusal(ofXML: Convert.patient(declaration).utf8)?.code == .documentType)
    }

    @Test(
        .verifies("house@xml-no-dtd"),
        arguments: [
            "<?xml-stylesheet href=\"http://127.0.0.1:1/\"?>\(patient)", "\(patient)<?x?>", Convert.patient("<?x y?>"),
            "\n<?xml version=\"1.0\"?>\(patient)", " <?xml version=\"1.0\"?>\(patient)",
            "<?XML version=\"1.0\"?>\(patient)",
            "<?xml version=\"1.0\"?><?xml version=\"1.0\"?>\(patient)",
            Convert.patient(
                "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\"><?php x?></div></text>"),
        ]) func `a processing instruction is refused`(xml: String)
    {
        #expect(Convert.refusal(ofXML: xml.utf8)?.code == .processingInstruction)
    }

    @Test(
        .verifies("house@xml-no-dtd"),
        arguments: ["&x;", "&nbsp;", "&amp", "&", "&#;", "&#x;", "&#xD800;", "&lt;&gt;&y;", "%x;&z;"])
    func `an entity that nobody declared is refused`(reference: String) {
        let code = Convert.refusal(ofXML: Convert.patient("<birthDate value=\"\(reference)\"/>").utf8)?.code
        #expect(code == .malformedXML || code == .illegalCharacter)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            ("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>", .notUTF8),
            ("<?xml version=\"1.0\" encoding=\"UTF-16\"?>", .notUTF8),
            ("<?xml version=\"1.0\" encoding=\"UTF-7\"?>", .notUTF8),
            ("<?xml version=\"1.0\" encoding=\"US-ASCII\"?>", .notUTF8),
            ("<?xml version=\"1.0\" encoding=\"windows-1252\"?>", .notUTF8),
            ("<?xml version=\"1.1\"?>", .notUTF8), ("<?xml version=\"1.1\" encoding=\"UTF-8\"?>", .notUTF8),
            ("<?xml version=\"1.0\" encoding=\"x-nothing\"?>", .malformedXML),
            ("<?xml encoding=\"UTF-8\"?>", .malformedXML), ("<?xml ?>", .malformedXML),
        ] as [(String, XMLConversionError.Code)])
    func `another encoding or version is refused`(declaration: String, code: XMLConversionError.Code) {
        let found = Convert.refusal(ofXML: (declaration + Self.patient).utf8)?.code
        // Which of the two a strange name is may change with the library; that it is refused may not.
        #expect(found == code || found == .notUTF8 || found == .malformedXML)
        #expect(found != nil)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            [0xFF, 0xFE, 0x3C, 0x00], [0xFE, 0xFF, 0x00, 0x3C], [0x00, 0x00, 0x00, 0x3C], [0x3C, 0x00, 0x50, 0x00],
            [0x00, 0x3C, 0x00, 0x50], [0x4C, 0x6F, 0xA7, 0x94], [0xC0, 0xBC], [0xED, 0xA0, 0x80], [0xF8],
        ] as [[UInt8]]) func `bytes of another encoding are refused`(bytes: [UInt8])
    {
        let code = Convert.refusal(ofXML: bytes + Array(Self.patient.utf8))?.code
        #expect(code == .notUTF8 || code == .illegalCharacter)
        #expect(Convert.refusal(ofXML: Array(Convert.patient("<birthDate value=\"").utf8) + bytes) != nil)
    }

    @Test func `UTF-16 is refused though a parser would know it`() {
        var (big, little): ([UInt8], [UInt8]) = ([0xFE, 0xFF], [0xFF, 0xFE])
        for unit in "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\(Self.patient)".utf16 {
            big += [UInt8(unit >> 8), UInt8(unit & 0xFF)]
            little += [UInt8(unit & 0xFF), UInt8(unit >> 8)]
        }
        #expect(Convert.refusal(ofXML: big)?.code == .notUTF8)
        #expect(Convert.refusal(ofXML: little)?.code == .notUTF8)
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            "\u{0}", "\u{1}", "\u{B}", "\u{1F}", "\u{FFFE}", "\u{FFFF}", "&#0;", "&#1;", "&#xFFFE;", "&#xFFFF;",
        ])
    func `a character that XML does not have is refused`(character: String) {
        for content in [
            "<birthDate value=\"a\(character)b\"/>", "<birthDate value='\(character)'/>",
            "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">\(character)</div></text>",
            "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\" title=\"\(character)\"/></text>",
        ] {
            #expect(Convert.refusal(ofXML: Convert.patient(content).utf8)?.code == .illegalCharacter, "\(content)")
        }
    }

    @Test(
        .verifies("house@xml-strict"),
        arguments: [
            "", " ", "\n", "{}", "{\"resourceType\":\"Patient\"}", "<", "<Patient",
            "<Patient xmlns=\"http://hl7.org/fhir\">",
            "<Patient xmlns=\"http://hl7.org/fhir\"></patient>", patient + patient, patient + "a", "a" + patient,
            patient + "<", Convert.patient("<active value=true/>"), Convert.patient("<active value/>"),
            Convert.patient("<active value=\"true\" value=\"true\"/>"), Convert.patient("<active value=\"<\"/>"),
            Convert.patient("<active value=\"true\"/"), Convert.patient("<x:active value=\"true\"/>"),
            Convert.patient("<active value=\"true\"></name>"), Convert.patient("< active value=\"true\"/>"),
            Convert.patient("<!-- a -- b -->"), Convert.patient("<!-- a"), Convert.patient("<![CDATA["),
            Convert.patient("<active value=\"true\"x=\"y\"/>"), Convert.patient("</active>"),
            "\u{FEFF}\u{FEFF}" + patient, Convert.patient("]]>"),
        ]) func `what is not well-formed is refused`(xml: String)
    {
        let code = Convert.refusal(ofXML: xml.utf8)?.code
        #expect(
            [.malformedXML, .strayText, .unknownAttribute, .unknownElement, .wrongNamespace].contains(code),
            "\(String(describing: code))")
    }

    @Test func `the same attribute by two prefixes is refused`() {
        let xml = Convert.patient(
            "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">"
                + "<b xmlns:x=\"urn:x\" xmlns:y=\"urn:x\" x:a=\"1\" y:a=\"2\"/></div></text>")
        #expect(Convert.refusal(ofXML: xml.utf8) != nil)
    }

    @Test(.verifies("house@xml-bounded"))
    func `elements inside one another end at the limit`() {
        func nested(_ count: Int) -> String {
            Convert.patient(
                String(repeating: "<extension url=\"u\">", count: count) + "<valueString value=\"a\"/>"
                    + String(repeating: "</extension>", count: count))
        }

        #expect(Convert.refusal(ofXML: nested(60).utf8) == nil)
        #expect(Convert.refusal(ofXML: nested(128).utf8)?.code == .tooDeep)
        #expect(Convert.refusal(ofXML: nested(100_000).utf8)?.code == .tooDeep)
        #expect(Convert.refusal(ofXML: nested(10).utf8, limits: XMLLimits(maxDepth: 10))?.code == .tooDeep)
        #expect(Convert.refusal(ofXML: nested(9).utf8, limits: XMLLimits(maxDepth: 10)) == nil)
        let narrative =
            "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">"
            + String(repeating: "<b>", count: 130) + String(repeating: "</b>", count: 130) + "</div></text>"
        #expect(Convert.refusal(ofXML: Convert.patient(narrative).utf8)?.code == .tooDeep)
    }

    @Test(.verifies("house@xml-bounded"))
    func `attributes end at the limit`() {
        let attributes = (0..<100_000).map { "a\($0)=\"\"" }.joined(separator: " ")
        #expect(Convert.refusal(ofXML: Convert.patient("<active \(attributes)/>").utf8)?.code == .tooManyAttributes)
        let declarations = (0..<33).map { "xmlns:a\($0)=\"urn:\($0)\"" }.joined(separator: " ")
        let code = Convert.refusal(ofXML: Convert.patient("<active \(declarations) value=\"true\"/>").utf8)?.code
        #expect(code == .tooManyAttributes)
    }

    @Test(.verifies("house@xml-bounded"))
    func `different names end at the limit`() {
        func narrative(_ content: String) -> String {
            Convert.patient(
                "<text><status value=\"generated\"/><div xmlns=\"http://www.w3.org/1999/xhtml\">\(content)</div></text>"
            )
        }
        func elements(_ count: Int) -> String { (0..<count).map { "<a\($0)/>" }.joined() }

        #expect(Convert.refusal(ofXML: narrative(elements(1000)).utf8) == nil)
        #expect(Convert.refusal(ofXML: narrative(elements(5000)).utf8)?.code == .tooManyNames)
        #expect(Convert.refusal(ofXML: Convert.patient(elements(5000)).utf8)?.code == .tooManyNames)
        let attributes = (0..<5000).map { "<b a\($0)=\"\"/>" }.joined()
        #expect(Convert.refusal(ofXML: narrative(attributes).utf8)?.code == .tooManyNames)
        let prefixes = (0..<100).map { "<b xmlns:a\($0)=\"urn:\($0)\"/>" }.joined()
        #expect(Convert.refusal(ofXML: narrative(prefixes).utf8)?.code == .tooManyNames)
    }

    @Test(.verifies("house@xml-bounded"))
    func `what is too large is refused`() {
        #expect(Convert.refusal(ofXML: Self.patient.utf8, limits: XMLLimits(maxBytes: 20))?.code == .tooLarge)
        #expect(Convert.refusal(ofXML: Self.patient.utf8, limits: XMLLimits(maxOutputBytes: 20))?.code == .tooLarge)
    }
}
