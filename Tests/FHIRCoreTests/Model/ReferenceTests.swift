import FHIRCore
import RequirementTraits
import Testing

@Suite struct ResourceIDTests {
    @Test(arguments: [
        "", ".", "..", "a/b", "a b", "a_b", "a%2e", "é", "ｐＡ", "a\u{0}", "a\n", "p|1", "a;b", "a:b", "#a",
        String(repeating: "a", count: 65),
    ])
    func `a text outside the grammar of an id is none`(text: String) {
        #expect(ResourceID(text) == nil)
        #expect(VersionID(text) == nil)
    }

    @Test(arguments: ["a", "1", "...", "-", "A.b-9", String(repeating: "a", count: 64)])
    func `an id is kept as written`(text: String) {
        #expect(ResourceID(text)?.text == text)
        #expect(VersionID(text)?.text == text)
    }

    @Test(arguments: ["Patient", "Patient/", "/p", "Patient/p/", "patient/p", "Patient/..", "Foo/p", "Patient/p/q"])
    func `a key is a type and an id and nothing else`(text: String) {
        #expect(InstanceKey(text) == nil)
    }

    @Test func `a key prints as it reads`() {
        #expect(InstanceKey("Patient/p.1")?.description == "Patient/p.1")
    }
}

@Suite struct LiteralReferenceTests {
    private static let patient = InstanceKey("Patient/pA")!

    /// Spellings that some server might read as `Patient/pA` and that we do not.
    @Test(arguments: [
        "patient/pA", "PATIENT/pA", "/Patient/pA", "./Patient/pA", "../Patient/pA", "Patient//pA", "Patient/pA/",
        "Patient/pA/../pB", "Patient/./pA", "Patient/pA;v=1", "Patient/pA#x", "Patient/%70A", "Patient/pA%20",
        " Patient/pA", "Patient/pA ", "Patient/pA\n", "Patient/pA|1", "Patient\\pA", "Patient/ｐＡ", "Foo/pA", "pA", "",
        "Patient/pA/_history", "Patient/pA/_history/", "Patient/pA/_history/..", "Patient/pA/history/1",
        "ftp://h/fhir/Patient/pA", "HTTPS://h/fhir/Patient/pA", "https:///Patient/pA", "https://h//fhir/Patient/pA",
        "https://h/../fhir/Patient/pA", "https://u@h/fhir/Patient/pA", "https://h/fhir\\x/Patient/pA",
        "https://h/%2e%2e/Patient/pA", "//h/fhir/Patient/pA", "javascript:x/Patient/pA", "https://h/a b/Patient/pA",
    ])
    func `a spelling that only looks like a reference names nothing`(text: String) {
        #expect(LiteralReference(text) == .other(text))
        #expect(LiteralReference(text).key == nil)
    }

    @Test func `the other forms are told apart and name nothing`() {
        #expect(LiteralReference("#p") == .fragment("p"))
        #expect(LiteralReference("urn:uuid:1") == .urn("urn:uuid:1"))
        #expect(LiteralReference("Patient?identifier=a|b") == .conditional("Patient?identifier=a|b"))
        #expect(LiteralReference("Patient/pA?x=1") == .conditional("Patient/pA?x=1"))
        #expect(LiteralReference("Patient/pA?x=1").key == nil)
    }

    @Test func `relative and absolute references name their resource`() {
        let version = VersionID("2")
        #expect(LiteralReference("Patient/pA") == .relative(Self.patient, nil))
        #expect(LiteralReference("Patient/pA/_history/2") == .relative(Self.patient, version))
        #expect(
            LiteralReference("https://h.example:8443/a/fhir/Patient/pA")
                == .absolute(base: "https://h.example:8443/a/fhir", Self.patient, nil))
        #expect(
            LiteralReference("http://h/Patient/pA/_history/2")
                == .absolute(base: "http://h", Self.patient, version))
        #expect(LiteralReference("http://h/fhir/Patient/pA").key == Self.patient)
    }
}
