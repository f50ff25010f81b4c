import FHIRCore
import RequirementTraits
import Testing

/// A resource written as JSON text.
func resource(_ text: String) throws -> ResourceView {
    try ResourceView(JSONDocument(Array(text.utf8)).root)
}

@Suite struct ResourceViewTests {
    @Test(arguments: [
        ("[]", ResourceSyntaxError.Code.notAnObject), ("\"Patient\"", .notAnObject), ("{}", .missingType),
        (#"{"resourceType":1}"#, .missingType), (#"{"resourceType":"Foo"}"#, .unknownType),
        (#"{"resourceType":"patient"}"#, .unknownType), (#"{"resourceType":"Resource"}"#, .unknownType),
        (#"{"resourceType":"Patient","id":1}"#, .invalidID), (#"{"resourceType":"Patient","id":".."}"#, .invalidID),
        (#"{"resourceType":"Patient","id":null}"#, .invalidID), (#"{"resourceType":"Patient","id":"a/b"}"#, .invalidID),
        (#"{"resourceType":"Patient","meta":[]}"#, .invalidMeta),
        (#"{"resourceType":"Patient","meta":{"versionId":1}}"#, .invalidMeta),
        (#"{"resourceType":"Patient","meta":{"versionId":"a b"}}"#, .invalidMeta),
        (#"{"resourceType":"Patient","meta":{"lastUpdated":1}}"#, .invalidMeta),
    ])
    func `an object that is no R4 resource is refused`(text: String, code: ResourceSyntaxError.Code) {
        #expect(throws: ResourceSyntaxError(code)) { _ = try resource(text) }
    }

    @Test func `type, id and version are read`() throws {
        let view = try resource(
            #"{"resourceType":"Patient","id":"p","meta":{"versionId":"3","lastUpdated":"2026-01-01T00:00:00Z"}}"#)

        #expect(view.key == InstanceKey("Patient/p"))
        #expect(view.versionID?.text == "3")
        #expect(view.lastUpdated == "2026-01-01T00:00:00Z")
        #expect(try resource(#"{"resourceType":"Patient"}"#).key == nil)
    }
}

@Suite struct BundleViewTests {
    @Test(arguments: [
        #"{"resourceType":"Patient","type":"searchset"}"#, #"{"resourceType":"Bundle"}"#,
        #"{"resourceType":"Bundle","type":1}"#, #"{"resourceType":"Bundle","type":"searchset","entry":{}}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":[1]}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":[null]}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":[{"resource":[]}]}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":1}]}"#,
        #"{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":["match"]}}]}"#,
        #"{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET"}}]}"#,
        #"{"resourceType":"Bundle","type":"searchset","total":"1"}"#,
        #"{"resourceType":"Bundle","type":"searchset","total":-1}"#,
        #"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next"}]}"#,
    ])
    func `a Bundle with a malformed part is none`(text: String) throws {
        #expect(BundleView(try resource(text)) == nil)
    }

    @Test func `entries, links and total are read`() throws {
        let bundle = try #require(
            BundleView(
                try resource(
                    """
                    {"resourceType":"Bundle","type":"searchset","total":2,
                     "link":[{"relation":"self","url":"https://h/fhir/Patient"}],
                     "entry":[{"fullUrl":"https://h/fhir/Patient/p","resource":{"resourceType":"Patient","id":"p"},
                       "search":{"mode":"match"}},
                      {"request":{"method":"PUT","url":"Patient/p"},"response":{"status":"200"}}]}
                    """)))

        #expect(bundle.type == "searchset")
        #expect(bundle.total == 2)
        #expect(bundle.links.map(\.relation) == ["self"])
        #expect(bundle.entries.map(\.searchMode) == ["match", nil])
        #expect(bundle.entries[0].resource?["id"]?.string == "p")
        #expect(bundle.entries[1].request?.url == "Patient/p")
        #expect(bundle.entries[1].response?["status"]?.string == "200")
    }
}

@Suite struct OperationOutcomeTests {
    @Test func `an outcome is a resource with one issue and escapes what it shows`() throws {
        let bytes = OperationOutcome.json(
            code: "not-found", diagnostics: "say \"x\"", expression: ["Patient.id"], details: "other-patient-named")
        let value = try JSONValue(parsing: bytes)

        #expect(value["resourceType"] == "OperationOutcome")
        let issue = try #require(value["issue"]?.array?.first)
        #expect(issue["severity"] == "error")
        #expect(issue["code"] == "not-found")
        #expect(issue["diagnostics"] == "say \"x\"")
        #expect(issue["expression"] == ["Patient.id"])
        #expect(issue["details"]?["coding"]?.array?.first?["code"] == "other-patient-named")
    }

    @Test func `what is not said is not there`() {
        let text = String(decoding: OperationOutcome.json(code: "login", diagnostics: nil), as: UTF8.self)

        #expect(text == #"{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"login"}]}"#)
    }
}
